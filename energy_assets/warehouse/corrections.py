"""What a batch changes in `raw`: new rows, corrections, conflicts.

A reading that says otherwise than what is known is a correction: a new row, known from the receipt of its file, beside
the old one. Where a source records its own receipts (`known_at`), those stand instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import polars as pl

from energy_assets.config import MeterFiles, Simulation
from energy_assets.config.sources import Source
from energy_assets.contracts import TABLES, Table
from energy_assets.sources.base import REJECTED_SCHEMA, Batch
from energy_assets.warehouse.connection import fetch, first_row
from energy_assets.warehouse.writes import append_new, inserted, registered, replace_by_key, streamed

MASTER_DATA = ("raw.meters", "raw.weather_locations", "raw.meter_locations", "raw.tariffs", "raw.shiftable_loads")


@dataclass
class Written:
    """Rows that a batch brought, and those that conflicted with what another source said."""

    rows: int = 0
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED_SCHEMA))


def write_batch(
    con: duckdb.DuckDBPyConnection, source: Source, batch: Batch, *, load_id: int, received_at: datetime
) -> Written:
    """Writes one batch inside the caller's transaction."""
    written = Written()
    tables = dict(batch.tables)
    if "raw.meters" in tables:
        tables, written.rejected = _without_conflicts(con, source, tables)
    for name, frame in tables.items():
        table = TABLES[name]
        if frame.is_empty():
            continue
        frame = _stamped(table, frame, load_id, received_at)
        if name in MASTER_DATA:
            written.rows += replace_by_key(con, table, frame)
        elif name == "raw.meter_readings":
            written.rows += _append_readings(con, table, frame, source, load_id, received_at)
        elif "known_at_utc" in table.key:
            written.rows += _append_versions(con, table, frame, received_at)
        else:
            written.rows += append_new(con, table, frame)
    return written


def _records_receipt(source: Source) -> bool:
    return isinstance(source, Simulation) or (isinstance(source, MeterFiles) and source.columns.known_at is not None)


def _stamped(table: Table, frame: pl.DataFrame, load_id: int, received_at: datetime) -> pl.DataFrame:
    stamps: dict[str, pl.Expr] = {}
    if "load_id" in table.by_name:
        stamps["load_id"] = pl.lit(load_id, dtype=pl.Int64)
    if "loaded_at_utc" in table.by_name:
        stamps["loaded_at_utc"] = pl.lit(received_at).cast(pl.Datetime("us", "UTC"))
    return frame.with_columns(**stamps)


