"""The copy that others read: DuckDB and Parquet, whole or not there.

Belongs here: building `.published/<id>` and switching `serving` to it. The id is made of the tables' content, so
publishing the same content again changes nothing. Readers keep what they have opened: the last two copies stay.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from energy_assets.warehouse.connection import Warehouse, first_row, quoted
from energy_assets.warehouse.fingerprint import content_columns, fingerprints

SCHEMAS = ("marts", "features", "forecasts", "flexibility", "monitoring", "reporting")
# Parquet of a fact is cut by month of the first of these columns that it has, so that old months are written once.
MONTH_COLUMNS = ("interval_start_utc", "valid_at_utc", "local_date")
LARGE_ROWS = 50_000


@dataclass(frozen=True)
class Manifest:
    """What a publication holds. `known_until_utc` is the newest instant that any published row was known at."""

    id: str
    published_at_utc: str
    known_until_utc: str | None
    duckdb_version: str
    tables: dict[str, dict[str, object]]
    files: dict[str, dict[str, object]]


def current_manifest(serving: Path) -> Manifest | None:
    """The manifest of what is published now; None before the first publication."""
    try:
        return Manifest(**json.loads((serving / "manifest.json").read_text()))
    except FileNotFoundError:
        return None


def publish(warehouse: Warehouse, serving: Path, *, now: datetime) -> Manifest:
    """Publishes the tables that people read and returns the manifest.

    The new copy is built beside the old one and `serving` is switched to it by one `os.replace`: a reader sees the old
    state or the new one. A copy that was being built when a run was killed is removed.
    """
    store = serving.parent / ".published"
    store.mkdir(parents=True, exist_ok=True)
    for left in store.glob("tmp-*"):
        shutil.rmtree(left)
    old = current_manifest(serving)
    with warehouse.connect(read_only=True) as con:
        content = fingerprints(con, SCHEMAS)
        known_until = _known_until(con)
    identity = hashlib.sha256(json.dumps([content, known_until], sort_keys=True).encode()).hexdigest()[:16]
    if old is not None and old.id == identity:
        return old
    target = store / identity
    building = store / f"tmp-{identity}"
    building.mkdir()
    previous = serving.resolve() if old is not None else None
    with warehouse.copying(building / "energy.duckdb") as con:
        _copy_database(con, list(content))
        months = _write_parquet(con, list(content), building / "parquet", previous, old)
    tables = {
        name: {"rows": int(mark.split(":")[0]), "fingerprint": mark, "parts": months[name]}
        for name, mark in content.items()
    }
    files = {str(p.relative_to(building)): {"sha256": _sha256(p), "bytes": p.stat().st_size} for p in _files(building)}
    manifest = Manifest(identity, now.isoformat(), known_until, duckdb.__version__, tables, files)
    (building / "manifest.json").write_text(json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n")
    if target.exists():  # the content of an earlier publication again, e.g. after a replay was taken back
        shutil.rmtree(target)
    building.replace(target)
    _switch(serving, target)
    _forget_old(store, {target, previous} if previous else {target})
    return manifest


def _switch(serving: Path, target: Path) -> None:
    link = serving.with_name(f".{serving.name}.new")
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(target, serving.parent), target_is_directory=True)
    link.replace(serving)


def _forget_old(store: Path, keep: set[Path]) -> None:
    for folder in store.iterdir():
        if folder not in keep:
            shutil.rmtree(folder)


def _copy_database(con: duckdb.DuckDBPyConnection, tables: list[str]) -> None:
    """Copies table by table: DuckDB files never shrink, and this leaves the working file's free space behind."""
    for schema in dict.fromkeys(name.split(".")[0] for name in tables):
        con.execute(f'CREATE SCHEMA target."{schema}"')
    for name in tables:
        con.execute(f"CREATE TABLE target.{name} AS SELECT * FROM {name}")
    for statement in _comments(con, tables):
        con.execute(statement)
    con.execute("CHECKPOINT target")


def _comments(con: duckdb.DuckDBPyConnection, tables: list[str]) -> list[str]:
    """CREATE TABLE AS drops descriptions; these statements bring them back."""
    of_tables = con.execute(
        """SELECT 'COMMENT ON TABLE target.' || name || ' IS ' || '''' || replace(comment, '''', '''''') || ''''
        FROM (SELECT schema_name || '.' || table_name AS name, comment FROM duckdb_tables()
              WHERE database_name = current_database()
              UNION ALL
              SELECT schema_name || '.' || view_name, comment FROM duckdb_views()
              WHERE database_name = current_database())
        WHERE comment IS NOT NULL AND list_contains(?, name)""",
        [tables],
    ).fetchall()
    of_columns = con.execute(
        """SELECT 'COMMENT ON COLUMN target.' || schema_name || '.' || table_name || '."' || column_name || '" IS '
               || '''' || replace(comment, '''', '''''') || ''''
        FROM duckdb_columns()
        WHERE comment IS NOT NULL AND database_name = current_database()
          AND list_contains(?, schema_name || '.' || table_name)""",
        [tables],
    ).fetchall()
    return [sql for (sql,) in of_tables + of_columns]


def _write_parquet(
    con: duckdb.DuckDBPyConnection, tables: list[str], folder: Path, previous: Path | None, old: Manifest | None
) -> dict[str, dict[str, str]]:
    """One file per small table, one per month of a large one; unchanged files are linked, not written again.

    Returns per table the fingerprint of each part.
    """
    parts: dict[str, dict[str, str]] = {}
    for name in tables:
        month = _month_expression(con, name)
        columns = ", ".join(f'"{c}"' for c in content_columns(con, name))
        marks = con.execute(
            f"SELECT {month} AS part, count(*) || ':' || sum(hash({columns})::HUGEINT) FROM {name} "
            "GROUP BY 1 ORDER BY 1"
        ).fetchall() or [("all", "0:0")]
        schema, table = name.split(".")
        target = folder / schema / table
        target.mkdir(parents=True)
        known: object = old.tables.get(name, {}).get("parts", {}) if old else {}
        for part, mark in marks:
            file = target / f"{part}.parquet"
            earlier = previous / "parquet" / schema / table / file.name if previous else None
            if isinstance(known, dict) and known.get(part) == mark and earlier is not None and earlier.exists():
                os.link(earlier, file)
                continue
            con.execute(
                f"COPY (SELECT * FROM {name} WHERE {month} = '{part}' ORDER BY ALL) TO '{quoted(file)}' "
                "(FORMAT parquet, COMPRESSION zstd)"
            )
        parts[name] = dict(marks)
    return parts


def _month_expression(con: duckdb.DuckDBPyConnection, name: str) -> str:
    """SQL for the part a row belongs to: its month in a large fact, `all` elsewhere."""
    column = next((c for c in MONTH_COLUMNS if c in content_columns(con, name)), None)
    rows = first_row(con, f"SELECT count(*) FROM {name}")
    if column is None or rows is None or rows[0] < LARGE_ROWS:
        return "'all'"
    return f"coalesce(strftime(\"{column}\", '%Y-%m'), 'none')"


def _known_until(con: duckdb.DuckDBPyConnection) -> str | None:
    row = first_row(con, "SELECT strftime(max(known_at_utc), '%Y-%m-%dT%H:%M:%SZ') FROM raw.meter_readings")
    return row[0] if row else None


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
