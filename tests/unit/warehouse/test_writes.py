"""Writes that can be repeated."""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import polars as pl
import pytest

from energy_assets.contracts import TABLES, ContractError
from energy_assets.warehouse import (
    Warehouse,
    WarehouseBusyError,
    append_new,
    append_revisions,
    ensure_tables,
    fingerprint,
    replace_by_key,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
HOLIDAYS = TABLES["raw.holidays"]
FORECASTS = TABLES["forecasts.demand_forecasts"]


def forecast_rows(kwh: float, run_id: str = "a") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "meter_id": ["m"] * 2,
            "issued_at_utc": [START] * 2,
            "model_version": ["v"] * 2,
            "interval_start_utc": [START + timedelta(hours=h) for h in (24, 25)],
            "quantile": [0.5] * 2,
            "interval_end_utc": [START + timedelta(hours=h) for h in (25, 26)],
            "data_cutoff_utc": [START] * 2,
            "lead_minutes": [1440, 1500],
            "demand_kwh": [1.0, kwh],
            "quality": ["primary"] * 2,
            "quality_reason": [None, None],
            "dagster_run_id": [run_id] * 2,
        },
        schema_overrides={"quality_reason": pl.String, "lead_minutes": pl.Int32},
    ).cast(
        {
            c: pl.Datetime("us", "UTC")
            for c in ("issued_at_utc", "interval_start_utc", "interval_end_utc", "data_cutoff_utc")
        }
    )


def holidays(name: str) -> pl.DataFrame:
    return pl.DataFrame({"country": ["FR"], "local_date": [START.date()], "holiday_name": [name]})


def test_the_same_rows_again_insert_nothing(warehouse: Warehouse) -> None:
    with warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
        assert append_new(con, HOLIDAYS, holidays("a")) == 1
        before = fingerprint(con, HOLIDAYS.qualified)
        assert append_new(con, HOLIDAYS, holidays("b")) == 0
        assert fingerprint(con, HOLIDAYS.qualified) == before


def test_master_data_is_replaced_only_where_it_differs(warehouse: Warehouse) -> None:
    with warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
        assert replace_by_key(con, HOLIDAYS, holidays("a")) == 1
        assert replace_by_key(con, HOLIDAYS, holidays("a")) == 0
        assert replace_by_key(con, HOLIDAYS, holidays("b")) == 1
        assert con.execute("SELECT holiday_name FROM raw.holidays").fetchall() == [("b",)]


def test_a_changed_forecast_is_the_next_revision_and_another_run_alone_is_none(warehouse: Warehouse) -> None:
    with warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
        assert append_revisions(con, FORECASTS, forecast_rows(2.0, "first run")) == 2
        assert append_revisions(con, FORECASTS, forecast_rows(2.0, "second run")) == 0
        assert append_revisions(con, FORECASTS, forecast_rows(3.0)) == 1
        assert append_revisions(con, FORECASTS, forecast_rows(3.0)) == 0
        rows = con.execute(
            "SELECT revision, demand_kwh FROM forecasts.demand_forecasts WHERE lead_minutes = 1500 ORDER BY 1"
        ).fetchall()
    assert rows == [(0, 2.0), (1, 3.0)]


def test_an_exception_leaves_the_table_as_it_was_and_the_file_unlocked(warehouse: Warehouse) -> None:
    with warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())

    def stop_half_way() -> None:
        with warehouse.transaction() as con:
            append_new(con, HOLIDAYS, holidays("a"))
            raise ContractError("unexpected")

    with pytest.raises(ContractError, match="unexpected"):
        stop_half_way()
    assert warehouse.frame("SELECT * FROM raw.holidays").is_empty()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit(None, dtype=pl.Float64).alias("demand_kwh"), "demand_kwh: null in row 0"),
        (pl.lit("1").alias("demand_kwh"), "String given, DOUBLE expected"),
        (pl.lit(float("nan")).alias("demand_kwh"), "NaN given"),
        (pl.lit("guessed").alias("quality"), "one of"),
        (pl.lit(START).dt.replace_time_zone(None).alias("interval_start_utc"), "TIMESTAMPTZ expected"),
        (pl.lit(START).cast(pl.Datetime("us", "UTC")).alias("interval_start_utc"), "share a key"),
        (pl.lit(1).alias("colour"), "not in the contract"),
    ],
)
def test_a_frame_that_breaks_the_contract_is_refused(warehouse: Warehouse, change: pl.Expr, message: str) -> None:
    with warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
        with pytest.raises(ContractError, match=message):
            append_revisions(con, FORECASTS, forecast_rows(2.0).with_columns(change))


def hold(database: Path, ready: Connection, done: Connection) -> None:
    con = duckdb.connect(str(database))
    ready.send(True)
    done.recv()
    con.close()


def test_a_second_writer_waits_and_then_says_who_holds_the_file(warehouse: Warehouse) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready, ready_there = spawn.Pipe()
    done_there, done = spawn.Pipe()
    holder = spawn.Process(target=hold, args=(warehouse.database, ready_there, done_there))
    holder.start()
    try:
        assert ready.recv()
        with pytest.raises(WarehouseBusyError, match=str(holder.pid)), warehouse.connect():
            pass
    finally:
        done.send(True)
        holder.join()
    with warehouse.connect() as con:
        assert con.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_a_table_of_before_gets_its_new_columns_and_takes_rows_in_any_order(warehouse: Warehouse) -> None:
    old = [c for c in FORECASTS.columns if c.name not in ("quality", "lead_minutes")]
    columns = ", ".join(f'"{c.name}" {c.type}' for c in reversed(old))
    with warehouse.transaction() as con:
        con.execute(f"CREATE SCHEMA forecasts; CREATE TABLE {FORECASTS.qualified} ({columns})")
        con.execute(f"INSERT INTO {FORECASTS.qualified} BY NAME SELECT 'of before' AS meter_id")
        ensure_tables(con, [FORECASTS])
        append_revisions(con, FORECASTS, forecast_rows(2.0))
    rows = warehouse.frame(f"SELECT * FROM {FORECASTS.qualified}")
    assert rows.filter(pl.col("meter_id") == "of before")["quality"].to_list() == [None]
    new = rows.filter(pl.col("meter_id") != "of before")
    assert FORECASTS.conform(new.select(FORECASTS.polars_schema.names())).height == new.height
    assert new["demand_kwh"].to_list() == forecast_rows(2.0)["demand_kwh"].to_list()
    comments = warehouse.frame("SELECT comment FROM duckdb_columns() WHERE column_name = 'lead_minutes'")
    assert comments["comment"].null_count() == 0
