"""A BI tool, as a process: reads the published copy again and again until a file says stop.

Each round takes one publication through the `serving` link and holds its tables and Parquet files against its manifest.
Prints JSON: rounds, the publications seen, and every error.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

from energy_assets.warehouse import current_manifest, fingerprint


def read_once(serving: Path) -> str:
    """Reads everything of what is published now; its id.

    Raises:
        ValueError: a table or file is not what the manifest says.
    """
    folder = serving.resolve(strict=True)
    manifest = current_manifest(folder)
    if manifest is None:
        raise ValueError(f"{folder} has no manifest")
    con = duckdb.connect(str(folder / "energy.duckdb"), read_only=True)
    try:
        con.execute("SET TimeZone='UTC'")
        for name, table in manifest.tables.items():
            if fingerprint(con, name) != table["fingerprint"]:
                raise ValueError(f"{name} in DuckDB differs from the manifest of {manifest.id}")
            parts = folder / "parquet" / name.replace(".", "/") / "*.parquet"
            [(rows,)] = con.execute(f"SELECT count(*) FROM read_parquet('{parts}')").fetchall()
            if rows != table["rows"]:
                raise ValueError(f"{name} has {rows} rows in Parquet, {table['rows']} in the manifest of {manifest.id}")
    finally:
        con.close()
    sizes = {name: (folder / name).stat().st_size for name in manifest.files}
    if sizes != {name: entry["bytes"] for name, entry in manifest.files.items()}:
        raise ValueError(f"files of {manifest.id} differ in size from the manifest")
    linked = duckdb.connect(str(serving / "energy.duckdb"), read_only=True)  # as a tool does that knows only the link
    try:
        linked.execute("SELECT count(*) FROM reporting.next_day_demand").fetchall()
    finally:
        linked.close()
    return manifest.id


def main(serving: Path, stop: Path) -> None:
    """Rounds until `stop` is there; the last one begins after it."""
    rounds, seen, errors, last = 0, list[str](), list[str](), False
    while not last:
        last = stop.exists()
        try:
            publication = read_once(serving)
        except Exception as error:  # whatever a reader meets is what the test asks for
            errors.append(f"{type(error).__name__}: {error}")
        else:
            if publication not in seen:
                seen.append(publication)
        rounds += 1
        time.sleep(0.2)  # leaves the cores to the run
    sys.stdout.write(json.dumps({"rounds": rounds, "seen": seen, "errors": errors}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
