"""The tables that people read, brought up to date in a DuckDB file and in Parquet: only parts that changed are written.

Belongs here: what differs from an earlier publication, and writing it. Does not belong here: where publications stand,
which of them to start from and the switch (`publishing`). The connection reads the working file; the file to be brought
up to date is attached to it as `target`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import polars as pl

from energy_assets.warehouse.connection import first_row, quoted
from energy_assets.warehouse.fingerprint import (
    WHOLE,
    Layout,
    fingerprint,
    layout,
    marks,
    marks_of,
    months_of_rows,
    rows_of,
    tables_of,
    total,
)
from energy_assets.warehouse.published_views import make_views, views_of
from energy_assets.warehouse.storage import row_groups

# What a manifest says of a table: rows, fingerprint, columns as `name TYPE`, the mark of each part, and the signatures
# of the row groups that the working file stored a large one in.
Entries = Mapping[str, Mapping[str, Any]]
# DuckDB files never shrink: a file whose room is free to a third, and worth the work, is written anew.
FREE_SHARE, FREE_BLOCKS = 1 / 3, 64  # blocks of 256 KiB


@dataclass(frozen=True)
class Content:
    """A table of the working file as it has to be published."""

    layout: Layout
    marks: dict[str, str]
    row_groups: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Columns as a manifest lists them."""
        return [f"{name} {kind}" for name, kind in self.layout.columns]

    @property
    def entry(self) -> dict[str, object]:
        """What the manifest says of it."""
        return {
            "rows": rows_of(self.marks), "fingerprint": total(self.marks), "columns": self.columns,
            "parts": self.marks, "row_groups": list(self.row_groups),
        }  # fmt: skip


@dataclass(frozen=True)
class Change:
    """What a table needs to be up to date: all of it `anew`, or some parts written and others gone."""

    content: Content
    anew: bool
    parts: tuple[str, ...]
    gone: tuple[str, ...] = ()


def contents(
    con: duckdb.DuckDBPyConnection, schemas: Iterable[str], before: Entries, but: Collection[str] = ()
) -> dict[str, Content]:
    """Every table and view of the schemas, by qualified name, out of a connection of `beside_with_blocks`.

    Args:
        con: the connection.
        schemas: the schemas.
        before: what the last publication said. Months of large tables that stand in the same storage are not read.
        but: names of views that do not become tables.
    """
    tables = {name for (name,) in con.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = current_database()"
    ).fetchall()}  # fmt: skip
    found = {}
    for name in tables_of(con, schemas):
        if name in but:
            continue
        of = layout(con, name)
        found[name] = (
            _content_of_table(con, of, before.get(name, {})) if name in tables else Content(of, marks(con, of))
        )
    return found


def _content_of_table(con: duckdb.DuckDBPyConnection, of: Layout, before: Mapping[str, Any]) -> Content:
    """The content of a table, of which only months with rows in other row groups than `before` are read.

    What is left unread can have lost rows alone, which the number of all rows gives away: then all is read.
    """
    stored = row_groups(con, of.table)
    signatures = tuple(stored["signature"].drop_nulls())
    unread = Content(of, dict(before.get("parts", {})), signatures)
    if WHOLE not in unread.marks and before.get("columns") == unread.columns:
        others = stored.filter(~pl.col("signature").is_in(before.get("row_groups", [])).fill_null(False))
        touched = months_of_rows(con, of, others.select("first", "last").rows())
        # To pick most months out of a table takes longer than to read it.
        if 2 * len(touched) <= len(unread.marks):
            unread.marks.update(marks_of(con, of, touched))
            row = first_row(con, f"SELECT count(*) FROM {of.table}")
            if row == (rows_of(unread.marks),):
                return unread
    read = marks(con, of)
    return Content(of, read, () if WHOLE in read else signatures)


def changes(wanted: Mapping[str, Content], before: Entries) -> dict[str, Change]:
    """What differs from a publication that says this of its tables; all of a table whose columns are others."""
    found = {}
    for name, content in wanted.items():
        entry = before.get(name, {})
        known: Mapping[str, str] = entry.get("parts", {})
        differ = tuple(part for part, mark in content.marks.items() if known.get(part) != mark)
        gone = tuple(part for part in known if part not in content.marks)
        if entry.get("columns") != content.columns or WHOLE in (*differ, *gone):
            found[name] = Change(content, True, tuple(content.marks))
        else:
            found[name] = Change(content, False, differ, gone)
    return found


