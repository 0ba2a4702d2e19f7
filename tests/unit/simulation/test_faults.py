"""Injected faults: the truth that is told is in the readings, and nothing else is."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from tests.unit.simulation.fleets import SMALL, UNTIL, between, latest, small

MANY = SMALL.model_copy(
    update={"households": 12, "buildings": 4, "history_days": 120, "fault_rate_per_meter_month": 6.0}
)
CLEAN = MANY.model_copy(update={"fault_rate_per_meter_month": 0.0})


@cache
def pairs() -> pl.DataFrame:
    """Reported beside true energy for every interval, with the fault and the shift of level that it lies in."""
    clean = latest(between(None, UNTIL, CLEAN).tables["raw.meter_readings"]).filter(pl.col("quality") != "estimated")
    true = clean.select("meter_id", "interval_start_utc", true_kwh="energy_kwh")
    faulty = between(None, UNTIL, MANY).tables
    reported = latest(faulty["raw.meter_readings"]).select("meter_id", "interval_start_utc", "energy_kwh", "quality")
    joined = true.join(reported, on=["meter_id", "interval_start_utc"], how="left")
    level = faulty["raw.simulated_faults"].filter(pl.col("kind") == "level_shift")
    single = faulty["raw.simulated_faults"].filter(pl.col("kind") != "level_shift")
    for kind, faults in (("fault", single), ("shift", level)):
        inside = joined.select("meter_id", "interval_start_utc").join_where(
            faults.select("start_utc", "end_utc", "kind", "magnitude", owner="meter_id"),
            pl.col("meter_id") == pl.col("owner"),
            pl.col("interval_start_utc") >= pl.col("start_utc"),
            pl.col("interval_start_utc") < pl.col("end_utc"),
        )
        inside = inside.select(
            "meter_id", "interval_start_utc", pl.col("kind").alias(kind), pl.col("magnitude").alias(f"{kind}_size")
        )
        joined = joined.join(inside, on=["meter_id", "interval_start_utc"], how="left", validate="1:1")
    return joined.sort("meter_id", "interval_start_utc")


def kind(name: str) -> pl.DataFrame:
    """Intervals of one kind of fault that no level shift touches."""
    found = pairs().filter((pl.col("fault") == name) & pl.col("shift").is_null())
    assert found.height > 0
    return found


def test_every_kind_happens_about_as_often_as_asked() -> None:
    truth = between(None, UNTIL, MANY).tables["raw.simulated_faults"]
    meters = truth.filter(pl.col("meter_id").str.contains("household|building|industrial"))
    asked = 6.0 * (120 / 30.44) * 18
    assert meters.filter(pl.col("kind") != "level_shift").height == pytest.approx(asked, rel=0.2)
    assert set(meters["kind"]) == {
        "missing", "duplicate", "negative", "flatline", "zero_run", "spike", "unit_scale", "level_shift"
    }  # fmt: skip
    assert set(truth.filter(pl.col("meter_id").str.starts_with("zone"))["kind"]) <= {"missing"}
    assert set(truth.filter(pl.col("meter_id").str.starts_with("machine"))["kind"]) <= {"spike", "flatline"}


def test_missing_intervals_are_absent() -> None:
    assert kind("missing")["energy_kwh"].null_count() == kind("missing").height


def test_negative_intervals_are_negative() -> None:
    found = kind("negative")
    assert found.filter((pl.col("energy_kwh") + pl.col("true_kwh")).abs() > 1e-3).is_empty()


def test_zero_runs_are_zero() -> None:
    assert set(kind("zero_run")["energy_kwh"]) == {0.0}


def test_flatlines_hold_one_value() -> None:
    faults = pairs().filter(pl.col("shift").is_null()).with_columns(
        run=((pl.col("fault") == "flatline").fill_null(False)).rle_id()
    )  # fmt: skip
    runs = faults.filter(pl.col("fault") == "flatline").group_by("meter_id", "run").agg(
        pl.col("energy_kwh").n_unique(), pl.len()
    )  # fmt: skip
    assert runs["energy_kwh"].unique().to_list() == [1]
    assert runs["len"].min() >= 3  # type: ignore[operator]


def test_spikes_are_five_to_ten_times_too_high() -> None:
    found = kind("spike").with_columns(ratio=pl.col("energy_kwh") / pl.col("true_kwh"))
    assert found["ratio"].min() > 4.9  # type: ignore[operator]
    assert found["fault_size"].is_between(5, 10).all()


def test_wrong_units_are_a_thousand_times_too_high() -> None:
    found = kind("unit_scale")
    assert (found["energy_kwh"] / found["true_kwh"]).is_between(990, 1010).all()


def test_level_shifts_scale_everything() -> None:
    found = pairs().filter(pl.col("shift").is_not_null() & pl.col("fault").is_null() & (pl.col("true_kwh") > 0.1))
    error = (found["energy_kwh"] / found["true_kwh"] - found["shift_size"]).abs()
    assert found.height > 500
    assert error.max() < 0.01  # type: ignore[operator]


def test_doubled_intervals_come_again_later_with_the_same_value() -> None:
    faulty = between(None, UNTIL, MANY).tables["raw.meter_readings"]
    found = (
        kind("duplicate").select("meter_id", "interval_start_utc").join(faulty, on=["meter_id", "interval_start_utc"])
    )
    versions = found.group_by("meter_id", "interval_start_utc").agg(
        pl.len(), pl.col("energy_kwh").n_unique(), pl.col("known_at_utc").n_unique().alias("times")
    )
    settled = versions.filter(pl.col("interval_start_utc") < pl.lit(UNTIL).dt.offset_by("-3d"))
    assert settled.select(pl.col("len").unique(), pl.col("energy_kwh").unique(), pl.col("times").unique()).row(0) == (
        2,
        1,
        2,
    )


def test_what_is_no_fault_is_true() -> None:
    sound = pairs().filter(pl.col("fault").is_null() & pl.col("shift").is_null() & (pl.col("quality") == "measured"))
    assert sound.height > 0.8 * pairs().height
    assert sound.filter((pl.col("energy_kwh") - pl.col("true_kwh")).abs() > 1e-9).is_empty()


def test_a_fault_is_told_once_with_its_own_window() -> None:
    truth = small().tables["raw.simulated_faults"]
    middle = pl.Series([UNTIL]).dt.offset_by("-9d")[0]
    told = [between(None, middle), between(middle, UNTIL)]
    ids = pl.concat(batch.tables["raw.simulated_faults"] for batch in told)["fault_id"]
    assert ids.is_unique().all()
    assert set(truth["fault_id"]) <= set(ids)
