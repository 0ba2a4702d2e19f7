"""From sources to `raw`: which files are new, and one transaction per file.

Belongs here: which files are new, by the ledger. Formats are read by `energy_assets.sources`, what changes in a table
is decided in `corrections`. A file is known by its checksum: a file that grew or was replaced is read again, and only
what it says anew comes in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from energy_assets import simulation, sources
from energy_assets.config import FileSource, Simulation, WarehouseConfig
from energy_assets.config.sources import Source
from energy_assets.contracts import TABLES
from energy_assets.sources.base import Batch, SourceError
from energy_assets.warehouse.connection import Warehouse
from energy_assets.warehouse.corrections import write_batch
from energy_assets.warehouse.ledger import enter_load, last_load, last_loads, next_load_id, reject_file, write_rejected
from energy_assets.warehouse.writes import ensure_tables


@dataclass
class LoadReport:
    """What a call of `load_sources` did: one row per file that was looked at."""

    files: list[dict[str, object]] = field(default_factory=list)

    def add(self, source: str, path: str, outcome: str, rows: int = 0, new: int = 0, rejected: int = 0) -> None:
        """One file's outcome: loaded, unchanged or failed."""
        self.files.append(
            {"source": source, "path": path, "outcome": outcome, "rows": rows, "rows_new": new, "rejected": rejected}
        )

    def frame(self) -> pl.DataFrame:
        """The rows as a frame."""
        return pl.DataFrame(
            self.files,
            schema={"source": pl.String, "path": pl.String, "outcome": pl.String, "rows": pl.Int64,
                    "rows_new": pl.Int64, "rejected": pl.Int64},
        )  # fmt: skip


def load_sources(
    warehouse: Warehouse,
    config: WarehouseConfig,
    folder: Path,
    *,
    received_at: datetime,
    known_until: datetime,
    progress: Callable[[str], None] = lambda message: None,
) -> LoadReport:
    """Brings every source up to date.

    Args:
        folder: the warehouse folder that relative paths start from.
        received_at: the receipt that corrections are known from.
        known_until: the simulator's present; files are not bound by it.
        progress: told a line per file.

    A file that cannot be read becomes a rejected row with its reason, and the others go on.
    """
    with warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
    report = LoadReport()
    for source in config.sources:
        if isinstance(source, Simulation):
            _load_simulation(warehouse, source, config, known_until, received_at, report, progress)
        elif isinstance(source, FileSource):
            _load_files(warehouse, source, config, folder, received_at, report, progress)
    return report


def _load_files(
    warehouse: Warehouse,
    source: FileSource,
    config: WarehouseConfig,
    folder: Path,
    received_at: datetime,
    report: LoadReport,
    progress: Callable[[str], None],
) -> None:
    description = _sha256(source.model_dump_json(exclude={"path"}).encode())
    try:
        paths = sources.find_files(source, folder)
    except SourceError as error:
        _fail(warehouse, source, source.path, error, received_at, report, progress)
        return
    bounds = sources.bounds(source, folder, config.files)
    with warehouse.connect(read_only=True) as con:
        known = last_loads(con, source.name)
    for path in paths:
        shown = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
        stat = path.stat()
        last = known.get(shown)
        same = last is not None and last["description_sha256"] == description
        if last is not None and same and (last["size_bytes"], last["modified_ns"]) == (stat.st_size, stat.st_mtime_ns):
            report.add(source.name, shown, "unchanged")
            continue
        try:
            file = sources.source_file(path, bounds)
        except SourceError as error:
            _fail(warehouse, source, shown, error, received_at, report, progress)
            continue
        if last is not None and same and last["sha256"] == file.sha256:
            report.add(source.name, shown, "unchanged")
            continue
        entry: dict[str, Any] = {
            "path": shown, "sha256": file.sha256, "description_sha256": description, "size_bytes": stat.st_size,
            "modified_ns": stat.st_mtime_ns,
        }  # fmt: skip
        try:
            parts = sources.read_parts(source, file, config.market, received_at)
            _commit(warehouse, source, entry, parts, received_at, report, progress)
        except SourceError as error:
            _fail(warehouse, source, shown, error, received_at, report, progress, entry)


def _load_simulation(
    warehouse: Warehouse,
    source: Simulation,
    config: WarehouseConfig,
    known_until: datetime,
    received_at: datetime,
    report: LoadReport,
    progress: Callable[[str], None],
) -> None:
    sha256 = simulation.description_sha256(source, config.market)
    with warehouse.connect(read_only=True) as con:
        last = last_load(con, source.name, "simulation")
    known_after = last["covers_end_utc"] if last is not None and last["sha256"] == sha256 else None
    if known_after is not None and known_after >= known_until:
        report.add(source.name, "simulation", "unchanged")
        return
    batch = simulation.simulate(source, config.market, known_after=known_after, known_until=known_until)
    entry: dict[str, Any] = {"path": "simulation", "sha256": sha256, "covers_end_utc": known_until}
    _commit(warehouse, source, entry, [batch], received_at, report, progress)


def _commit(
    warehouse: Warehouse,
    source: Source,
    entry: dict[str, Any],
    parts: Iterable[Batch],
    received_at: datetime,
    report: LoadReport,
    progress: Callable[[str], None],
) -> None:
    """One file, one transaction: its rows, its rejected rows and its line in the ledger stand or fall together."""
    rows = new = rejections = 0
    with warehouse.transaction() as con:
        load_id = next_load_id(con)
        for part in parts:
            written = write_batch(con, source, part, load_id=load_id, received_at=received_at)
            rejected = pl.concat([part.rejected, written.rejected])
            write_rejected(
                con, source.name, entry["path"], entry["sha256"], rejected, load_id=load_id, received_at=received_at
            )
            rows, new, rejections = rows + part.rows, new + written.rows, rejections + rejected.height
        enter_load(
            con, source.name, load_id=load_id, received_at=received_at, rows=rows, new=new, rejected=rejections, **entry
        )
    report.add(source.name, str(entry["path"]), "loaded", rows, new, rejections)
    progress(f"{source.name}: {entry['path']}: {rows:,} rows, {new:,} new, {rejections:,} rejected")


def _fail(
    warehouse: Warehouse,
    source: FileSource,
    shown: str,
    error: SourceError,
    received_at: datetime,
    report: LoadReport,
    progress: Callable[[str], None],
    entry: dict[str, Any] | None = None,
) -> None:
    """A file that cannot be read. With its `entry` in the ledger it is not tried again as long as it stays the same."""
    with warehouse.transaction() as con:
        load_id = 0
        if entry is not None and error.lies_in_the_file:
            load_id = next_load_id(con)
            enter_load(con, source.name, load_id=load_id, received_at=received_at, rows=0, new=0, rejected=1, **entry)
        reject_file(
            con, source.name, shown, entry["sha256"] if entry else "", error, load_id=load_id, received_at=received_at
        )
    report.add(source.name, shown, "failed", rejected=1)
    progress(f"{source.name}: {error}")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
