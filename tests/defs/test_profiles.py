"""Load profiles of a large kind: which are missing, and that each is of what was known at its time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.defs.forecasting.profiles import fitted, missing_profiles
from energy_assets.defs.issues import Issues
from energy_assets.forecasting.features import FEW_METERS
from energy_assets.forecasting.profiles import block_end, last_block
from energy_assets.warehouse import append_new
from energy_assets.warehouse.writes import ensure_tables

METERS, DAYS = FEW_METERS + 1, 130
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
LAST = BEGIN + timedelta(days=DAYS - 1)
NEWEST = last_block(LAST)
TABLE = table("forecasts.demand_profiles")
HOURS = """
    SELECT 'm' || m AS meter_id, h AS interval_start_utc, h::DATE AS local_date, hour(h)::INTEGER AS local_hour,
        (1 + m % 5) * (1 + hour(h) / 24.0) + (epoch(h)::BIGINT // 3600 * 7 + m * 3) % 11 / 10.0 AS demand_kwh,
        h + INTERVAL 3 HOUR AS known_from_utc, NULL::TIMESTAMPTZ AS known_to_utc
    FROM range($meters) meters(m), generate_series($begin::TIMESTAMPTZ, $end::TIMESTAMPTZ, INTERVAL 1 HOUR) t(h)
"""
FEATURES = """
    SELECT meter_id, local_date, local_hour, isodow(local_date)::INTEGER AS day_of_week, false AS is_holiday,
        dayofyear(local_date)::INTEGER AS day_of_year, 5::DOUBLE AS heating_degrees_c, 5::DOUBLE AS heating_mean_24h_c,
        0::DOUBLE AS cooling_degrees_c, interval_start_utc - INTERVAL 1 DAY AS issued_at_utc, kind
    FROM intermediate.int_demand_versions JOIN raw.meters USING (meter_id)
"""


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A large kind and a small one."""
    with duckdb.connect() as con:
        con.execute("LOAD icu")
        con.execute("SET TimeZone = 'UTC'")
        for schema in ("raw", "intermediate", "features"):
            con.execute(f"CREATE SCHEMA {schema}")
        con.execute(
            "CREATE TABLE raw.meters AS SELECT 'm' || m AS meter_id, if(m = 0, 'zone', 'household') AS kind, "
            "if(m % 2 = 0, 'UTC', 'Europe/London') AS timezone, 'GB' AS country FROM range($meters) meters(m)",
            {"meters": METERS + 1},
        )
        con.execute("CREATE TABLE intermediate.int_meter_locations (meter_id VARCHAR, location_id VARCHAR)")
        con.execute("INSERT INTO intermediate.int_meter_locations VALUES ('m1', 'a'), ('m1', 'b'), ('m3', 'a')")
        con.execute(
            f"CREATE TABLE intermediate.int_demand_versions AS {HOURS}",
            {"meters": METERS + 1, "begin": BEGIN, "end": LAST},
        )
        con.execute(f"CREATE TABLE features.feat_demand_day_ahead AS {FEATURES}")
        ensure_tables(con, [TABLE])
        yield con


def issue(at: datetime) -> Issues:
    return Issues(at.date(), at.date(), 9, "UTC")


def made(con: duckdb.DuckDBPyConnection, *blocks: int) -> pl.DataFrame:
    return pl.concat(fitted(con, "household", list(blocks))).sort("known_from_utc", "meter_id", "local_hour")


def test_blocks_with_four_weeks_of_history_are_missing_until_they_are_made(con: duckdb.DuckDBPyConnection) -> None:
    first = last_block(BEGIN - timedelta(days=1)) + 2  # the day before, the first is forecast
    assert missing_profiles(con, issue(LAST), 1095) == {"household": list(range(first, NEWEST + 1))}
    month_ago = last_block(issue(LAST).last_time - timedelta(days=30))
    assert first < month_ago < NEWEST
    assert missing_profiles(con, issue(LAST), 30) == {"household": list(range(month_ago, NEWEST + 1))}
    rows = made(con, *range(first, NEWEST + 1))
    assert append_new(con, TABLE, rows) == rows.height
    assert rows["meter_id"].n_unique() == METERS
    assert missing_profiles(con, issue(LAST), 1095) == {}
    assert missing_profiles(con, issue(block_end(NEWEST + 1)), 1095) == {"household": [NEWEST + 1]}


def test_made_later_or_beside_others_a_profile_is_the_same(con: duckdb.DuckDBPyConnection) -> None:
    before = pl.col("known_from_utc") == block_end(NEWEST - 1)
    assert made(con, NEWEST - 1, NEWEST).filter(before).equals(made(con, NEWEST - 1))


def test_what_was_known_later_is_of_no_account(con: duckdb.DuckDBPyConnection) -> None:
    """A correction after the end of the block changes no profile; one before it does, like a value set aside."""
    asked = [NEWEST - 1, NEWEST]
    before = made(con, *asked)
    hour = block_end(NEWEST - 1) - timedelta(days=5)

    def corrected(known_from: datetime, value: float | None) -> pl.DataFrame:
        con.execute("BEGIN")
        con.execute(
            "INSERT INTO intermediate.int_demand_versions BY NAME SELECT * REPLACE ($value AS demand_kwh, "
            "$known::TIMESTAMPTZ AS known_from_utc) FROM intermediate.int_demand_versions "
            "WHERE meter_id = 'm7' AND interval_start_utc = $hour",
            {"value": value, "known": known_from, "hour": hour},
        )
        con.execute(
            "UPDATE intermediate.int_demand_versions SET known_to_utc = $known "
            "WHERE meter_id = 'm7' AND interval_start_utc = $hour AND known_from_utc < $known",
            {"known": known_from, "hour": hour},
        )
        found = made(con, *asked)
        con.execute("ROLLBACK")
        return found

    assert corrected(block_end(NEWEST - 1) + timedelta(hours=1), 1e6).equals(before)
    assert corrected(block_end(NEWEST - 1) + timedelta(hours=1), None).equals(before)
    for value in (25.0, None):
        known = corrected(block_end(NEWEST - 1), value)
        apart = known.filter(pl.col("base_kwh") != before["base_kwh"])
        assert "m7" in set(apart["meter_id"])
        assert set(apart["known_from_utc"]) == {block_end(NEWEST - 1), block_end(NEWEST)}


def test_meters_of_another_place_learn_of_their_own_weather(con: duckdb.DuckDBPyConnection) -> None:
    before = made(con, NEWEST)
    con.execute("UPDATE features.feat_demand_day_ahead SET heating_degrees_c = local_hour WHERE meter_id = 'm3'")
    apart = made(con, NEWEST).filter(pl.col("heating_kwh") != before["heating_kwh"])
    assert set(apart["meter_id"]) == {"m3"}
