"""The copy that others read: DuckDB and Parquet, whole or not there, at the cost of what changed.

Belongs here: building `.published/<id>` and switching `serving` to it. Does not belong here: what is written into it
(`published_copy`). The id is made of the tables' content, so publishing the same content again changes nothing. Readers
keep what they have opened: the last two publications stay.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
import psutil

from energy_assets.warehouse.connection import Warehouse, attach, first_row
from energy_assets.warehouse.fingerprint import tables_of
from energy_assets.warehouse.published_copy import (
    Content,
    bring_up_to_date,
    contents,
    holds,
    is_slack,
    mostly_new,
    write_parquet,
)  # fmt: skip
from energy_assets.warehouse.published_views import self_contained, views_of
from energy_assets.warehouse.storage import beside_with_blocks

SCHEMAS = ("marts", "features", "forecasts", "flexibility", "monitoring", "reporting")
FILE = "energy.duckdb"


class PublicationError(RuntimeError):
    """What was written is not what the working file holds. Nothing was switched; the message names the tables."""


@dataclass(frozen=True)
class Manifest:
    """What a publication holds. `known_until_utc` is the newest instant that any published row was known at.

    `built_from` is the publication whose DuckDB file was brought up to date; None: the file was written anew. `views`
    are those of the DuckDB file, by the statements that make them: they repeat rows of its tables.
    """

    id: str
    published_at_utc: str
    known_until_utc: str | None
    duckdb_version: str
    tables: dict[str, dict[str, object]]
    files: dict[str, dict[str, object]]
    built_from: str | None = None
    views: dict[str, str] = field(default_factory=dict)


def current_manifest(serving: Path) -> Manifest | None:
    """The manifest of what is published now; None before the first publication."""
    try:
        return Manifest(**json.loads((serving / "manifest.json").read_text()))
    except FileNotFoundError:
        return None


def publish(warehouse: Warehouse, serving: Path, *, now: datetime) -> Manifest:
    """Publishes the tables that people read and returns the manifest.

    The new copy is built beside the old one and `serving` is switched to it by one `os.replace`: a reader sees the old
    state or the new one. A copy that was being built when a run was killed is removed. Where an earlier copy cannot be
    brought up to date, because it is damaged or not what its manifest says, a new one is written.

    Raises:
        PublicationError: a copy that was written anew differs from the working file.
    """
    try:
        return _publish(warehouse, serving, now, anew=False)
    except (duckdb.Error, PublicationError):
        return _publish(warehouse, serving, now, anew=True)


def differing_tables(serving: Path, manifest: Manifest, *, since: Manifest | None = None) -> list[str]:
    """Tables and views of the published file that are not what the manifest says.

    Every row is read; with `since`, an earlier publication's manifest, only the parts that changed after it, and the
    number of rows of each table.
    """
    with duckdb.connect(str(serving / FILE), read_only=True) as con:
        con.execute("SET TimeZone='UTC'")
        views = views_of(con, SCHEMAS)
        found = set(tables_of(con, SCHEMAS)) - views.keys()
        said = since.tables if since else {}
        differ = {n for n in found & manifest.tables.keys() if not holds(con, n, manifest.tables[n], said.get(n, {}))}
    others = {name for name, _ in views.items() ^ manifest.views.items()}
    return sorted(differ | others | (found ^ manifest.tables.keys()))


def _publish(warehouse: Warehouse, serving: Path, now: datetime, *, anew: bool) -> Manifest:
    store = serving.parent / ".published"
    store.mkdir(parents=True, exist_ok=True)
    for left in store.glob("tmp-*"):
        shutil.rmtree(left)
    old = readable_manifest(serving)
    previous = serving.resolve() if old is not None else None
    with beside_with_blocks(warehouse) as con:
        # Hashes and storage may be made otherwise by another version, and nothing is taken on trust when made anew.
        trusted = old is not None and not anew and old.duckdb_version == duckdb.__version__
        views = self_contained(con, SCHEMAS)
        wanted = contents(con, SCHEMAS, old.tables if old and trusted else {}, but=views)
        tables = {name: content.entry for name, content in wanted.items()}
        known_until = _known_until(con)
        identity = _identity(tables, views, known_until)
        if old is not None and old.id == identity:
            return old
        building = store / f"tmp-{identity}"
        origin = None if anew or previous is None else _earlier_copy(con, store, previous, wanted, building)
        if origin is None:
            _new_copy(con, building)
        differ = bring_up_to_date(con, wanted, origin.tables if origin else {}, views)
        if origin is not None and is_slack(con):
            origin = None
            _new_copy(con, building)
            differ = bring_up_to_date(con, wanted, {}, views)
        if differ:
            raise PublicationError(f"not as in the working file: {', '.join(differ)}; nothing was published")
        linked = write_parquet(
            con, wanted, building / "parquet", old.tables if old else {}, previous / "parquet" if previous else None
        )
    files = _described_files(building, linked, old)
    manifest = Manifest(
        identity, now.isoformat(), known_until, duckdb.__version__, tables, files, origin.id if origin else None, views
    )
    with (building / "manifest.json").open("w") as written:
        written.write(json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n")
        os.fsync(written.fileno())
    target = store / identity
    if target.exists():  # the content of an earlier publication again, e.g. after a replay was taken back
        shutil.rmtree(target)
    building.replace(target)
    _switch(serving, target)
    _forget_old(store, {target, previous} if previous else {target})
    return manifest


def _identity(tables: dict[str, dict[str, object]], views: dict[str, str], known_until: str | None) -> str:
    content = {name: [entry["fingerprint"], entry["columns"]] for name, entry in tables.items()}
    return hashlib.sha256(json.dumps([content, views, known_until], sort_keys=True).encode()).hexdigest()[:16]


def _earlier_copy(
    con: duckdb.DuckDBPyConnection, store: Path, previous: Path, wanted: dict[str, Content], building: Path
) -> Manifest | None:
    """The building site with an earlier publication's file, attached as `target`; the manifest of what it holds.

    The publication before the last would go away anyway: its folder becomes the site if nobody reads it, and the cost
    is that of what changed since. Else the last one's file is copied. None: neither is whole and worth it.
    """
    for folder in store.iterdir():
        manifest = _worth_keeping(folder, wanted)
        if folder == previous or manifest is None or not _is_ours_alone(folder / FILE):
            continue
        folder.rename(building)  # whoever looks for it by its name finds it no more; who has it open holds a lock
        try:
            attach(con, building / FILE, "target")
        except duckdb.IOException:
            building.rename(folder)
            continue
        shutil.rmtree(building / "parquet")
        (building / "manifest.json").unlink()
        return manifest
    last = _worth_keeping(previous, wanted)
    if last is None:
        return None
    building.mkdir()
    shutil.copyfile(previous / FILE, building / FILE)
    attach(con, building / FILE, "target")
    return last


def _worth_keeping(folder: Path, wanted: dict[str, Content]) -> Manifest | None:
    """The manifest of a publication whose file has most of what is wanted and is as it was written."""
    manifest = readable_manifest(folder)
    if manifest is None or mostly_new(wanted, manifest.tables):
        return None
    file = folder / FILE
    return manifest if file.exists() and _described(file) == manifest.files.get(FILE) else None


def readable_manifest(folder: Path) -> Manifest | None:
    """The manifest; None too where it is damaged, so that what it stood for is written anew."""
    try:
        return current_manifest(folder)
    except (ValueError, TypeError):
        return None


def _new_copy(con: duckdb.DuckDBPyConnection, building: Path) -> None:
    """The building site with an empty file, attached as `target`."""
    con.execute("DETACH DATABASE IF EXISTS target")
    building.mkdir(exist_ok=True)
    (building / FILE).unlink(missing_ok=True)
    attach(con, building / FILE, "target")


def _is_ours_alone(file: Path) -> bool:
    """Whether a file has no second name, and is not open in this process, whose own locks do not keep it out."""
    real = os.path.realpath(file)
    return file.stat().st_nlink == 1 and all(opened.path != real for opened in psutil.Process().open_files())


def _switch(serving: Path, target: Path) -> None:
    link = serving.with_name(f".{serving.name}.new")
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(target, serving.parent), target_is_directory=True)
    link.replace(serving)


def _forget_old(store: Path, keep: set[Path]) -> None:
    for folder in store.iterdir():
        if folder not in keep:
            shutil.rmtree(folder)


def _known_until(con: duckdb.DuckDBPyConnection) -> str | None:
    row = first_row(con, "SELECT strftime(max(known_at_utc), '%Y-%m-%dT%H:%M:%SZ') FROM raw.meter_readings")
    return row[0] if row else None


def _described_files(building: Path, linked: set[Path], old: Manifest | None) -> dict[str, dict[str, object]]:
    """Checksum and size of every file; those of a linked one are known."""
    known = old.files if old else {}
    names = {file: str(file.relative_to(building)) for file in sorted(building.rglob("*")) if file.is_file()}
    return {name: known[name] if file in linked and name in known else _described(file) for file, name in names.items()}


def _described(file: Path) -> dict[str, object]:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())  # on the disk before a switch that names it
        return {"sha256": hashlib.file_digest(opened, "sha256").hexdigest(), "bytes": os.fstat(opened.fileno()).st_size}
