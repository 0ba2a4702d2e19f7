"""A warehouse folder copied whole while it is in use, and brought back.

Belongs here: what is copied, in which order, the checksums that a copy has to have. Does not belong here: damage in
place (`warehouse.mending`), the command line.

A backup is a folder: `backup.json` and, below `warehouse/`, the files: the working file as of one instant, the
published copy, sources.yaml, landing/, models/, reports/, the key of pseudonyms, the history of runs. Links stay links.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath

from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse, readable_manifest
from energy_assets.warehouse.soundness import (
    checksum,
    damaged_files,
    published_checksums,
    unreadable_tables,
)

NOTE = "backup.json"
INSIDE = "warehouse"
PATIENCE_S = 900.0  # a step that builds everything holds the working file for minutes
# Copied in its own way, made again at the next run, or of the processes that are at work.
LEFT_OUT = {"serving", ".published", ".dbt", ".run.lock"}
SQLITE_LOGS = (".db-wal", ".db-shm", ".db-journal")


class BackupError(RuntimeError):
    """A backup cannot be made or brought back; the message says what to do."""


@dataclass(frozen=True)
class Backup:
    """What a backup holds: SHA-256 by file and the targets of links, both by path in the warehouse folder."""

    taken_at_utc: str
    files: dict[str, str]
    links: dict[str, str]


def back_up(settings: Settings, target: Path) -> Backup:
    """Copies the warehouse into a new folder, which is there whole or not at all.

    Writers wait for as long as copying the working file's bytes takes. A transaction is in the copy whole or not at
    all, so a backup taken during a run is what a killed run leaves, and running again goes on from it. Models are
    copied after the file that names them: none is missing. The copy is read to its end before it counts.

    Args:
        settings: the warehouse.
        target: a folder that is not there yet, best on another disk.

    Raises:
        BackupError: the target is there, lies in the warehouse or has no room; or what would be copied is damaged.
        FileNotFoundError: there is no working file yet.
        WarehouseBusyError: writers held the working file for `PATIENCE_S` seconds.
    """
    folder, target = settings.folder, target.expanduser().absolute()
    if target.exists():
        raise BackupError(f"{target} is there already; name a folder that is not")
    if target.resolve().is_relative_to(folder):
        raise BackupError(f"{target} lies in the warehouse {folder}; a backup belongs elsewhere, best on another disk")
    warehouse = replace(Warehouse.of(settings), patience_s=PATIENCE_S)
    building = target.with_name(f".{target.name}.{os.getpid()}")
    inside = building / INSIDE
    try:
        with warehouse.connect(read_only=True):
            inside.mkdir(parents=True)
            _copy_bytes(warehouse.database, inside)
            _copy_note(settings, inside)
        _expect_sound(replace(warehouse, database=inside / warehouse.database.name), warehouse.database)
        links = _copy_others(settings, inside) | _copy_publication(settings, inside)
        files = {str(p.relative_to(inside)): checksum(p) for p in sorted(inside.rglob("*")) if p.is_file()}
        made = Backup(settings.now().isoformat(), files, links)
        (building / NOTE).write_text(json.dumps(asdict(made), indent=1, sort_keys=True) + "\n")
        _flush(building)
        building.replace(target)
    except (OSError, shutil.Error, sqlite3.Error) as error:
        if not settings.database.exists():
            raise
        raise BackupError(f"{target}: {error}; no backup was made, and the warehouse stands as it was") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return made


def restore(backup: Path, settings: Settings) -> Backup:
    """Brings a backup back as a warehouse folder, published copy and all.

    Every file is compared with its checksum before anything is put in place: a damaged backup changes nothing.

    Args:
        backup: what `back_up` made.
        settings: names the folder, which is missing or empty.

    Raises:
        BackupError: the folder is in use, there is no backup, or it is not as it was made.
    """
    folder = settings.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(f"{folder} is not empty; restore into another folder, or move that one away first")
    made = _note(backup)
    damaged = damaged_files(backup / INSIDE, made.files)
    if damaged:
        name, what = next(iter(damaged.items()))
        raise BackupError(
            f"{backup}: {len(damaged)} of {len(made.files)} files are damaged, e.g. {name} is {what}. Nothing was "
            "restored; use another backup"
        )
    building = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        building.mkdir(parents=True)
        for name in made.files:
            (building / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(backup / INSIDE / name, building / name)
        for name, points_to in made.links.items():
            (building / name).parent.mkdir(parents=True, exist_ok=True)
            (building / name).symlink_to(points_to)
        _flush(building)
        if folder.exists():
            folder.rmdir()
        building.replace(folder)
    except OSError as error:
        raise BackupError(f"{folder}: {error}; nothing was restored") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return made


def _copy_bytes(database: Path, inside: Path) -> None:
    """The working file and what a killed writer left in its log, while a reader's lock keeps writers out.

    By another process: one that closes a file lets go of every lock that it holds on it.
    """
    log = database.with_name(f"{database.name}.wal")
    sources = [str(path) for path in (database, log) if path.exists()]
    done = subprocess.run(["cp", "--reflink=auto", *sources, str(inside)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip())


def _copy_note(settings: Settings, inside: Path) -> None:
    """What the marts were built with: without it the first run after a restore would build all of them anew."""
    target = inside / settings.built_with.relative_to(settings.folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        shutil.copy2(settings.built_with, target)


def _expect_sound(copied: Warehouse, original: Path) -> None:
    """Reads the copy to its end, its log taken in."""
    broken = unreadable_tables(copied)
    if broken:
        table, said = next(iter(broken.items()))
        raise BackupError(f"{original} is damaged ({table}: {said}): `energy-assets doctor --repair` mends it")
    with copied.connect():
        pass


def _copy_others(settings: Settings, inside: Path) -> dict[str, str]:
    """All files but the working file and the published copy; returns the links."""
    links = {}
    for top, folders, names in os.walk(settings.folder):
        here = Path(top)
        if here == settings.folder:
            folders[:] = [name for name in folders if name not in LEFT_OUT]
            names = [n for n in names if n not in LEFT_OUT and not n.startswith(settings.database.name)]
        for source in (here / name for name in sorted([*folders, *names])):
            relative = source.relative_to(settings.folder)
            if source.is_symlink():
                if relative.name not in LEFT_OUT:
                    links[str(relative)] = str(source.readlink())
            elif source.is_file() and not source.name.endswith(SQLITE_LOGS):
                (inside / relative).parent.mkdir(parents=True, exist_ok=True)
                _copy_file(source, inside / relative, sqlite=settings.dagster_home in source.parents)
    return links


def _copy_file(source: Path, target: Path, *, sqlite: bool) -> None:
    if sqlite and source.suffix == ".db":  # SQLite's own way to copy a file that is being written
        # where nobody can write, SQLite cannot make the files by which it keeps writers apart, and needs none
        how = "" if os.access(source, os.W_OK) else "?immutable=1"
        with (
            closing(sqlite3.connect(f"{source.as_uri()}{how}", uri=True)) as there,
            closing(sqlite3.connect(target)) as here,
        ):
            there.backup(here)
        return
    with suppress(FileNotFoundError):  # a partial file that has got its name since the folder was listed
        shutil.copy2(source, target)


def _copy_publication(settings: Settings, inside: Path) -> dict[str, str]:
    """The published copy, whole; returns the link to it. One that is replaced stays for a publication more."""
    published = settings.serving.resolve()
    manifest = readable_manifest(published)
    if manifest is None:
        return {}
    relative = published.relative_to(settings.folder)
    shutil.copytree(published, inside / relative)
    damaged = damaged_files(inside / relative, published_checksums(manifest))
    if damaged:
        raise BackupError(
            f"the published copy is damaged, e.g. {next(iter(damaged))}: `energy-assets doctor --repair` mends it"
        )
    return {settings.serving.name: str(relative)}


def _flush(folder: Path) -> None:
    """On the disk before it is renamed: after a power cut it is there whole or not at all."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as opened:
                os.fsync(opened.fileno())


def _note(backup: Path) -> Backup:
    """What the backup says of itself.

    Raises:
        BackupError: there is none, it cannot be read, or it names a file outside of the folder.
    """
    try:
        made = Backup(**json.loads((backup / NOTE).read_text()))
        names = [PurePosixPath(name) for name in (*made.files, *made.links)]
    except (OSError, ValueError, TypeError) as error:
        raise BackupError(f"{backup} is no backup: {NOTE} cannot be read ({error})") from error
    for name in names:
        if name.is_absolute() or ".." in name.parts:
            raise BackupError(f"{backup}: {NOTE} names {name}, which does not lie in a warehouse; nothing was restored")
    return made
