"""What may be wrong with a machine or a warehouse, and what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import duckdb
import psutil
from packaging.requirements import Requirement

from energy_assets import sources
from energy_assets.config import ConfigError, FileSource, load_config
from energy_assets.settings import Settings
from energy_assets.sources.base import SourceError
from energy_assets.warehouse import Warehouse, WarehouseBusyError, readable_manifest
from energy_assets.warehouse.soundness import (
    WHOLE_FILE,
    artefact_checksums,
    damaged_files,
    damaged_run_stores,
    published_checksums,
    unreadable_tables,
)

FREE_GB = 2.0
REPAIR = "energy-assets doctor --repair"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    healthy: bool
    said: str
    remedy: str = ""


def examine(settings: Settings, *, checksums: bool = False) -> list[Finding]:
    """Every finding, the healthy ones too.

    Args:
        settings: the warehouse.
        checksums: whether the working file, the published copy and the artefacts are read to the last byte and compared
            with the checksums that were recorded when they were written. It takes as long as reading them does.
    """
    checks: list[Callable[[Settings], list[Finding]]] = [
        _python, _packages, _folder, _sources, _database, _published, _manifest, _disk,
    ]  # fmt: skip
    if checksums:
        checks += [_blocks, _published_files, _artefacts, _run_history]
    return [finding for check in checks for finding in check(settings)]


def _python(settings: Settings) -> list[Finding]:
    good = (3, 11) <= sys.version_info[:2] < (3, 14)
    return [
        Finding("python", good, sys.version.split()[0], "use Python 3.11, 3.12 or 3.13: rm -rf .venv && make setup")
    ]


def _packages(settings: Settings) -> list[Finding]:
    """Installed versions against those that pyproject.toml allows."""
    findings = []
    try:
        wanted = [Requirement(r) for r in requires("energy-assets") or []]
    except PackageNotFoundError:
        return [Finding("packages", False, "energy-assets is not installed", "run make setup")]
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            findings.append(Finding("packages", False, f"{requirement.name} is missing", "run make setup"))
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            findings.append(
                Finding(
                    "packages", False, f"{requirement.name} {found}, {requirement.specifier} wanted", "run make setup"
                )
            )
    return findings or [Finding("packages", True, f"{len(wanted)} as locked or within bounds")]


def _folder(settings: Settings) -> list[Finding]:
    folder = settings.folder
    if not folder.is_dir():
        return [
            Finding("folder", False, f"{folder} does not exist", "name a folder with a sources.yaml: --warehouse DIR")
        ]
    writable = os.access(folder, os.W_OK)
    return [
        Finding("folder", writable, f"{folder}{'' if writable else ' is not writable'}", "give yourself write access")
    ]


def _sources(settings: Settings) -> list[Finding]:
    try:
        config = load_config(settings.sources_file)
    except ConfigError as error:
        return [Finding("sources.yaml", False, str(error), "correct the lines named; docs/sources.md has every field")]
    findings = [Finding("sources.yaml", True, f"{len(config.sources)} sources, market {config.market.timezone}")]
    for source in config.sources:
        if isinstance(source, FileSource):
            try:
                files = sources.find_files(source, settings.folder)
                findings.append(Finding(f"source {source.name}", True, f"{len(files)} files"))
            except SourceError as error:
                findings.append(
                    Finding(f"source {source.name}", False, str(error), "correct `path`, or bring the file")
                )
    return findings


def _database(settings: Settings) -> list[Finding]:
    if not settings.database.exists():
        return [Finding("working file", True, "not there yet; `energy-assets run` makes it")]
    holders = _holders(settings.database)
    try:
        duckdb.connect(str(settings.database), read_only=True).close()
    except duckdb.Error as error:
        if "set lock on" not in str(error):
            return [Finding("working file", False, f"damaged: {str(error).splitlines()[0]}", REPAIR)]
        who = f"held by {', '.join(holders)}" if holders else str(error)
        return [
            Finding("working file", False, who, "wait for that run, or end that process; readers belong on serving/")
        ]
    size = settings.database.stat().st_size / 1e6
    return [Finding("working file", True, f"{size:.0f} MB, free to be opened")]


def _holders(file: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["pid", "name"]):
        try:
            if any(opened.path == str(file) for opened in process.open_files()):
                found.append(f"{process.info['name']} (process {process.info['pid']})")
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def _published(settings: Settings) -> list[Finding]:
    if not settings.serving.is_symlink():
        return [Finding("published copy", True, "none yet; `energy-assets run` makes it")]
    manifest = readable_manifest(settings.serving)
    if manifest is None:
        return [Finding("published copy", False, "its manifest is missing or cannot be read", REPAIR)]
    said = f"{manifest.id} of {manifest.published_at_utc}, known until {manifest.known_until_utc}"
    missing = [name for name in manifest.files if not (settings.serving / name).exists()]
    if missing:
        return [Finding("published copy", False, f"{len(missing)} files are missing, e.g. {missing[0]}", REPAIR)]
    return [Finding("published copy", True, said)]


def _manifest(settings: Settings) -> list[Finding]:
    there = (settings.dbt_target / "manifest.json").exists()
    return [Finding("dbt manifest", True, "made" if there else "not there yet; the first run makes it")]


def _disk(settings: Settings) -> list[Finding]:
    where = settings.folder if settings.folder.exists() else Path.cwd()
    free = shutil.disk_usage(where).free / 1e9
    return [Finding("disk", free >= FREE_GB, f"{free:.1f} GB free", f"free at least {FREE_GB:.0f} GB")]


def _blocks(settings: Settings) -> list[Finding]:
    """Each block of the working file against DuckDB's checksum of it."""
    try:
        broken = unreadable_tables(replace(Warehouse.of(settings), patience_s=1))
    except WarehouseBusyError:
        return []  # `_database` says who holds it
    if broken:
        table, said = next(iter(broken.items()))
        names = "" if table == WHOLE_FILE else f"{', '.join(broken)}: "
        return [Finding("blocks of the working file", False, f"{names}{said}", REPAIR)]
    return [Finding("blocks of the working file", True, "all can be read and are as they were written")]


def _published_files(settings: Settings) -> list[Finding]:
    manifest = readable_manifest(settings.serving)
    if manifest is None:
        return []  # `_published` says so
    recorded = published_checksums(manifest)
    return [_against_checksums("published files", damaged_files(settings.serving, recorded), len(recorded))]


def _artefacts(settings: Settings) -> list[Finding]:
    try:
        with replace(Warehouse.of(settings), patience_s=1).connect(read_only=True) as con:
            recorded = artefact_checksums(con)
    except (FileNotFoundError, WarehouseBusyError, duckdb.Error):
        return []  # `_database` and `_blocks` say so
    return [_against_checksums("model artefacts", damaged_files(settings.folder, recorded), len(recorded))]


def _run_history(settings: Settings) -> list[Finding]:
    broken = [store.name for store in damaged_run_stores(settings.dagster_home)]
    if broken:
        return [Finding("history of runs", False, f"damaged: {', '.join(broken)}", REPAIR)]
    return [Finding("history of runs", True, "sound")]


def _against_checksums(subject: str, damaged: dict[str, str], count: int) -> Finding:
    if not damaged:
        return Finding(subject, True, f"{count} as they were written")
    name, what = next(iter(damaged.items()))
    return Finding(subject, False, f"{len(damaged)} of {count} damaged, e.g. {name} is {what}", REPAIR)
