"""The published copy: whole or not there, the same content once, readable by older clients."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from energy_assets.contracts import TABLES
from energy_assets.warehouse import Warehouse, current_manifest, ensure_tables, publish
from energy_assets.warehouse import publishing as published_by
from energy_assets.warehouse.connection import STORAGE_VERSION

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def serving(warehouse: Warehouse, tmp_path: Path) -> Path:
    """A working file with a small table, a large one of three months and one without rows; where it is published."""
    with warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
        con.execute("CREATE SCHEMA marts")
        con.execute("CREATE SCHEMA reporting")
        con.execute("CREATE TABLE marts.small (meter_id VARCHAR, load_id BIGINT)")
        con.execute("INSERT INTO marts.small VALUES ('m', 1)")
        con.execute("COMMENT ON TABLE marts.small IS 'It''s small'")
        con.execute("COMMENT ON COLUMN marts.small.meter_id IS 'The meter; in \"quotes\"'")
        con.execute(
            "CREATE TABLE marts.large AS SELECT n % 7 AS meter, "
            "TIMESTAMPTZ '2026-01-01' + to_minutes(2 * n) AS interval_start_utc, n::DOUBLE AS demand_kwh "
            "FROM range(60000) t(n)"
        )
        con.execute("CREATE VIEW reporting.latest AS SELECT max(demand_kwh) AS demand_kwh FROM marts.large")
        con.execute("COMMENT ON VIEW reporting.latest IS 'The latest'")
    return tmp_path / "serving"


def change(warehouse: Warehouse, sql: str) -> None:
    with warehouse.transaction() as con:
        con.execute(sql)


def answer(sql: str) -> list[tuple[object, ...]]:
    """Rows of a query on Parquet files."""
    with duckdb.connect() as con:
        return con.execute(sql).fetchall()


def store(serving: Path) -> set[str]:
    return {p.name for p in (serving.parent / ".published").iterdir()}


def test_what_is_published_is_what_the_manifest_says(warehouse: Warehouse, serving: Path) -> None:
    assert current_manifest(serving) is None
    manifest = publish(warehouse, serving, now=NOW)
    assert current_manifest(serving) == manifest
    assert serving.resolve().name == manifest.id
    assert not Path(serving.readlink()).is_absolute()  # the folder can be moved as a whole
    assert {n: t["rows"] for n, t in manifest.tables.items() if n.startswith(("marts", "rep"))} == {
        "marts.small": 1, "marts.large": 60000, "reporting.latest": 1,
    }  # fmt: skip
    assert manifest.published_at_utc == NOW.isoformat()
    for name, entry in manifest.files.items():
        content = (serving / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    with duckdb.connect(str(serving / "energy.duckdb"), read_only=True) as con:
        assert con.execute("SELECT demand_kwh FROM reporting.latest").fetchall() == [(59999.0,)]
        names = {r[0] for r in con.execute("SELECT DISTINCT schema_name FROM duckdb_tables()").fetchall()}
    assert "raw" not in names
    months = sorted(p.name for p in (serving / "parquet" / "marts" / "large").iterdir())
    assert months == ["2026-01.parquet", "2026-02.parquet", "2026-03.parquet"]


def test_empty_tables_are_published_too(warehouse: Warehouse, serving: Path) -> None:
    manifest = publish(warehouse, serving, now=NOW)
    assert manifest.tables["forecasts.demand_forecasts"]["rows"] == 0
    files = f"'{serving}/parquet/forecasts/demand_forecasts/*.parquet'"
    assert answer(f"SELECT count(*) FROM {files}") == [(0,)]
    assert [row[0] for row in answer(f"DESCRIBE SELECT * FROM {files}")][:2] == ["meter_id", "issued_at_utc"]


def test_the_same_content_is_not_published_again(warehouse: Warehouse, serving: Path) -> None:
    first = publish(warehouse, serving, now=NOW)
    written = (serving / "energy.duckdb").stat().st_mtime_ns
    change(warehouse, "UPDATE marts.small SET load_id = 2")  # how a row came is no content
    again = publish(warehouse, serving, now=NOW.replace(year=2027))
    assert again == first
    assert (serving / "energy.duckdb").stat().st_mtime_ns == written
    assert store(serving) == {first.id}


def test_the_last_two_publications_are_kept(warehouse: Warehouse, serving: Path) -> None:
    ids = []
    for n in range(3):
        change(warehouse, f"INSERT INTO marts.small VALUES ('m{n}', 1)")
        ids.append(publish(warehouse, serving, now=NOW).id)
    assert len(set(ids)) == 3
    assert store(serving) == set(ids[1:])
    assert serving.resolve().name == ids[2]


def test_a_reader_keeps_what_it_has_opened(warehouse: Warehouse, serving: Path) -> None:
    publish(warehouse, serving, now=NOW)
    with duckdb.connect(str(serving / "energy.duckdb"), read_only=True) as reader:
        change(warehouse, "INSERT INTO marts.small VALUES ('n', 1)")
        publish(warehouse, serving, now=NOW)
        assert reader.execute("SELECT count(*) FROM marts.small").fetchall() == [(1,)]
    with duckdb.connect(str(serving / "energy.duckdb"), read_only=True) as reader:
        assert reader.execute("SELECT count(*) FROM marts.small").fetchall() == [(2,)]


def test_content_that_was_published_before_can_be_published_again(warehouse: Warehouse, serving: Path) -> None:
    first = publish(warehouse, serving, now=NOW)
    change(warehouse, "INSERT INTO marts.small VALUES ('n', 1)")
    publish(warehouse, serving, now=NOW)
    change(warehouse, "DELETE FROM marts.small WHERE meter_id = 'n'")
    back = publish(warehouse, serving, now=NOW)
    assert back.id == first.id
    assert serving.resolve().name == first.id
    with duckdb.connect(str(serving / "energy.duckdb"), read_only=True) as reader:
        assert reader.execute("SELECT count(*) FROM marts.small").fetchall() == [(1,)]


def test_months_that_did_not_change_are_linked_not_written(warehouse: Warehouse, serving: Path) -> None:
    publish(warehouse, serving, now=NOW)
    folder = serving / "parquet" / "marts"
    before = {p.name: p.stat().st_ino for p in (folder / "large").iterdir()}
    small = (folder / "small" / "all.parquet").stat().st_ino
    change(warehouse, "UPDATE marts.large SET demand_kwh = -1 WHERE interval_start_utc >= TIMESTAMPTZ '2026-03-20'")
    publish(warehouse, serving, now=NOW)
    after = {p.name: p.stat().st_ino for p in (folder / "large").iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"2026-03.parquet"}
    assert (folder / "small" / "all.parquet").stat().st_ino == small
    assert answer(f"SELECT min(demand_kwh) FROM '{folder}/large/*.parquet'") == [(-1.0,)]


def test_a_row_that_moves_to_another_month_leaves_the_old_one(warehouse: Warehouse, serving: Path) -> None:
    publish(warehouse, serving, now=NOW)
    change(warehouse, "DELETE FROM marts.large WHERE interval_start_utc >= TIMESTAMPTZ '2026-03-01'")
    manifest = publish(warehouse, serving, now=NOW)
    rows = answer(f"SELECT count(*) FROM '{serving}/parquet/marts/large/*.parquet'")
    assert rows == [(manifest.tables["marts.large"]["rows"],)]
    assert not list((serving / "parquet" / "marts" / "large").glob("2026-03*"))


def test_descriptions_survive(warehouse: Warehouse, serving: Path) -> None:
    publish(warehouse, serving, now=NOW)
    with duckdb.connect(str(serving / "energy.duckdb"), read_only=True) as con:
        tables = dict(con.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall())
        [(column,)] = con.execute(
            "SELECT comment FROM duckdb_columns() WHERE table_name = 'small' AND column_name = 'meter_id'"
        ).fetchall()
    assert tables["small"] == "It's small"
    assert tables["latest"] == "The latest"
    assert tables["demand_forecasts"] == TABLES["forecasts.demand_forecasts"].meaning
    assert column == 'The meter; in "quotes"'


def test_both_files_have_the_storage_version_that_older_clients_read(warehouse: Warehouse, serving: Path) -> None:
    publish(warehouse, serving, now=NOW)
    for file in (warehouse.database, serving / "energy.duckdb"):
        with duckdb.connect(str(file), read_only=True) as con:
            [(tags,)] = con.execute(
                "SELECT tags FROM duckdb_databases() WHERE database_name = current_database()"
            ).fetchall()
        assert tags["storage_version"].startswith(STORAGE_VERSION.rsplit(".", 1)[0]), (file, tags)


def test_what_a_killed_publication_left_is_removed_and_readers_never_saw_it(
    warehouse: Warehouse, serving: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(warehouse, serving, now=NOW)
    change(warehouse, "INSERT INTO marts.small VALUES ('n', 1)")

    class KilledError(BaseException):
        pass

    def killed(*arguments: object) -> None:
        raise KilledError

    for moment in ("_earlier_copy", "bring_up_to_date", "write_parquet", "_switch", "_forget_old"):
        with monkeypatch.context() as patch:
            patch.setattr(published_by, moment, killed)
            with pytest.raises(KilledError):
                publish(warehouse, serving, now=NOW)
        standing = current_manifest(serving)
        assert standing is not None
        if moment != "_forget_old":
            assert standing.id == first.id
        with duckdb.connect(str(serving / "energy.duckdb"), read_only=True) as reader:
            rows = reader.execute("SELECT count(*) FROM marts.small").fetchall()
        assert rows == [(standing.tables["marts.small"]["rows"],)]
    before = serving.resolve().name
    change(warehouse, "INSERT INTO marts.small VALUES ('o', 1)")
    last = publish(warehouse, serving, now=NOW)
    assert store(serving) == {before, last.id}
    assert json.loads((serving / "manifest.json").read_text())["tables"]["marts.small"]["rows"] == 3