def _without_conflicts(
    con: duckdb.DuckDBPyConnection, source: Source, tables: dict[str, pl.DataFrame]
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Takes out meters that another source describes as something else: two meters must not share an id."""
    meters = tables["raw.meters"]
    known = fetch(con, "SELECT meter_id, kind, timezone, interval_minutes, source FROM raw.meters")
    shortest = known.filter(pl.col("source") == source.name).select("meter_id", shortest="interval_minutes")
    meters = (
        meters.join(shortest, on="meter_id", how="left")
        .with_columns(interval_minutes=pl.min_horizontal("interval_minutes", "shortest"))
        .drop("shortest")
    )  # a source may change its interval from file to file
    clash = (
        meters.join(known, on="meter_id", suffix="_known")
        .filter(
            (pl.col("source") != pl.col("source_known"))
            & (
                (pl.col("kind") != pl.col("kind_known"))
                | (pl.col("timezone") != pl.col("timezone_known"))
                | (pl.col("interval_minutes") != pl.col("interval_minutes_known"))
            )
        )
        .select(
            "meter_id",
            message=pl.format(
                "meter {} is already a {} of {} minutes in {} from source {}; source "
                + source.name
                + " describes another meter by the same id: give one a meter_id_prefix or another meter_id",
                "meter_id", "kind_known", "interval_minutes_known", "timezone_known", "source_known",
            ),
        )
    )  # fmt: skip
    tables = tables | {"raw.meters": meters}
    if clash.is_empty():
        return tables, pl.DataFrame(schema=REJECTED_SCHEMA)
    rejected = []
    kept = dict(tables)
    for name, frame in tables.items():
        if "meter_id" not in frame.columns:
            continue
        kept[name] = frame.join(clash, on="meter_id", how="anti")
        if "file_row" in frame.columns:
            rejected.append(
                frame.join(clash, on="meter_id").select(
                    table_name=pl.lit(name), file_row="file_row", column_name=pl.lit("meter_id"), raw_text="meter_id",
                    reason=pl.lit("meter_id_conflict"), message="message", meter_id="meter_id",
                    interval_start_utc="interval_start_utc",
                )
            )  # fmt: skip
    return kept, pl.concat(rejected) if rejected else pl.DataFrame(schema=REJECTED_SCHEMA)


def _append_readings(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    frame: pl.DataFrame,
    source: Source,
    load_id: int,
    received_at: datetime,
) -> int:
    """New intervals as they are; what differs from the newest known version as a correction.

    A source that records its receipts has each row stand for itself: it is new unless that very version is there. A
    cleaned data set (`known_from`) is known from when it says, and where it equals the reported value it says nothing.
    """
    frame = table.conform(frame)
    recorded = _records_receipt(source)
    receipt = "i.known_at_utc" if isinstance(source, MeterFiles) and source.known_from else "$received::TIMESTAMPTZ"
    # What this load brought before belongs to other meters.
    earlier = """interval_start_utc BETWEEN $low AND $high AND load_id < $load
        AND meter_id IN (SELECT unnest($meters::VARCHAR[]))"""
    bounds = {
        "low": frame["interval_start_utc"].min(), "high": frame["interval_start_utc"].max(), "load": load_id,
        "meters": frame["meter_id"].unique(maintain_order=True).to_list(),
    }  # fmt: skip
    constants = _constants(frame)
    named = ", ".join(f'${name} AS "{name}"' for name in constants)
    nothing_known = first_row(con, f"SELECT 1 FROM {table.qualified} WHERE {earlier} LIMIT 1", bounds) is None
    insert = f"INSERT INTO {table.qualified} BY NAME"
    # By time, so that stamps repeat from row to row: by meter they take three quarters of the room that readings need.
    frame = frame.drop(*constants).sort("interval_start_utc", maintain_order=True)
    with streamed(con, frame):
        if nothing_known:
            return inserted(con, f"{insert} SELECT *, {named} FROM incoming", constants)
        return inserted(
            con,
            f"""{insert}
            WITH old AS (
                SELECT meter_id, direction, interval_start_utc,
                    {"known_at_utc" if recorded else "max(known_at_utc) AS known_at_utc"},
                    arg_max({{'said': energy_kwh}}, known_at_utc).said AS energy_kwh
                FROM {table.qualified} WHERE {earlier} GROUP BY ALL
            )
            SELECT i.* REPLACE (
                CASE WHEN old.meter_id IS NULL THEN i.known_at_utc
                     ELSE greatest({receipt}, old.known_at_utc + INTERVAL 1 MICROSECOND) END AS known_at_utc,
                CASE WHEN old.energy_kwh IS NOT NULL AND i.quality = 'measured' THEN 'corrected' ELSE i.quality
                END AS quality)
            FROM (SELECT *, {named} FROM incoming) i
            LEFT JOIN old ON old.meter_id = i.meter_id AND old.direction = i.direction
                AND old.interval_start_utc = i.interval_start_utc
                AND {"old.known_at_utc = i.known_at_utc" if recorded else "TRUE"}
            WHERE old.meter_id IS NULL
               OR old.energy_kwh IS DISTINCT FROM i.energy_kwh
            ORDER BY i.interval_start_utc, i.meter_id, i.direction, i.known_at_utc""",
            bounds | constants | ({"received": received_at} if "$received" in receipt else {}),
        )


def _constants(frame: pl.DataFrame) -> dict[str, Any]:
    """Columns that say the same in all rows, with what they say: as literals they need not be handed over."""
    columns = ("direction", "quality", "source", "load_id", "file_sha256", "loaded_at_utc")
    same = frame.select((pl.col(c) == pl.col(c).first()).all() for c in columns).row(0, named=True)
    return {c: frame[c][0] for c in columns if same[c]}


def _append_versions(con: duckdb.DuckDBPyConnection, table: Table, frame: pl.DataFrame, received_at: datetime) -> int:
    """Weather and published forecasts: new keys as they are, changed values known from the receipt."""
    frame = table.conform(frame)
    identity = [c for c in table.key if c != "known_at_utc"]
    said = [c.name for c in table.columns if c.type == "DOUBLE"]
    time = next(c.name for c in table.columns if c.key and c.type == "TIMESTAMPTZ")
    on = " AND ".join(f'old."{c}" = i."{c}"' for c in identity)
    differs = " OR ".join(f'old."{c}" IS DISTINCT FROM i."{c}"' for c in said)
    partition = ", ".join(f'"{c}"' for c in identity)
    with registered(con, frame):
        row = first_row(
            con,
            f"""INSERT INTO {table.qualified} BY NAME
            WITH old AS (
                SELECT * FROM {table.qualified} WHERE "{time}" BETWEEN $low AND $high
                QUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY known_at_utc DESC) = 1
            )
            SELECT i.* REPLACE (
                CASE WHEN old."{time}" IS NULL THEN i.known_at_utc
                     ELSE greatest($received, old.known_at_utc + INTERVAL 1 MICROSECOND) END AS known_at_utc)
            FROM incoming i LEFT JOIN old ON {on}
            WHERE old."{time}" IS NULL OR {differs}
            ORDER BY {", ".join(f'i."{c}"' for c in identity)}""",
            {"low": frame[time].min(), "high": frame[time].max(), "received": received_at},
        )
    return int(row[0]) if row else 0
