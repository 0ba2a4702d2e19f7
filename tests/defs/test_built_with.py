"""What asks for a full refresh of the marts: meters, places or SQL that are others than when they were built."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy_assets.contracts import TABLES
from energy_assets.defs.transformation.built_with import BuiltWith
from energy_assets.warehouse import Warehouse, ensure_tables

METER = """INSERT INTO raw.meters (meter_id, name, kind, timezone, country, interval_minutes, source)
VALUES ($1, $1, 'building', 'Europe/Paris', 'FR', 60, 'files')"""


@pytest.fixture
def built(warehouse: Warehouse, tmp_path: Path) -> Warehouse:
    """One meter and one place, with which the marts were built."""
    with warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
        con.execute(METER, ["first"])
        con.execute("INSERT INTO raw.weather_locations VALUES ('paris', 'FR', 48.9, 2.3, 'files')")
    BuiltWith.of(warehouse, tmp_path / "built_with.json", "as it was").remember()
    return warehouse


@pytest.mark.parametrize(
    ("change", "refresh"),
    [
        pytest.param("SELECT 1", False, id="nothing"),
        pytest.param("UPDATE raw.meters SET name = 'Town hall'", False, id="name"),
        pytest.param(METER.replace("$1", "'second'"), False, id="new meter"),
        pytest.param("UPDATE raw.meters SET timezone = 'Europe/Helsinki'", True, id="zone"),
        pytest.param("UPDATE raw.meters SET capacity_kw = 40", True, id="capacity"),
        pytest.param("INSERT INTO raw.meter_locations VALUES ('first', 'paris')", True, id="place of a meter"),
        pytest.param("INSERT INTO raw.weather_locations VALUES ('lyon', 'FR', 45, 4, 'files')", True, id="new place"),
        pytest.param("DELETE FROM raw.meters", True, id="meter gone"),
    ],
)
def test_what_has_changed_since_the_marts_were_built(
    built: Warehouse, tmp_path: Path, change: str, refresh: bool
) -> None:
    with built.transaction() as con:
        con.execute(change)
    assert BuiltWith.of(built, tmp_path / "built_with.json", "as it was").changed is refresh


def test_marts_of_which_nothing_is_known_are_made_anew(built: Warehouse, tmp_path: Path) -> None:
    assert BuiltWith.of(built, tmp_path / "killed before it could remember.json", "as it was").changed


def test_another_text_of_the_models(built: Warehouse, tmp_path: Path) -> None:
    assert BuiltWith.of(built, tmp_path / "built_with.json", "with one more column").changed


def test_only_what_came_since_is_tested(built: Warehouse, tmp_path: Path) -> None:
    assert BuiltWith.of(built, tmp_path / "built_with.json", "as it was").tested_load == -1, "no load was known"
    load = """INSERT INTO raw.load_ledger (load_id, source, path, sha256, description_sha256, rows, rows_new,
        rejected_rows, size_bytes, modified_ns, received_at_utc)
        VALUES ($1, $2, $2, 'a', 'b', 1, 1, 0, 1, 1, '2026-01-01 00:00:00+00')"""
    with built.transaction() as con:
        con.executemany(load, [[3, "files"], [4, "anomalies"]])
    BuiltWith.of(built, tmp_path / "built_with.json", "as it was").remember()
    # what the detectors decided has not been applied yet
    assert BuiltWith.of(built, tmp_path / "built_with.json", "as it was").tested_load == 3
    assert BuiltWith.of(built, tmp_path / "built_with.json", "with one more column").tested_load == -1
