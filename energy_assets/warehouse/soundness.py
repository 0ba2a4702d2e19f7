"""What of a warehouse is not as it was written: found by checksums, nothing is changed.

Belongs here: reading the working file to its last block, files against recorded checksums. Does not belong here:
mending (`mending`), what people are told (`energy_assets.doctor`).
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb

from energy_assets.warehouse.connection import Warehouse, fetch
from energy_assets.warehouse.publishing import Manifest

WHOLE_FILE = "*"


def unreadable_tables(warehouse: Warehouse) -> dict[str, str]:
    """Tables of the working file that cannot be read to their end, with DuckDB's words; none where all is sound.

    DuckDB keeps a checksum with each block and compares it when the block is read: so every block of every table is.
    `WHOLE_FILE` stands for a file that cannot be opened at all.

    Raises:
        WarehouseBusyError: another process holds the file.
    """
    if not warehouse.database.exists():
        return {}
    broken = {}
    try:
        with warehouse.connect(read_only=True) as con:
            tables = con.execute(
                "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE NOT internal ORDER BY ALL"
            ).fetchall()
    except duckdb.Error as error:
        return {WHOLE_FILE: _first_line(error)}
    for (name,) in tables:
        try:  # a connection for each: some errors close a database for the rest of its connection
            with warehouse.connect(read_only=True) as con:
                con.execute(f"SELECT sum(hash(t)::HUGEINT) FROM {name} t").fetchall()
        except duckdb.Error as error:
            broken[name] = _first_line(error)
    return broken


def damaged_files(folder: Path, recorded: Mapping[str, str]) -> dict[str, str]:
    """Files below the folder that are missing or have another SHA-256 than the recorded one, and which of both."""
    found = {}
    for name, sha256 in recorded.items():
        file = folder / name
        if not file.is_file():
            found[name] = "missing"
        elif checksum(file) != sha256:
            found[name] = "changed"
    return found


def published_checksums(manifest: Manifest) -> dict[str, str]:
    """SHA-256 of each file of a publication, as its manifest has them."""
    return {name: str(entry["sha256"]) for name, entry in manifest.files.items()}


def artefact_checksums(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """SHA-256 of each model's artefact by its path below the warehouse, as `forecasts.model_versions` has them."""
    known = con.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'forecasts' AND table_name = 'model_versions'"
    ).fetchall()
    if not known:
        return {}
    rows = fetch(
        con, "SELECT DISTINCT artefact, sha256 FROM forecasts.model_versions WHERE artefact <> '' ORDER BY ALL"
    )
    return dict(rows.iter_rows())


def damaged_run_stores(dagster_home: Path) -> Iterator[Path]:
    """Dagster's SQLite files that do not pass SQLite's own check."""
    for file in sorted(dagster_home.rglob("*.db")):
        try:
            con = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
            try:
                sound = con.execute("PRAGMA quick_check").fetchone() == ("ok",)
            finally:
                con.close()
        except sqlite3.OperationalError:
            continue  # held by a run, or in a folder that cannot be written: nothing is known of it
        except sqlite3.DatabaseError:
            sound = False
        if not sound:
            yield file


def checksum(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
