"""Damaged parts of a warehouse put right from what is still sound: the working file and the published copy.

Belongs here: what takes the place of what cannot be read, and what is lost by it. Does not belong here: finding the
damage (`soundness`), model artefacts (`defs.forecasting.mending`).

What is damaged is kept aside, never overwritten: a repair can be looked into, and taken back.
"""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

import duckdb

from energy_assets.contracts import TABLES, Table
from energy_assets.warehouse.connection import Warehouse, first_row, quoted
from energy_assets.warehouse.ledger import enter_load, next_load_id
from energy_assets.warehouse.publishing import publish
from energy_assets.warehouse.soundness import WHOLE_FILE, unreadable_tables
from energy_assets.warehouse.writes import ensure_tables

# Said by people and detectors: no source has it. All other raw tables come from the sources again.
NOT_FROM_SOURCES = ("raw.feedback", "raw.demand_exclusions")
DAMAGED = "damaged"
LOG = ".wal"  # beside a DuckDB file: what a killed process had committed


def mend_working_file(warehouse: Warehouse, serving: Path, broken: dict[str, str], now: datetime) -> list[str]:
    """Takes out what cannot be read and puts in what is known of it elsewhere; the next run makes the rest.

    Tables of forecasts, decisions and scores come from the published copy, as of its publication. Where a raw table is
    lost, every source is loaded again and all SQL tables are made anew; where an SQL table is lost, it alone is.

    Args:
        warehouse: the working file.
        serving: the published copy.
        broken: what `unreadable_tables` found.
        now: names the copy that is kept aside.

    Returns:
        What was done, a line each.
    """
    aside = set_aside(warehouse.database, now)
    done = [f"the damaged working file is kept as {aside.name}"]
    whole = WHOLE_FILE in broken
    if not whole:
        _copied(aside, warehouse.database)
        try:
            said = _without(warehouse, broken, serving, now)
        except duckdb.Error:
            whole = True
        else:
            whole = bool(unreadable_tables(warehouse))
            done += [] if whole else said
    if whole:  # nothing in it can be trusted to be found again
        for path in (warehouse.database, warehouse.database.with_name(warehouse.database.name + LOG)):
            path.unlink(missing_ok=True)
        done += _without(warehouse, dict.fromkeys(TABLES, ""), serving, now)
    return done


def mend_publication(warehouse: Warehouse, serving: Path, now: datetime) -> str:
    """Publishes what the working file holds into a folder of its own, and puts it in the damaged publication's place.

    Nothing of the damaged one is taken over: its Parquet files may be links to the same damaged bytes.

    Returns:
        What was done.
    """
    work = serving.parent / ".mending"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        made = publish(warehouse, work / serving.name, now=now)
        store = serving.parent / ".published"
        target = store / made.id
        shutil.rmtree(work / "before", ignore_errors=True)
        if target.exists():
            target.replace(work / "before")
        store.mkdir(exist_ok=True)
        (work / ".published" / made.id).replace(target)
        link = serving.with_name(f".{serving.name}.new")
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(target, serving.parent), target_is_directory=True)
        link.replace(serving)
        for other in store.iterdir():  # they share files with the damaged one
            if other != target:
                shutil.rmtree(other)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return f"published anew from the working file as {made.id}"


def set_aside(path: Path, now: datetime) -> Path:
    """Renames a file or folder (and a DuckDB file's log) so that it is out of the way; returns the new path."""
    aside = path.with_name(f"{path.name}.{DAMAGED}-{now:%Y%m%dT%H%M%SZ}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.{DAMAGED}-{now:%Y%m%dT%H%M%SZ}-{number}")
    path.rename(aside)
    log = path.with_name(path.name + LOG)
    if log.exists():
        log.rename(aside.with_name(aside.name + LOG))
    return aside


def _copied(aside: Path, database: Path) -> None:
    """The file and its log where they were; without room for a second copy they are where they were again."""
    try:
        for ending in ("", LOG):
            source = aside.with_name(aside.name + ending)
            if source.exists():
                shutil.copyfile(source, database.with_name(database.name + ending))
    except OSError:
        for ending in ("", LOG):
            source = aside.with_name(aside.name + ending)
            if source.exists():
                source.replace(database.with_name(database.name + ending))
        raise


def _without(warehouse: Warehouse, broken: dict[str, str], serving: Path, now: datetime) -> list[str]:
    """Drops what is broken and fills what can be filled, in one transaction."""
    raw_lost = any(name.startswith("raw.") and name not in NOT_FROM_SOURCES for name in broken)
    done = []
    with warehouse.transaction() as con:
        made_by_sql = [name for name in _tables(con) if name not in TABLES]
        lost = set(broken) | (set(made_by_sql) | set(_from_sources()) if raw_lost else set())
        load_id = _next_load_id(con, broken)
        for name in sorted(lost & set(_tables(con))):
            con.execute(f"DROP TABLE {name} CASCADE")
        ensure_tables(con, TABLES.values())
        if raw_lost:
            enter_load(con, "doctor", "repair", "", load_id=load_id, received_at=now, rows=0, new=0)
            done.append(
                "raw tables: emptied; the next run loads every source again. What sources no longer have is lost, and "
                "corrections count as known when they are loaded again"
            )
        if lost - set(TABLES):
            done.append(f"{len(lost - set(TABLES))} tables made by SQL: dropped; the next run makes them from raw")
    for name in sorted(set(broken) & set(TABLES)):
        if name in NOT_FROM_SOURCES:
            done.append(f"{name}: empty; what people and detectors had said is lost but for a backup")
        elif not name.startswith("raw."):
            done.append(_from_publication(warehouse, TABLES[name], serving))
    return done


def _from_publication(warehouse: Warehouse, table: Table, serving: Path) -> str:
    """The rows of a table as they were published last."""
    file = serving / "energy.duckdb"
    try:
        with warehouse.connect() as con:
            con.execute(f"ATTACH '{quoted(file)}' AS published (READ_ONLY)")
            has = con.execute(
                "SELECT column_name FROM duckdb_columns() WHERE database_name = 'published' "
                "AND schema_name || '.' || table_name = ? ORDER BY column_index",
                [table.qualified],
            ).fetchall()
            columns = ", ".join(f'"{c}"' for (c,) in has if c in table.by_name)
            row = first_row(
                con,
                f"INSERT INTO {table.qualified} BY NAME SELECT {columns} FROM published.{table.qualified}",
            ) if columns else (0,)  # fmt: skip
            con.execute("DETACH published")
    except duckdb.Error as error:
        return f"{table.qualified}: empty, the published copy cannot be read ({str(error).splitlines()[0]})"
    return f"{table.qualified}: {row[0] if row else 0:,} rows as they were published last"


def _tables(con: duckdb.DuckDBPyConnection) -> list[str]:
    rows = con.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() "
        "WHERE database_name = current_database() AND NOT internal AND NOT temporary ORDER BY ALL"
    ).fetchall()
    return [name for (name,) in rows]


def _from_sources() -> list[str]:
    return [name for name in TABLES if name.startswith("raw.") and name not in NOT_FROM_SOURCES]


def _next_load_id(con: duckdb.DuckDBPyConnection, broken: dict[str, str]) -> int:
    """A number above all that were given: rows loaded again are new to whatever stays."""
    there = set(_tables(con)) - set(broken)
    if "raw.load_ledger" in there:
        return next_load_id(con)
    given = [
        row[0]
        for name in sorted(there & set(TABLES))
        if "load_id" in TABLES[name].by_name and (row := first_row(con, f"SELECT max(load_id) FROM {name}"))
    ]
    return max((number for number in given if number is not None), default=0) + 1
