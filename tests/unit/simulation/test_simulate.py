"""The simulator's edge: contracts, repeatability, and windows that join without a seam."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_assets.config import Market
from energy_assets.contracts import table
from energy_assets.simulation import TABLES, description_sha256
from tests.unit.simulation.fleets import FRANCE, SMALL, UNTIL, between, latest, loaded, midnight, small

MASTER = TABLES[:4]
TOLD = TABLES[4:]


def overlap(name: str, frame: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Rows that a history up to `until` holds, in order."""
    start, telemetry = midnight(until, SMALL.history_days), midnight(until, SMALL.telemetry_days)
    machine = pl.col("meter_id").str.starts_with("machine") if "meter_id" in frame.columns else pl.lit(False)
    first = {
        "raw.meter_readings": pl.col("interval_start_utc") >= start,
        "raw.published_forecasts": pl.col("interval_start_utc") >= start,
        "raw.weather": pl.col("issued_at_utc") >= start,
        "raw.telemetry": pl.col("observed_at_utc") >= telemetry,
        "raw.tariffs": (pl.col("valid_from_utc") >= start) & pl.col("valid_to_utc").is_not_null(),  # hourly prices
        "raw.simulated_faults": pl.col("end_utc") > pl.when(machine).then(pl.lit(telemetry)).otherwise(pl.lit(start)),
    }[name]
    return frame.filter(first).sort(table(name).key)


@pytest.mark.parametrize("name", TABLES)
def test_fits_its_contract_with_one_row_per_key(name: str) -> None:
    frame = small().tables[name]
    assert not {"load_id", "loaded_at_utc"} & set(frame.columns)
    assert loaded(name, frame).height == frame.height > 0


def test_the_same_again_to_the_bit() -> None:
    again = between(None, UNTIL)
    assert again.rows == small().rows == sum(frame.height for frame in again.tables.values())
    for name in TABLES:
        assert_frame_equal(again.tables[name], small().tables[name], check_exact=True)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(minutes=st.lists(st.integers(1, 12 * 24 * 60), min_size=1, max_size=3, unique=True))
def test_windows_join_without_a_seam(minutes: list[int]) -> None:
    cuts = sorted(UNTIL - timedelta(minutes=back) for back in minutes)
    parts = [between(None, cuts[0]), *(between(after, until) for after, until in pairwise([*cuts, UNTIL]))]
    for name in TOLD:
        joined = pl.concat(part.tables[name] for part in parts)
        assert_frame_equal(overlap(name, joined, UNTIL), overlap(name, small().tables[name], UNTIL), check_exact=True)
    for name in MASTER:
        for part in parts:
            assert_frame_equal(part.tables[name], small().tables[name])


def test_a_year_of_history_changes_nothing_about_last_week() -> None:
    longer = SMALL.model_copy(update={"history_days": 200})
    for name in ("raw.meter_readings", "raw.weather", "raw.published_forecasts", "raw.simulated_faults"):
        whole = between(None, UNTIL, longer).tables[name].drop("file_sha256", strict=False)
        assert_frame_equal(
            overlap(name, whole, UNTIL),
            overlap(name, small().tables[name].drop("file_sha256", strict=False), UNTIL),
            check_exact=True,
        )


def test_a_larger_fleet_leaves_its_first_members_alone() -> None:
    more = SMALL.model_copy(update={"households": 9, "industrial_sites": 3, "buildings": 5, "zones": 2})
    larger = between(None, UNTIL, more).tables
    for name in ("raw.meter_readings", "raw.telemetry"):
        owner = table(name).key[0]
        expected = small().tables[name]
        found = larger[name].filter(pl.col(owner).is_in(expected[owner].unique().to_list()))
        keys = table(name).key
        assert_frame_equal(
            found.drop("file_sha256", strict=False).sort(keys),
            expected.drop("file_sha256", strict=False).sort(keys),
            check_exact=True,
        )


def test_another_seed_is_another_world() -> None:
    other = between(UNTIL - timedelta(days=1), UNTIL, SMALL.model_copy(update={"seed": 2})).tables["raw.meter_readings"]
    joined = latest(other).join(latest(small().tables["raw.meter_readings"]), on=["meter_id", "interval_start_utc"])
    assert joined.height > 300
    assert joined.filter(pl.col("energy_kwh") == pl.col("energy_kwh_right")).height < 0.02 * joined.height


def test_nothing_is_known_before_it_ended_nor_outside_the_window() -> None:
    tables = between(UNTIL - timedelta(hours=30), UNTIL).tables
    for name in ("raw.meter_readings", "raw.published_forecasts", "raw.weather", "raw.telemetry", "raw.tariffs"):
        told = tables[name]
        known = (told.drop_nulls("valid_to_utc") if name == "raw.tariffs" else told)["known_at_utc"]
        assert known.min() > UNTIL - timedelta(hours=30)  # type: ignore[operator]
        assert known.max() <= UNTIL  # type: ignore[operator]
    readings = small().tables["raw.meter_readings"]
    assert readings.filter(pl.col("known_at_utc") < pl.col("interval_end_utc")).is_empty()
    issued = small().tables["raw.weather"].filter(pl.col("known_at_utc") <= pl.col("issued_at_utc"))
    assert issued.is_empty()