def bring_up_to_date(
    con: duckdb.DuckDBPyConnection,
    wanted: Mapping[str, Content],
    before: Entries,
    views: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Writes into `target` what differs from `before`, which it holds; tables that are not as wanted afterwards.

    The `views`, statements by qualified name, are made anew.

    One transaction, read again part by part before it counts: a target that was not what `before` says is found by its
    rows.
    """
    needed = changes(wanted, before)
    con.begin()
    schemas = dict.fromkeys(name.split(".")[0] for name in wanted)
    for name in views_of(con, schemas, "target"):
        con.execute(f"DROP VIEW target.{name}")
    for name in before.keys() - wanted.keys():
        con.execute(f"DROP TABLE target.{name}")
    for schema in schemas:
        con.execute(f'CREATE SCHEMA IF NOT EXISTS target."{schema}"')
    for name, change in needed.items():
        of = change.content.layout
        if change.anew:
            con.execute(f"CREATE OR REPLACE TABLE target.{name} AS SELECT * FROM {name} LIMIT 0")
        elif change.parts or change.gone:
            old = " OR ".join(of.condition(part) for part in (*change.parts, *change.gone))
            con.execute(f"DELETE FROM target.{name} WHERE {old}")
        for part in change.parts:
            con.execute(
                f"INSERT INTO target.{name} SELECT * FROM {name} WHERE {of.condition(part)} ORDER BY {of.order}"
            )
    make_views(con, views, "target")
    for statement in _comments(con):
        con.execute(statement)
    con.commit()
    con.execute("CHECKPOINT target")
    return [name for name, change in needed.items() if not _as_wanted(con, change)]


def write_parquet(
    con: duckdb.DuckDBPyConnection, wanted: Mapping[str, Content], folder: Path, before: Entries, previous: Path | None
) -> set[Path]:
    """One file per small table, one per month of a large one, out of `target`.

    What `before` says as well is linked from the Parquet folder `previous`; returns the files that were.
    """
    linked = set()
    for name, change in changes(wanted, before).items():
        schema, table = name.split(".")
        target = folder / schema / table
        target.mkdir(parents=True)
        for part in change.content.marks:
            file = target / f"{part}.parquet"
            earlier = previous / schema / table / file.name if previous else None
            if part not in change.parts and earlier is not None and earlier.exists():
                os.link(earlier, file)
                linked.add(file)
                continue
            con.execute(  # in the order of storage, which is sorted
                f"COPY (SELECT * FROM target.{name} WHERE {change.content.layout.condition(part)}) "
                f"TO '{quoted(file)}' (FORMAT parquet, COMPRESSION zstd)"
            )
    return linked


def mostly_new(wanted: Mapping[str, Content], before: Entries) -> bool:
    """Whether more than half of all rows would be written: then a new file is quicker, and smaller."""
    written = sum(
        rows_of({part: change.content.marks[part] for part in change.parts})
        for change in changes(wanted, before).values()
    )
    return 2 * written > sum(rows_of(content.marks) for content in wanted.values())


def holds(con: duckdb.DuckDBPyConnection, table: str, entry: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether `schema.table` has the rows that an entry says; only parts that `before` does not say too are read."""
    parts: Mapping[str, str] = entry["parts"]
    known = before.get("parts", {})
    if not parts.keys() & known.keys():
        return fingerprint(con, table) == str(entry["fingerprint"])
    written = {part: mark for part, mark in parts.items() if known.get(part) != mark}
    row = first_row(con, f"SELECT count(*) FROM {table}")
    return row == (entry["rows"],) and marks_of(con, layout(con, table), written) == written


def is_slack(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether so much of `target` is free that it should be written anew."""
    row = first_row(con, "SELECT free_blocks, total_blocks FROM pragma_database_size() WHERE database_name = 'target'")
    assert row is not None
    free, blocks = row
    return bool(free >= FREE_BLOCKS and free > FREE_SHARE * blocks)


def _as_wanted(con: duckdb.DuckDBPyConnection, change: Change) -> bool:
    content = change.content
    row = first_row(con, f"SELECT count(*) FROM target.{content.layout.table}")
    assert row is not None
    written = {part: content.marks[part] for part in change.parts}
    same = marks_of(con, content.layout, change.parts, database="target") == written
    return same and row[0] == rows_of(content.marks)


def _comments(con: duckdb.DuckDBPyConnection) -> list[str]:
    """CREATE TABLE AS drops descriptions; these statements bring those back that differ. A view may become a table."""
    found = con.execute(
        """WITH comments AS (
            SELECT database_name, 'TABLE' AS kind, schema_name || '.' || table_name AS subject, comment
            FROM duckdb_tables()
            UNION ALL
            SELECT database_name, 'VIEW', schema_name || '.' || view_name, comment FROM duckdb_views()
            UNION ALL
            SELECT database_name, 'COLUMN', schema_name || '.' || table_name || '."' || column_name || '"', comment
            FROM duckdb_columns()
        )
        SELECT format('COMMENT ON {} target.{} IS ', theirs.kind, subject)
            || coalesce('''' || replace(ours.comment, '''', '''''') || '''', 'NULL')
        FROM (FROM comments WHERE database_name = current_database()) AS ours
        INNER JOIN (FROM comments WHERE database_name = 'target') AS theirs USING (subject)
        WHERE ours.comment IS DISTINCT FROM theirs.comment
        ORDER BY subject"""
    ).fetchall()
    return [sql for (sql,) in found]
