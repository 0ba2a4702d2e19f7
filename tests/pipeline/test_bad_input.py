"""Bad input, end to end: one run over good and bad sources, a row for everything bad, forecasts for all others."""

from __future__ import annotations

import pytest

from energy_assets.querying import query_published
from energy_assets.settings import Settings
from tests.conftest import Built
from tests.pipeline import bad_input
from tests.warehouses import ISSUED_AT, NOW, Folder

GOOD = {"good_1", "good_2", "text", "wild", "future"}  # mostly good
SIMULATED = {"building_01", "household_001", "household_002", "household_003", "industrial_01", "zone_01"}
WITHOUT_WEATHER = """SELECT interval_start_utc FROM features.feat_demand_day_ahead
WHERE meter_id = $meter AND issued_at_utc = $at AND temperature_c IS NULL ORDER BY 1"""
OF_METER = """SELECT DISTINCT interval_start_utc FROM forecasts.demand_forecasts
WHERE meter_id = $meter AND issued_at_utc = $at AND quality = $quality AND quality_reason IS NOT DISTINCT FROM $reason
ORDER BY 1"""


@pytest.fixture(scope="module")
def folder(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The warehouse after its run, which succeeded."""
    made = bad_input.make(tmp_path_factory.mktemp("bad") / bad_input.STRANGE_FOLDER)
    made.run()
    return made


def hours(folder: Folder, meter: str, quality: str, reason: str | None = None) -> list[object]:
    """The hours of tomorrow that have a forecast of this quality."""
    rows = folder.rows(OF_METER, meter=meter, at=ISSUED_AT, quality=quality, reason=reason)
    return [start for (start,) in rows]


def test_every_bad_file_and_row_has_its_rejected_row(folder: Folder) -> None:
    rows = folder.rows("SELECT source, reason, count(*) FROM raw.rejected_rows GROUP BY ALL ORDER BY ALL")
    assert rows == [
        ("empty", "empty_file", 1),
        ("future", "in_the_future", 24),
        ("missing", "missing_file", 1),
        ("same_id", "meter_id_conflict", 60 * 24),
        ("text", "not_a_number", 1),
    ]
    [(text, row, message)] = folder.rows(
        "SELECT raw_text, file_row, message FROM raw.rejected_rows WHERE source = 'text'"
    )
    assert (text, row) == ("broken", 60 * 24 - 40 + 1)
    assert "number" in str(message)


def test_a_second_meter_by_the_same_id_changes_nothing_of_the_first(folder: Folder) -> None:
    assert folder.rows("SELECT kind, source FROM raw.meters WHERE meter_id = 'good_1'") == [("household", "good")]
    sums = folder.rows(
        "SELECT round(sum(demand_kwh), 3) FROM marts.fct_demand_hourly WHERE meter_id LIKE 'good__' GROUP BY meter_id"
    )
    assert len(sums) == 2
    assert sums[0] == sums[1]


def test_negative_and_absurd_values_are_flagged_and_kept_beside_what_is_used(folder: Folder) -> None:
    flagged = folder.rows(
        "SELECT kind, observed_kwh, severity FROM monitoring.demand_anomalies WHERE meter_id = 'wild' "
        "AND detector = 'rule' ORDER BY kind"
    )
    assert [row[:2] for row in flagged] == [("meter_reset", 5e6), ("negative", -3.0)]
    reported = folder.rows(
        "SELECT demand_reported_kwh, demand_kwh, excluded_reason IS NOT NULL FROM marts.fct_demand_hourly "
        "WHERE meter_id = 'wild' AND demand_reported_kwh < 0"
    )
    assert reported == [(-3.0, None, True)]


@pytest.mark.parametrize("meter", sorted(SIMULATED))
def test_meters_with_good_input_have_primary_forecasts_of_their_whole_next_day(folder: Folder, meter: str) -> None:
    assert len(hours(folder, meter, "primary")) == 24


@pytest.mark.parametrize("meter", sorted(GOOD))
def test_hours_without_weather_fall_back_and_say_so_and_the_others_do_not(folder: Folder, meter: str) -> None:
    holes = [start for (start,) in folder.rows(WITHOUT_WEATHER, meter=meter, at=ISSUED_AT)]
    assert 0 < len(holes) < 12
    assert hours(folder, meter, "fallback", "weather_missing") == holes
    assert len(hours(folder, meter, "primary")) == 24 - len(holes)


def test_a_newcomer_gets_a_fallback_with_its_reason(folder: Folder) -> None:
    assert len(hours(folder, "newcomer", "fallback", "too_few_days")) == 24
    assert hours(folder, "newcomer", "primary") == []


def test_a_meter_that_stopped_a_year_ago_has_no_invented_forecast_and_is_reported_stale(folder: Folder) -> None:
    assert folder.rows("SELECT count(*) FROM forecasts.demand_forecasts WHERE meter_id = 'stopped'") == [(0,)]
    said = folder.rows("SELECT meter_id, status FROM reporting.warehouse_freshness WHERE status <> 'fresh'")
    assert said == [("stopped", "stopped")]


def test_names_are_text_wherever_they_go(folder: Folder) -> None:
    loaded = folder.rows("SELECT path, rows, rejected_rows FROM raw.load_ledger WHERE source = 'strange'")
    assert loaded == [(bad_input.STRANGE_FILE, 60 * 24 * len(bad_input.STRANGE), 0)]
    assert {name for (name,) in folder.rows("SELECT meter_id FROM raw.meters")} > set(bad_input.STRANGE)
    for meter in bad_input.STRANGE:
        said = folder.rows(
            "SELECT DISTINCT interval_start_utc FROM forecasts.demand_forecasts WHERE meter_id = $meter", meter=meter
        )
        assert len(said) == 24
    ids = ", ".join("'" + meter.replace("'", "''") + "'" for meter in bad_input.STRANGE)
    with folder.environment(NOW):
        counted = query_published(
            Settings(), f"SELECT count(DISTINCT meter_id) FROM reporting.next_day_demand WHERE meter_id IN ({ids})",
            as_csv=True,
        )  # fmt: skip
    assert counted.splitlines()[-1] == str(len(bad_input.STRANGE))


def test_the_published_copy_has_all_of_it(folder: Folder) -> None:
    assert (folder.serving / "energy.duckdb").exists()
    published = folder.path / "serving" / "parquet" / "reporting" / "next_day_demand"
    assert list(published.glob("*.parquet"))