@pytest.mark.parametrize(
    ("until", "day", "hours"),
    [
        (datetime(2025, 4, 5, 9, tzinfo=UTC), datetime(2025, 3, 30), 23),
        (datetime(2025, 11, 1, 9, tzinfo=UTC), datetime(2025, 10, 26), 25),
        (datetime(2025, 11, 1, 9, tzinfo=UTC), datetime(2025, 10, 27), 24),
    ],
)
def test_local_days_have_23_24_or_25_hours(until: datetime, day: datetime, hours: int) -> None:
    source = SMALL.model_copy(update={"history_days": 14, "fault_rate_per_meter_month": 0.0})
    tables = between(None, until, source).tables
    local = pl.col("interval_start_utc").dt.convert_time_zone("Europe/Paris").dt.date()
    counts = latest(tables["raw.meter_readings"]).filter(local == day.date()).group_by("meter_id").len()
    expected = tables["raw.meters"].filter(pl.col("kind") != "machine").select(
        "meter_id", expected=hours * 60 // pl.col("interval_minutes")
    )  # fmt: skip
    joined = expected.join(counts, on="meter_id", how="left").filter(pl.col("expected") != pl.col("len").fill_null(0))
    # a meter whose day comes late may still be on its way; six days on that is at most one of them
    assert joined.height <= 1


@pytest.mark.parametrize(
    ("zone", "country"),
    [
        ("UTC", None),
        ("Asia/Kolkata", "IN"),
        ("Australia/Lord_Howe", "AU-NSW"),
        ("America/St_Johns", "CA"),
        ("Asia/Tokyo", "AQ"),
    ],
)
def test_any_market_works(zone: str, country: str | None) -> None:
    source = SMALL.model_copy(update={"history_days": 5, "telemetry_days": 1})
    market = Market(timezone=zone, country=country)
    tables = between(None, UNTIL, source, market).tables
    for name in TABLES:
        if name != "raw.simulated_faults":
            assert loaded(name, tables[name]).height > 0
    issued = tables["raw.weather"].filter("is_forecast")["issued_at_utc"].dt.convert_time_zone(zone)
    assert set(issued.dt.hour()) == {6}


@pytest.mark.parametrize("empty", ["households", "industrial_sites", "machines_per_site", "buildings", "zones"])
def test_a_fleet_may_lack_a_kind(empty: str) -> None:
    source = SMALL.model_copy(update={empty: 0, "history_days": 5, "telemetry_days": 1})
    tables = between(None, UNTIL, source).tables
    for name in TABLES:
        loaded(name, tables[name])
    assert tables["raw.meters"].height < small().tables["raw.meters"].height


def test_an_empty_fleet_still_has_weather() -> None:
    nobody = SMALL.model_copy(update=dict.fromkeys(("households", "industrial_sites", "buildings", "zones"), 0))
    tables = between(None, UNTIL, nobody).tables
    assert tables["raw.meter_readings"].is_empty()
    assert loaded("raw.meter_readings", tables["raw.meter_readings"]).is_empty()
    assert tables["raw.weather"].height > 0


def test_wrong_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        between(None, UNTIL.replace(tzinfo=None))
    with pytest.raises(ValueError, match="later than"):
        between(UNTIL, UNTIL - timedelta(seconds=1))
    assert between(UNTIL, UNTIL).tables["raw.meter_readings"].is_empty()


def test_rows_carry_the_descriptions_checksum() -> None:
    sha = description_sha256(SMALL, FRANCE)
    assert small().tables["raw.meter_readings"]["file_sha256"].unique().to_list() == [sha]
    assert small().tables["raw.meter_readings"]["file_row"].unique().to_list() == [0]
    assert description_sha256(SMALL.model_copy(update={"seed": 5}), FRANCE) != sha
    assert description_sha256(SMALL, Market(timezone="UTC")) != sha


def test_master_data_hang_together() -> None:
    tables = small().tables
    meters = tables["raw.meters"]
    machines = meters.filter(pl.col("kind") == "machine")
    assert machines["parent_meter_id"].to_list() == ["industrial_01", "industrial_02"]
    assert machines["site_id"].to_list() == ["site_01", "site_02"]
    standing = meters.filter(pl.col("kind") != "machine")["meter_id"].to_list()
    assert tables["raw.meter_locations"]["meter_id"].to_list() == standing
    assert set(tables["raw.meter_locations"]["location_id"]) == set(tables["raw.weather_locations"]["location_id"])
    assert set(meters["tariff_id"].drop_nulls()) == set(tables["raw.tariffs"]["tariff_id"])
    assert set(tables["raw.shiftable_loads"]["meter_id"]) <= set(standing)
    assert set(meters.filter(pl.col("kind") == "household")["capacity_kw"]) <= {6.0, 9.0, 12.0}
    assert set(tables["raw.telemetry"]["machine_id"]) == set(machines["meter_id"])
    assert set(tables["raw.meter_readings"]["meter_id"]) == set(standing)


def test_some_readings_are_late_and_some_are_corrected() -> None:
    readings = small().tables["raw.meter_readings"]
    delay = pl.col("known_at_utc") - pl.col("interval_end_utc")
    first = readings.filter(pl.col("quality") != "corrected").sort("known_at_utc").unique(
        ["meter_id", "interval_start_utc"], keep="first"
    )  # fmt: skip
    late = first.filter(delay > pl.duration(hours=28))
    assert 0 < late.height < 0.05 * first.height
    assert late.select(delay.max()).item() < timedelta(days=6)
    corrected = readings.filter(pl.col("quality") == "corrected")
    estimated = readings.filter(pl.col("quality") == "estimated")
    both = corrected.join(estimated, on=["meter_id", "interval_start_utc"])
    assert both.height == corrected.height > 0
    assert both.filter(pl.col("known_at_utc") <= pl.col("known_at_utc_right")).is_empty()
    nightly = first.filter((pl.col("meter_id") == "household_005") & (delay < pl.duration(hours=28)))
    assert nightly["known_at_utc"].dt.convert_time_zone("Europe/Paris").dt.hour().unique().to_list() == [3]
