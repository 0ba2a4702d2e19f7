"""Writes that can be repeated: the same rows again insert nothing.

Every function takes an open connection and a frame, holds the frame against its contract, and works in sets. The
caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import duckdb
import polars as pl

from energy_assets.contracts import Table
from energy_assets.warehouse.connection import first_row


def ensure_tables(con: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
    """Creates what is missing and writes descriptions. Costs next to nothing where all is there.

    A table of before gets the columns that it does not have yet, null in the rows that it has.
    """
    present = dict(
        con.execute(
            "SELECT schema_name || '.' || table_name, list(column_name) FROM duckdb_columns() GROUP BY 1"
        ).fetchall()
    )
    for table in tables:
        columns = present.get(table.qualified, [])
        if set(table.by_name) <= set(columns):
            continue
        if columns:
            for column in table.columns:
                con.execute(f'ALTER TABLE {table.qualified} ADD COLUMN IF NOT EXISTS "{column.name}" {column.type}')
        for statement in table.ddl():
            con.execute(statement)


@contextmanager
def registered(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame, name: str = "incoming") -> Iterator[str]:
    """The frame as a view of the connection, gone at the end."""
    con.register(name, frame.to_arrow())
    try:
        yield name
    finally:
        con.unregister(name)


@contextmanager
def streamed(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame, name: str = "incoming") -> Iterator[str]:
    """The same to be read once. A transaction keeps the tables behind its views until it ends; of a stream, nothing."""
    import pyarrow as pa

    table = frame.to_arrow()
    con.register(name, pa.RecordBatchReader.from_batches(table.schema, (batch for batch in table.to_batches())))
    try:
        yield name
    finally:
        con.unregister(name)


def append_new(con: duckdb.DuckDBPyConnection, table: Table, frame: pl.DataFrame) -> int:
    """Inserts the rows whose key is not there yet; returns how many."""
    frame = table.conform(frame)
    if frame.is_empty():
        return 0
    on = " AND ".join(f'old."{c}" IS NOT DISTINCT FROM incoming."{c}"' for c in table.key)
    with registered(con, frame):
        return inserted(
            con,
            f"INSERT INTO {table.qualified} BY NAME SELECT * FROM incoming "
            f"WHERE NOT EXISTS (SELECT 1 FROM {table.qualified} old WHERE {on}{_range(table, frame)}) "
            f"ORDER BY {_names(table.key)}",
        )


def append_revisions(con: duckdb.DuckDBPyConnection, table: Table, frame: pl.DataFrame) -> int:
    """Inserts rows that are new, and rows that say otherwise than the newest revision as that revision plus one.

    The table's key holds `revision`; the frame does not. The same inputs insert nothing.
    """
    frame = table.conform(frame.with_columns(revision=pl.lit(0, dtype=pl.Int32)))
    if frame.is_empty():
        return 0
    key = [c for c in table.key if c != "revision"]
    said = [c for c in table.content if c not in table.key]
    on = " AND ".join(f'old."{c}" = incoming."{c}"' for c in key)
    same = " AND ".join(f'old."{c}" IS NOT DISTINCT FROM incoming."{c}"' for c in said)
    with registered(con, frame):
        return inserted(
            con,
            f"""INSERT INTO {table.qualified} BY NAME
            SELECT incoming.* REPLACE (coalesce(old.revision + 1, 0)::INTEGER AS revision)
            FROM incoming LEFT JOIN (
                SELECT * FROM {table.qualified} old WHERE TRUE{_range(table, frame)}
                QUALIFY row_number() OVER (PARTITION BY {_names(key)} ORDER BY revision DESC) = 1
            ) old ON {on}
            WHERE old.revision IS NULL OR NOT ({same})
            ORDER BY {_names(key, "incoming.")}""",
        )


def replace_by_key(con: duckdb.DuckDBPyConnection, table: Table, frame: pl.DataFrame) -> int:
    """Master data: rows whose content differs are replaced, new ones inserted; returns how many changed."""
    frame = table.conform(frame)
    if frame.is_empty():
        return 0
    on = " AND ".join(f'old."{c}" = incoming."{c}"' for c in table.key)
    same = " AND ".join(f'old."{c}" IS NOT DISTINCT FROM incoming."{c}"' for c in table.content) or "TRUE"
    with registered(con, frame):
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE changed AS SELECT * FROM incoming "
            f"WHERE NOT EXISTS (SELECT 1 FROM {table.qualified} old WHERE {on} AND {same})"
        )
    con.execute(f"DELETE FROM {table.qualified} old USING changed incoming WHERE {on}")
    count = inserted(con, f"INSERT INTO {table.qualified} BY NAME SELECT * FROM changed ORDER BY {_names(table.key)}")
    con.execute("DROP TABLE changed")
    return count


def inserted(con: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, Any] | None = None) -> int:
    """Runs an INSERT; returns how many rows it brought."""
    row = first_row(con, sql, parameters)
    return int(row[0]) if row else 0


def _range(table: Table, frame: pl.DataFrame) -> str:
    """A bound on the table's first time key, so that a daily run looks at a day's rows and not at all history."""
    column = next((c.name for c in table.columns if c.key and c.type == "TIMESTAMPTZ"), None)
    if column is None:
        return ""
    low, high = frame[column].min(), frame[column].max()
    if not isinstance(low, datetime) or not isinstance(high, datetime):
        return ""
    return f" AND old.\"{column}\" BETWEEN TIMESTAMPTZ '{low.isoformat()}' AND TIMESTAMPTZ '{high.isoformat()}'"


def _names(columns: Iterable[str], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{c}"' for c in columns)
