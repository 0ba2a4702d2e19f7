"""`python -m tests.bench.floors <scan or write> <folder of Parquet>`: what DuckDB alone takes for the rows, as JSON.

The floor of a stage that reads is one scan of all values; of one that writes, one copy into a plain table of a new
file. With the product's threads and memory limit, in a process of its own like each stage.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from energy_assets.settings import Settings
from energy_assets.warehouse.connection import STORAGE_VERSION, quoted


def floor(kind: str, folder: Path) -> dict[str, object]:
    """Scans or writes once."""
    settings = Settings()
    limits = {"threads": settings.threads, "memory_limit": settings.memory_limit}
    files = f"read_parquet('{quoted(folder)}/*.parquet')"
    with tempfile.TemporaryDirectory(dir=folder.parent) as directory, duckdb.connect(config=limits) as con:
        began = time.monotonic()
        if kind == "scan":
            [(rows, *_)] = con.execute(f"SELECT count(*), max(COLUMNS(*)) FROM {files}").fetchall()
        else:
            con.execute(f"ATTACH '{directory}/plain.duckdb' AS plain (STORAGE_VERSION '{STORAGE_VERSION}')")
            con.execute(f"CREATE TABLE plain.readings AS SELECT * FROM {files}")
            con.execute("CHECKPOINT plain")
            [(rows,)] = con.execute("SELECT count(*) FROM plain.readings").fetchall()
        wall = time.monotonic() - began
    return {"wall_s": wall, "note": f"{rows:,} rows"}


def main(kind: str, folder: str) -> None:
    """Prints what it took."""
    before = os.times()
    said = floor(kind, Path(folder))
    after = os.times()
    sys.stdout.write(json.dumps(said | {"cpu_s": sum(after[:4]) - sum(before[:4])}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
