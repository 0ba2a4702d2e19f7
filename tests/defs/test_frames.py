"""Frames of features: of a large kind all meters of the newest weeks, and a share of the days before them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest

from energy_assets.config import WarehouseConfig
from energy_assets.contracts import table
from energy_assets.defs.frames import demand_versions, features_of, issue_times, labelled_features
from energy_assets.forecasting import WINDOW_DAYS
from energy_assets.warehouse.writes import ensure_tables

AT = datetime(2024, 7, 1, 9, tzinfo=UTC)
DAYS, METERS, STEP = 182, 6, 4
CONFIG = WarehouseConfig.model_validate(
    {
        "market": {"timezone": "UTC", "country": "FR"},
        "forecast": {"training_days": DAYS, "evaluation_weeks": 2, "promotion": {"weeks": 2}},
        "sources": [{"name": "s", "type": "simulation"}],
    }
)  # fmt: skip
WHOLE_DAYS, JUDGED_DAYS = 20, 34
JUDGED = ["m1", "m2"]


@pytest.fixture(scope="module")
def con() -> Any:
    """An hour's features of six homes and half a year, of which every fourth day is learned from."""
    with duckdb.connect() as con:
        con.execute("LOAD icu")
        con.execute("SET TimeZone = 'UTC'")
        con.execute("CREATE SCHEMA features")
        con.execute("CREATE SCHEMA intermediate")
        con.execute(
            """CREATE TABLE features.feat_demand_day_ahead AS
            SELECT 'm' || m AS meter_id, 'household' AS kind, i AS issued_at_utc,
                i + INTERVAL 1 DAY AS interval_start_utc, 1 AS load_id
            FROM range($meters) meters(m), (SELECT unnest($issues::TIMESTAMPTZ[]) AS i)""",
            {"meters": METERS, "issues": issue_times(CONFIG, as_of=AT, days=DAYS)},
        )
        con.execute(
            """CREATE TABLE intermediate.int_demand_versions AS
            SELECT meter_id, interval_start_utc, 1.0 AS demand_kwh, interval_start_utc AS known_from_utc,
                NULL::TIMESTAMPTZ AS known_to_utc FROM features.feat_demand_day_ahead"""
        )
        con.execute(
            "CREATE TABLE intermediate.int_training_turns AS "
            f"SELECT 'm' || m AS meter_id, 7 * m AS turn, {STEP} AS step, m IN (1, 2) AS is_judged "
            f"FROM range({METERS}) meters(m)"
        )
        ensure_tables(con, [table("forecasts.demand_profiles")])
        yield con


def older_and_newer(frame: pl.DataFrame, since: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    newer = pl.col("issued_at_utc") >= since
    return frame.filter(~newer), frame.filter(newer)


def shared_evenly(older: pl.DataFrame, days: int) -> None:
    of_meters = older.group_by("meter_id").agg(pl.len(), weekdays=pl.col("issued_at_utc").dt.weekday().n_unique())
    assert of_meters["len"].min() == days // STEP
    assert of_meters["len"].max() <= days // STEP + 1  # type: ignore[operator]
    assert set(of_meters["weekdays"]) == {7}


def test_training_has_the_newest_weeks_of_all_and_an_even_share_of_the_rest(con: Any) -> None:
    frame = labelled_features(con, CONFIG, as_of=AT, days=DAYS)
    older, newer = older_and_newer(frame, AT - timedelta(days=WHOLE_DAYS))
    assert newer.height == WHOLE_DAYS * METERS
    judged = older.filter(pl.col("meter_id").is_in(JUDGED), pl.col("issued_at_utc") >= AT - timedelta(days=JUDGED_DAYS))
    assert judged.height == (JUDGED_DAYS - WHOLE_DAYS) * len(JUDGED)
    shared_evenly(older.filter(~pl.col("meter_id").is_in(JUDGED)), DAYS - WHOLE_DAYS)
    assert older["issued_at_utc"].n_unique() == DAYS - WHOLE_DAYS
    again = labelled_features(con, CONFIG, as_of=AT + timedelta(days=1), days=DAYS)
    both = pl.col("issued_at_utc") >= frame["issued_at_utc"].min() + timedelta(days=1)  # type: ignore[operator]
    thinned = pl.col("issued_at_utc") < AT - timedelta(days=JUDGED_DAYS)
    assert again.filter(both, thinned)["meter_id"].equals(frame.filter(both, thinned)["meter_id"])


def test_a_backtest_judges_its_meters_and_learns_from_a_share_of_all(con: Any) -> None:
    since = AT - timedelta(days=20)
    issues = issue_times(CONFIG, as_of=AT, days=DAYS)
    frame = features_of(con, issues, kind="household", judged_since=since, judged=JUDGED)
    older, newer = older_and_newer(frame, since)
    assert newer.height == 20 * 2
    looked_back_on = older.filter(pl.col("issued_at_utc") >= since - timedelta(days=WINDOW_DAYS))
    for meter, days in looked_back_on.group_by("meter_id").len().iter_rows():
        assert days in ((WINDOW_DAYS,) if meter in JUDGED else (WINDOW_DAYS // STEP, WINDOW_DAYS // STEP + 1))
    shared_evenly(older.filter(~pl.col("meter_id").is_in(["m1", "m2"])), DAYS - 20)
    every = features_of(con, issues, kind="household", judged_since=since)
    assert every.filter(pl.col("issued_at_utc") >= since).height == 20 * METERS
    one = features_of(con, issues, kind="household", judged_since=AT, meter_ids=["m3"])
    assert set(one["meter_id"]) == {"m3"}


def test_versions_are_those_of_the_hours_asked_for(con: Any) -> None:
    hours = features_of(con, [AT - timedelta(days=3)], kind="household", judged_since=AT).head(2)
    found = demand_versions(con, hours, as_of=AT)
    assert found.select("meter_id", "interval_start_utc").equals(hours.select("meter_id", "interval_start_utc"))
    assert demand_versions(con, hours, as_of=AT - timedelta(days=3)).is_empty()
