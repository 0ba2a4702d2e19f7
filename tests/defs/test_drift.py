"""The watch on drift as a step: once per finished week, by what was known, and the same again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from energy_assets.contracts import TABLES
from energy_assets.defs.issues import Issues
from energy_assets.defs.monitoring import drift
from energy_assets.defs.resources import WarehouseResource
from energy_assets.warehouse import Warehouse, ensure_tables
from energy_assets.warehouse.writes import registered
from tests.warehouses import SMALL, Folder

DAYS, FIRST = 420, date(2024, 1, 1)  # a Monday
MONDAY = FIRST + timedelta(days=DAYS)
TUESDAY = datetime(MONDAY.year, MONDAY.month, MONDAY.day + 1, 8, tzinfo=UTC)  # 09:00 in Paris
LATER = timedelta(days=400)
VIEWS = {
    "features.feat_demand_day_ahead": "SELECT * EXCLUDE (known_from_utc, demand_kwh) FROM made",
    "intermediate.int_demand_versions": "SELECT meter_id, interval_start_utc, local_date, demand_kwh, known_from_utc, "
    "NULL::TIMESTAMPTZ AS known_to_utc FROM made WHERE demand_kwh IS NOT NULL",
    "intermediate.int_demand_days": "SELECT meter_id, local_date, min(known_from_utc) FILTER (demand_kwh IS NOT NULL) "
    "AS first_known_utc FROM made GROUP BY ALL",
    "intermediate.int_local_days": "SELECT 'Europe/Paris' AS timezone, local_date, min(interval_start_utc) AS "
    "day_start_utc, max(interval_end_utc) AS day_end_utc FROM made GROUP BY ALL",
    "intermediate.int_meter_locations": "SELECT DISTINCT meter_id, 'here' AS location_id FROM made",
    "intermediate.int_weather_versions": "SELECT DISTINCT 'here' AS location_id, interval_start_utc AS valid_at_utc, "
    "temperature_c, issued_at_utc AS known_from_utc, NULL::TIMESTAMPTZ AS known_to_utc FROM made",
    "intermediate.int_training_turns": "SELECT DISTINCT meter_id, 0 AS turn, 1 AS step, true AS is_judged FROM made",
    "marts.dim_dates": "SELECT '' AS country, NULL::DATE AS local_date, FALSE AS is_holiday",
    "intermediate.int_published_by_hour": "SELECT meter_id, '' AS publisher, interval_start_utc, 0.0 AS energy_kwh, "
    "known_from_utc AS known_at_utc FROM made WHERE FALSE",
}  # fmt: skip


def made() -> pl.DataFrame:
    """Hours of two homes over sixty weeks: features of each day and when its demand was known."""
    rng = np.random.default_rng(8)
    zone = "Europe/Paris"
    local = pl.datetime_range(FIRST, FIRST + timedelta(days=DAYS + 7), "1h", closed="left", eager=True, time_zone=zone)
    hours = pl.DataFrame({"local": local}).with_columns(interval_start_utc=pl.col("local").dt.convert_time_zone("UTC"))
    start = pl.col("interval_start_utc")
    day = pl.col("local").dt.date()
    issued = (day - timedelta(days=1)).cast(pl.Datetime("us")).dt.replace_time_zone(zone) + timedelta(hours=9)
    frame = hours.with_columns(
        interval_end_utc=start + timedelta(hours=1), issued_at_utc=issued.dt.convert_time_zone("UTC"), local_date=day,
        local_hour=pl.col("local").dt.hour().cast(pl.Int32), day_of_week=day.dt.weekday().cast(pl.Int32),
        is_holiday=pl.lit(value=False), known_from_utc=start + timedelta(hours=2), load_id=pl.lit(1),
        temperature_c=pl.Series(rng.normal(18, 4, hours.height)),
    ).drop("local")  # fmt: skip
    parts = [
        frame.with_columns(
            meter_id=pl.lit(name), kind=pl.lit("household"), demand_kwh=pl.Series(rng.normal(10, 0.5, frame.height))
        )
        for name in ("a", "b")
    ]
    return pl.concat(parts)


@pytest.fixture
def energy(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> WarehouseResource:
    """A warehouse of the tables that the step reads."""
    long = {"issue_hour": 9, "training_days": 500}
    folder = Folder.make(tmp_path / "warehouse", {**SMALL, "forecast": long})
    monkeypatch.setenv("ENERGY_WAREHOUSE", str(folder.path))
    write(folder.warehouse, made())
    return WarehouseResource()


def write(warehouse: Warehouse, frame: pl.DataFrame) -> None:
    with warehouse.connect() as con:
        ensure_tables(con, TABLES.values())
        with registered(con, frame):
            con.execute("CREATE OR REPLACE TABLE made AS SELECT * FROM incoming")
        con.execute("DELETE FROM raw.meters")
        con.execute(
            "INSERT INTO raw.meters BY NAME SELECT DISTINCT meter_id, meter_id AS name, kind, 'FR' AS country, "
            "'Europe/Paris' AS timezone, 60 AS interval_minutes, 'made' AS source FROM made"
        )
        for name, query in VIEWS.items():
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {name.split('.')[0]}")
            con.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")


def issues(first: date, last: date) -> Issues:
    return Issues(first, last, 9, "Europe/Paris")


def judged(energy: WarehouseResource, at: datetime = TUESDAY) -> tuple[list[Any], list[Any]]:
    """Scores and decisions of the week before `MONDAY`."""
    drift._judge_week(energy, at, MONDAY)
    with energy.warehouse.connect(read_only=True) as con:
        return tuple(  # type: ignore[return-value]
            con.execute(f"SELECT * FROM monitoring.{name} ORDER BY ALL").fetchall()
            for name in ("drift_scores", "drift_decisions")
        )


def test_a_week_is_due_once_a_day_after_its_end(energy: WarehouseResource) -> None:
    week = [(TUESDAY, MONDAY)]
    day = timedelta(days=1)
    assert drift._due(energy, issues(MONDAY, MONDAY)) == [(TUESDAY - day, MONDAY - 7 * day)]  # readings come in
    assert drift._due(energy, issues(MONDAY + day, MONDAY + day)) == week
    assert drift._due(energy, issues(MONDAY + day, MONDAY + 9 * day)) == [*week, (TUESDAY + 7 * day, MONDAY + 7 * day)]
    scores, decisions = judged(energy)
    assert drift._due(energy, issues(MONDAY + day, MONDAY + 6 * day)) == []
    assert [row[0] for row in decisions] == ["a", "all:household", "b"]
    assert {row[4] for row in decisions} == {"nothing"}
    assert len({row[4] for row in scores if row[3] == "decides"}) > 10  # weeks: a young table gets the ones before
    assert judged(energy) == (scores, decisions)


def test_what_comes_later_moves_nothing(energy: WarehouseResource) -> None:
    said = judged(energy)
    late = pl.col("known_from_utc") > TUESDAY
    poisoned = pl.when(late).then(pl.lit(1e6)).otherwise("demand_kwh")
    with energy.warehouse.connect() as con:
        con.execute("DELETE FROM monitoring.drift_scores")
        con.execute("DELETE FROM monitoring.drift_decisions")
    write(energy.warehouse, made().with_columns(demand_kwh=poisoned))
    assert judged(energy) == said


def test_a_lasting_change_asks_for_a_challenger(energy: WarehouseResource) -> None:
    since = pl.col("local_date") >= MONDAY - timedelta(weeks=3)
    write(energy.warehouse, made().with_columns(demand_kwh=pl.col("demand_kwh") * (1 + 0.3 * since)))
    _, decisions = judged(energy)
    assert {row[4] for row in decisions} == {"retrain"}
    assert all("level off by" in row[5] for row in decisions)
