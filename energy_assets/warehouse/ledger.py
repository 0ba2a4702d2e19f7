"""The ledger of what was loaded, and the rows that did not come in.

Belongs here: numbers of loads and writing both tables, inside the caller's transaction. Does not belong here: which
files there are (`ingestion`, `feedback_files`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import duckdb
import polars as pl

from energy_assets.contracts import TABLES
from energy_assets.sources.base import REJECTED_SCHEMA, SourceError
from energy_assets.warehouse.connection import fetch, first_row
from energy_assets.warehouse.writes import append_new


def next_load_id(con: duckdb.DuckDBPyConnection) -> int:
    """The number that the next load takes: rows with it are new to whatever has seen all before it."""
    row = first_row(con, "SELECT coalesce(max(load_id), 0) + 1 FROM raw.load_ledger")
    assert row is not None
    return int(row[0])


def last_loads(con: duckdb.DuckDBPyConnection, source: str) -> dict[str, dict[str, Any]]:
    """The newest line of the ledger on each file of a source, by its path."""
    newest = """SELECT * FROM raw.load_ledger WHERE source = ?
        QUALIFY row_number() OVER (PARTITION BY path ORDER BY load_id DESC) = 1"""
    return {line["path"]: line for line in fetch(con, newest, [source]).iter_rows(named=True)}


def last_load(con: duckdb.DuckDBPyConnection, source: str, path: str) -> dict[str, Any] | None:
    """The newest line of the ledger on one file; None if it was never loaded."""
    return last_loads(con, source).get(path)


def enter_load(
    con: duckdb.DuckDBPyConnection,
    source: str,
    path: str,
    sha256: str,
    *,
    load_id: int,
    received_at: datetime,
    rows: int,
    new: int,
    rejected: int = 0,
    **more: object,
) -> None:
    """A line of the ledger; `more` are its other columns, where something is to be said."""
    line = {
        "load_id": load_id, "source": source, "path": path, "sha256": sha256, "covers_end_utc": None,
        "description_sha256": sha256, "rows": rows, "rows_new": new, "rejected_rows": rejected, "size_bytes": 0,
        "modified_ns": 0, "received_at_utc": received_at, **more,
    }  # fmt: skip
    ledger = TABLES["raw.load_ledger"]
    append_new(con, ledger, pl.DataFrame([line], schema=ledger.polars_schema))


def whole_file(error: SourceError) -> pl.DataFrame:
    """A file that cannot be read, as one rejected row."""
    row = {"table_name": "", "file_row": 0, "reason": error.reason, "message": str(error)}
    return pl.DataFrame([row], schema=REJECTED_SCHEMA)


def reject_file(
    con: duckdb.DuckDBPyConnection,
    source: str,
    path: str,
    sha256: str,
    error: SourceError,
    *,
    load_id: int,
    received_at: datetime,
) -> None:
    """Keeps a file that cannot be read as one rejected row; once, however often it is tried."""
    known = first_row(
        con,
        "SELECT count(*) FROM raw.rejected_rows WHERE source = ? AND path = ? AND file_sha256 = ? AND reason = ?",
        [source, path, sha256, error.reason],
    )
    if known is None or known[0] == 0:
        write_rejected(con, source, path, sha256, whole_file(error), load_id=load_id, received_at=received_at)


def write_rejected(
    con: duckdb.DuckDBPyConnection,
    source: str,
    path: str,
    sha256: str,
    rejected: pl.DataFrame,
    *,
    load_id: int,
    received_at: datetime,
) -> None:
    """Keeps rejected rows (`REJECTED_SCHEMA`) with where they stood."""
    if rejected.is_empty():
        return
    frame = rejected.with_columns(
        source=pl.lit(source), path=pl.lit(path), file_sha256=pl.lit(sha256),
        load_id=pl.lit(load_id, dtype=pl.Int64), loaded_at_utc=pl.lit(received_at).cast(pl.Datetime("us", "UTC")),
    )  # fmt: skip
    con.register("rejected", TABLES["raw.rejected_rows"].conform(frame).to_arrow())
    con.execute("INSERT INTO raw.rejected_rows BY NAME SELECT * FROM rejected ORDER BY file_row, table_name, reason")
    con.unregister("rejected")
