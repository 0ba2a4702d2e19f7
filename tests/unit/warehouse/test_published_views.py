"""Views in the published copy: those over published tables stay views, the others become tables."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from energy_assets.warehouse import Manifest, Warehouse, publish
from energy_assets.warehouse.publishing import FILE, differing_tables

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
WEATHER = "SELECT meter_id, temperature_c FROM marts.places JOIN marts.weather USING (location_id)"
READ = "SELECT meter_id, temperature_c FROM {}marts.weather_of_meters ORDER BY ALL"


def run(warehouse: Warehouse, *statements: str) -> None:
    with warehouse.transaction() as con:
        for sql in statements:
            con.execute(sql)


@pytest.fixture
def serving(warehouse: Warehouse, tmp_path: Path) -> Path:
    """Weather of a place for two meters as a view, and what is not published behind another; where it is published."""
    run(
        warehouse,
        "CREATE SCHEMA raw; CREATE SCHEMA marts; CREATE SCHEMA reporting",
        "CREATE TABLE raw.meter_readings AS SELECT TIMESTAMPTZ '2026-03-10' AS known_at_utc",
        "CREATE TABLE marts.weather AS SELECT 'paris' AS location_id, 7.5::DOUBLE AS temperature_c",
        "CREATE TABLE marts.places AS SELECT unnest(['a', 'b']) AS meter_id, 'paris' AS location_id",
        f"CREATE VIEW marts.weather_of_meters AS {WEATHER}",
        "COMMENT ON VIEW marts.weather_of_meters IS 'It''s the weather of a meter'",
        "COMMENT ON COLUMN marts.weather_of_meters.temperature_c IS 'Degrees Celsius'",
        "CREATE VIEW reporting.newest AS SELECT max(known_at_utc) AS known_at_utc FROM raw.meter_readings",
    )
    return tmp_path / "serving"


def published(warehouse: Warehouse, serving: Path) -> Manifest:
    manifest = publish(warehouse, serving, now=NOW)
    assert differing_tables(serving, manifest) == []
    return manifest


def read(serving: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(serving / FILE), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_a_view_over_published_tables_is_published_as_one(warehouse: Warehouse, serving: Path) -> None:
    manifest = published(warehouse, serving)
    assert list(manifest.views) == ["marts.weather_of_meters"]
    assert set(manifest.tables) == {"marts.places", "marts.weather", "reporting.newest"}
    assert read(serving, READ.format("")) == [("a", 7.5), ("b", 7.5)]
    with duckdb.connect() as con:  # by whatever name
        con.execute(f"ATTACH '{serving / FILE}' AS other (READ_ONLY)")
        assert con.execute(READ.format("other.")).fetchall() == [("a", 7.5), ("b", 7.5)]
    assert read(serving, "SELECT comment FROM duckdb_views() WHERE view_name = 'weather_of_meters'") == [
        ("It's the weather of a meter",)
    ]
    comments = "SELECT comment FROM duckdb_columns() WHERE table_name = 'weather_of_meters' AND comment IS NOT NULL"
    assert read(serving, comments) == [("Degrees Celsius",)]


def test_its_rows_follow_the_tables(warehouse: Warehouse, serving: Path) -> None:
    for degrees in (8.5, 9.5):
        published(warehouse, serving)
        run(warehouse, f"UPDATE marts.weather SET temperature_c = {degrees}")
    assert published(warehouse, serving).built_from is not None
    assert read(serving, READ.format("")) == [("a", 9.5), ("b", 9.5)]


def test_a_view_may_become_a_table_and_a_view_again(warehouse: Warehouse, serving: Path) -> None:
    first = published(warehouse, serving)
    run(warehouse, "DROP VIEW marts.weather_of_meters", f"CREATE TABLE marts.weather_of_meters AS {WEATHER}")
    second = published(warehouse, serving)
    assert not second.views
    assert second.tables["marts.weather_of_meters"]["rows"] == 2
    run(warehouse, "DROP TABLE marts.weather_of_meters", f"CREATE VIEW marts.weather_of_meters AS {WEATHER}")
    third = published(warehouse, serving)
    assert third.views == first.views
    assert read(serving, READ.format("")) == [("a", 7.5), ("b", 7.5)]


def test_another_statement_of_a_view_is_another_publication(warehouse: Warehouse, serving: Path) -> None:
    first = published(warehouse, serving)
    run(warehouse, f"CREATE OR REPLACE VIEW marts.weather_of_meters AS {WEATHER} WHERE meter_id = 'a'")
    second = published(warehouse, serving)
    assert second.id != first.id
    assert read(serving, READ.format("")) == [("a", 7.5)]


def test_a_view_that_is_gone_is_noticed(warehouse: Warehouse, serving: Path) -> None:
    manifest = published(warehouse, serving)
    with duckdb.connect(str(serving / FILE)) as con:
        con.execute("DROP VIEW marts.weather_of_meters")
    assert differing_tables(serving, manifest) == ["marts.weather_of_meters"]
