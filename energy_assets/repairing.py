"""`doctor --repair`: what can be mended is mended, and each repair is said.

Belongs here: the order of repairs. Does not belong here: finding (`doctor`, `warehouse.soundness`), the repairs
themselves (`warehouse.mending`, `defs.forecasting.mending`, `defs.automation.repair`).
"""

from __future__ import annotations

from collections.abc import Iterator

from energy_assets.config import load_config
from energy_assets.running import one_at_a_time, prepare
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse, readable_manifest
from energy_assets.warehouse.mending import mend_publication, mend_working_file, set_aside
from energy_assets.warehouse.soundness import (
    artefact_checksums,
    damaged_files,
    damaged_run_stores,
    published_checksums,
    unreadable_tables,
)


def repair(settings: Settings) -> Iterator[str]:
    """Mends what is damaged, in the order in which one thing is made from another; says what was done.

    Waits for a run of the command line. Nothing is done to what is sound, so a second repair says nothing.

    Raises:
        RunError: `sources.yaml` is wrong.
        WarehouseBusyError: another process holds the working file.
    """
    warehouse = Warehouse.of(settings)
    for store in list(damaged_run_stores(settings.dagster_home))[:1]:
        aside = set_aside(settings.dagster_home, settings.now())
        yield f"history of runs: {store.name} was damaged; begun anew, the old one is kept as {aside.name}"
    prepare(settings)
    with one_at_a_time(settings):
        from energy_assets.defs.launching import repair as close_dead_runs

        for run_id in close_dead_runs():
            yield f"run {run_id} had been killed; marked failed, its slot freed"
        broken = unreadable_tables(warehouse)
        if broken:
            yield from mend_working_file(warehouse, settings.serving, broken, settings.now())
        if not warehouse.database.exists():
            return
        if broken:
            yield "`energy-assets run` makes the rest; what else is damaged can be mended after it, by --repair again"
            return
        with warehouse.connect(read_only=True) as con:
            artefacts = damaged_files(settings.folder, artefact_checksums(con))
        if artefacts:
            yield from _mend_artefacts(settings, warehouse)
        if _publication_is_damaged(settings):
            yield f"published copy: {mend_publication(warehouse, settings.serving, settings.now())}"


def _mend_artefacts(settings: Settings, warehouse: Warehouse) -> list[str]:
    from energy_assets.defs.forecasting.mending import mend_artefacts  # imports what trains: seconds

    said: list[str] = []
    with warehouse.connect(read_only=True) as con:
        mend_artefacts(con, load_config(settings.sources_file), settings.folder, say=said.append)
    return said


def _publication_is_damaged(settings: Settings) -> bool:
    if not settings.serving.is_symlink():
        return False
    manifest = readable_manifest(settings.serving)
    return manifest is None or bool(damaged_files(settings.serving, published_checksums(manifest)))
