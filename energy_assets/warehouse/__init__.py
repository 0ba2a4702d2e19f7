"""The DuckDB files: short connections, idempotent writes, the published copy.

Belongs here: everything that holds a connection. Does not belong here: formats (`sources`), models, Dagster.
"""

from energy_assets.warehouse.connection import Warehouse, WarehouseBusyError, fetch, first_row
from energy_assets.warehouse.fingerprint import fingerprint, fingerprints
from energy_assets.warehouse.ingestion import LoadReport, load_sources
from energy_assets.warehouse.publishing import (
    Manifest,
    PublicationError,
    current_manifest,
    differing_tables,
    publish,
    readable_manifest,
)
from energy_assets.warehouse.writes import append_new, append_revisions, ensure_tables, replace_by_key

__all__ = [
    "LoadReport",
    "Manifest",
    "PublicationError",
    "Warehouse",
    "WarehouseBusyError",
    "append_new",
    "append_revisions",
    "current_manifest",
    "differing_tables",
    "ensure_tables",
    "fetch",
    "fingerprint",
    "fingerprints",
    "first_row",
    "load_sources",
    "publish",
    "readable_manifest",
    "replace_by_key",
]
