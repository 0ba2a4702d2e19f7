"""Bringing a publication up to date: the rows of one written anew, whatever happened in between."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.warehouse import Manifest, Warehouse, publish
from energy_assets.warehouse.fingerprint import Layout
from energy_assets.warehouse.published_copy import Entries, bring_up_to_date, changes, contents, write_parquet
from energy_assets.warehouse.publishing import FILE, differing_tables
from energy_assets.warehouse.storage import beside_with_blocks

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
SCHEMAS = ("marts", "reporting")
COUNT = "SELECT count(*) FROM marts.days"
HOLD = f"""
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
print('open', flush=True)
sys.stdin.read()
print(con.execute('{COUNT}').fetchall())
"""

month, number = st.integers(1, 4), st.integers(0, 5)
operation = st.one_of(
    st.builds(
        "INSERT INTO marts.fact BY NAME SELECT i AS id, TIMESTAMPTZ '2026-0{}-15' + to_hours(i) AS interval_start_utc, "
        "{} AS kwh FROM range(4) t(i)".format, month, number,
    ),
    st.builds(  # both ends of a month
        "INSERT INTO marts.fact BY NAME SELECT {1} AS id, unnest([TIMESTAMPTZ '2026-0{0}-01', "
        "TIMESTAMPTZ '2026-0{0}-28 23:59:59.999999']) AS interval_start_utc, 7 AS kwh".format, month, number,
    ),
    st.builds("INSERT INTO marts.fact BY NAME SELECT {} AS id, 1 AS load_id".format, number),
    st.builds("UPDATE marts.fact SET kwh = kwh + 1 WHERE id % 3 = {}".format, number),
    st.builds("DELETE FROM marts.fact WHERE id % 3 = {}".format, number),
    st.builds("DELETE FROM marts.fact WHERE month(interval_start_utc) = {}".format, month),
    st.builds("UPDATE marts.fact SET interval_start_utc = interval_start_utc + INTERVAL 1 MONTH WHERE id = {}".format,
              number),
    st.builds("COMMENT ON COLUMN marts.fact.kwh IS 'It''s {}'".format, number),
    st.sampled_from([
        "INSERT INTO marts.fact FROM marts.fact", "CREATE OR REPLACE TABLE marts.fact AS FROM marts.fact ORDER BY kwh",
        "DELETE FROM marts.fact", "UPDATE marts.fact SET load_id = load_id + 1",
        "ALTER TABLE marts.fact RENAME kwh TO kwh_before; ALTER TABLE marts.fact RENAME kwh_before TO kwh",
        "CREATE TABLE IF NOT EXISTS marts.other AS SELECT 'a' AS \"name\"", "DROP TABLE IF EXISTS marts.other",
        "ALTER TABLE marts.fact ADD COLUMN IF NOT EXISTS more INTEGER",
        "ALTER TABLE marts.fact DROP COLUMN IF EXISTS more",
    ]),
)  # fmt: skip


@contextmanager
def beside() -> Iterator[duckdb.DuckDBPyConnection]:
    """A made-up working file and an empty target, both in memory; six rows make a table large."""
    with (
        patch.object(import_module("energy_assets.warehouse.fingerprint"), "LARGE_ROWS", 6),
        duckdb.connect(config={"threads": 1}) as con,
    ):
        con.execute("CREATE TEMP TABLE block_checksums (block BIGINT, checksum UBIGINT)")  # nothing is in blocks
        con.execute("SET TimeZone = 'UTC'; ATTACH ':memory:' AS target; CREATE SCHEMA marts; CREATE SCHEMA reporting")
        con.execute("CREATE TABLE marts.fact (id INTEGER, interval_start_utc TIMESTAMPTZ, kwh DOUBLE, load_id BIGINT)")
        con.execute(
            "CREATE VIEW reporting.days AS SELECT interval_start_utc::DATE AS local_date, sum(kwh) AS kwh "
            "FROM marts.fact GROUP BY 1"
        )
        yield con


def entries(con: duckdb.DuckDBPyConnection) -> Entries:
    return {name: content.entry for name, content in contents(con, SCHEMAS, {}).items()}


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.lists(st.lists(operation, min_size=1, max_size=4), min_size=1, max_size=5))
def test_brought_up_to_date_equals_written_anew_whatever_happened(publications: list[list[str]]) -> None:
    with beside() as con, tempfile.TemporaryDirectory() as folder:
        before: Entries = {}
        previous: Path | None = None
        for n, operations in enumerate(publications):
            for sql in operations:
                con.execute(sql)
            wanted = contents(con, SCHEMAS, {})
            assert bring_up_to_date(con, wanted, before) == []
            parquet = Path(folder) / str(n)
            write_parquet(con, wanted, parquet, before, previous)
            for name, content in wanted.items():
                columns = content.layout.content
                files = f"read_parquet('{parquet}/{name.replace('.', '/')}/*.parquet')"
                for copy in (f"target.{name}", files):
                    for one, other in ((name, copy), (copy, name)):
                        rows = con.execute(f"SELECT {columns} FROM {one} EXCEPT ALL SELECT {columns} FROM {other}")
                        assert rows.fetchall() == [], f"{one} has more than {other}"
            there = con.execute(
                "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = 'target'"
            )
            assert {name for (name,) in there.fetchall()} == set(wanted)
            before, previous = entries(con), parquet


@pytest.fixture
def stored(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """Five months by meter, so that each of eight full row groups has rows of all of them."""
    monkeypatch.setattr(import_module("energy_assets.warehouse.fingerprint"), "LARGE_ROWS", 6)
    write(
        warehouse,
        "CREATE SCHEMA marts; CREATE TABLE marts.fact AS SELECT meter, TIMESTAMPTZ '2026-01-01' + to_days(d) AS "
        "interval_start_utc, meter * d::DOUBLE AS kwh FROM range(128) m(meter), range(128) d(d)",
    )
    return warehouse


def write(warehouse: Warehouse, sql: str) -> None:
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{warehouse.database}' AS energy (ROW_GROUP_SIZE 2048, STORAGE_VERSION 'v1.4.0')")
        con.execute(f"SET TimeZone = 'UTC'; USE energy; {sql}")


def read(warehouse: Warehouse, before: Entries) -> Entries:
    with beside_with_blocks(warehouse) as con:
        return {name: content.entry for name, content in contents(con, SCHEMAS, before).items()}


@pytest.mark.parametrize(
    ("changed", "months"),
    [
        (["SELECT 1"], []),
        (["INSERT INTO marts.fact VALUES (1, '2026-06-02', 1)"], ["2026-06"]),
        (["DELETE FROM marts.fact WHERE meter = 3", "INSERT INTO marts.fact SELECT 3, '2026-04-02', 1"], None),
        (["DELETE FROM marts.fact WHERE interval_start_utc = '2026-02-03'",
          "INSERT INTO marts.fact SELECT meter, '2026-02-03', 2 FROM range(128) m(meter)"], ["2026-02"]),
        (["UPDATE marts.fact SET kwh = kwh + 1 WHERE meter = 3"] * 2, None),
        (["CREATE OR REPLACE TABLE marts.fact AS FROM marts.fact ORDER BY kwh"], None),
        (["DELETE FROM marts.fact WHERE meter = 3"], None),
        (["INSERT INTO marts.fact FROM marts.fact LIMIT 4096"], None),
        (["UPDATE marts.fact SET interval_start_utc = '2026-01-01' WHERE meter > 90"], None),
    ],
)  # fmt: skip
def test_only_months_in_other_row_groups_are_read_and_all_where_that_is_not_enough(
    stored: Warehouse, monkeypatch: pytest.MonkeyPatch, changed: list[str], months: list[str] | None
) -> None:
    before = read(stored, {})
    assert len(before["marts.fact"]["row_groups"]) == 8
    for sql in changed:
        write(stored, sql)
    whole = read(stored, {})
    seen: list[list[str]] = []
    by_parts = import_module("energy_assets.warehouse.published_copy").marks_of

    def marks_of(con: duckdb.DuckDBPyConnection, of: Layout, parts: list[str]) -> dict[str, str]:
        seen.append(sorted(parts))
        found: dict[str, str] = by_parts(con, of, parts)
        return found

    def marks(*arguments: object) -> None:
        raise AssertionError("all was read")

    monkeypatch.setattr("energy_assets.warehouse.published_copy.marks_of", marks_of)
    if months is not None:
        monkeypatch.setattr("energy_assets.warehouse.published_copy.marks", marks)
    assert read(stored, before) == whole
    if months is not None:
        assert seen == [months]


def test_only_months_that_changed_are_written() -> None:
    with beside() as con:
        con.execute("INSERT INTO marts.fact SELECT i, TIMESTAMPTZ '2026-01-01' + to_days(i), i, 1 FROM range(120) t(i)")
        con.execute("CREATE TABLE marts.small AS SELECT 1 AS n")
        before = entries(con)
        con.execute("UPDATE marts.fact SET kwh = -1 WHERE interval_start_utc = '2026-02-28'")
        con.execute("DELETE FROM marts.fact WHERE interval_start_utc >= '2026-04-01'")
        found = changes(contents(con, SCHEMAS, {}), before)
    assert (found["marts.fact"].anew, found["marts.fact"].parts, found["marts.fact"].gone) == (
        False, ("2026-02",), ("2026-04",),
    )  # fmt: skip
    assert (found["marts.small"].anew, found["marts.small"].parts) == (False, ())


def test_a_column_that_was_renamed_is_published_although_no_value_changed() -> None:
    with beside() as con:
        con.execute("INSERT INTO marts.fact SELECT i, '2026-01-01', i, 1 FROM range(9) t(i)")
        before = entries(con)
        con.execute("DROP VIEW reporting.days; ALTER TABLE marts.fact RENAME kwh TO energy_kwh")
        wanted = contents(con, SCHEMAS, {})
        assert wanted["marts.fact"].marks == before["marts.fact"]["parts"]
        assert changes(wanted, before)["marts.fact"].anew


def test_a_target_that_is_not_what_was_said_of_it_is_noticed() -> None:
    with beside() as con:
        con.execute("INSERT INTO marts.fact SELECT i, '2026-01-01', i, 1 FROM range(9) t(i)")
        assert bring_up_to_date(con, contents(con, SCHEMAS, {}), {}) == []
        before = entries(con)
        con.execute("DELETE FROM target.marts.fact WHERE id = 3")
        con.execute("INSERT INTO marts.fact VALUES (1, '2026-02-01', 1, 1)")
        assert bring_up_to_date(con, contents(con, SCHEMAS, {}), before) == ["marts.fact"]


@pytest.fixture
def serving(warehouse: Warehouse, tmp_path: Path) -> Path:
    """A large table of three months beside a table that `day` adds to; where they are published."""
    with warehouse.transaction() as con:
        con.execute("CREATE SCHEMA raw; CREATE SCHEMA marts")
        con.execute("CREATE TABLE raw.meter_readings AS SELECT TIMESTAMPTZ '2026-03-10' AS known_at_utc")
        con.execute("CREATE TABLE marts.days (n INTEGER)")
        con.execute(
            "CREATE TABLE marts.large AS SELECT n, TIMESTAMPTZ '2026-01-01' + to_minutes(2 * n) AS interval_start_utc "
            "FROM range(60000) t(n)"
        )
    return tmp_path / "serving"


def day(warehouse: Warehouse, serving: Path) -> Manifest:
    """A change, and its publication: whole, as every one has to be."""
    with warehouse.transaction() as con:
        con.execute("INSERT INTO marts.days SELECT count(*) FROM marts.days")
        con.execute("INSERT INTO marts.large SELECT 100000 + count(*), max(interval_start_utc) FROM marts.large")
    manifest = publish(warehouse, serving, now=NOW)
    assert differing_tables(serving, manifest) == []
    return manifest


def test_the_publication_before_the_last_becomes_the_next_one(warehouse: Warehouse, serving: Path) -> None:
    first = day(warehouse, serving)
    file = (serving / FILE).stat().st_ino
    second = day(warehouse, serving)
    third = day(warehouse, serving)
    assert [m.built_from for m in (first, second, third)] == [None, first.id, first.id]
    assert (serving / FILE).stat().st_ino == file
    assert {f.name for f in (serving.parent / ".published").iterdir()} == {second.id, third.id}


@pytest.mark.parametrize("where", ["another process", "this process", "a hard link"])
def test_a_reader_of_the_publication_before_the_last_keeps_it(
    warehouse: Warehouse, serving: Path, tmp_path: Path, where: str
) -> None:
    day(warehouse, serving)
    file = serving.resolve() / FILE
    if where == "a hard link":
        kept = tmp_path / "backup.duckdb"
        kept.hardlink_to(file)
    elif where == "this process":
        reader = duckdb.connect(str(file), read_only=True)
    else:
        held = subprocess.Popen(
            [sys.executable, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert held.stdout is not None
        assert held.stdout.readline() == "open\n"
    opened = file.stat().st_ino
    second = day(warehouse, serving)
    third = day(warehouse, serving)
    assert third.built_from == second.id
    assert (serving / FILE).stat().st_ino != opened
    if where == "a hard link":
        with duckdb.connect(str(kept), read_only=True) as con:
            assert con.execute(COUNT).fetchall() == [(1,)]
    elif where == "this process":
        assert reader.execute(COUNT).fetchall() == [(1,)]
        reader.close()
    else:
        assert held.communicate()[0] == "[(1,)]\n"


def test_a_damaged_file_is_not_built_upon(warehouse: Warehouse, serving: Path) -> None:
    day(warehouse, serving)
    first = serving.resolve()
    second = day(warehouse, serving)
    with (first / FILE).open("r+b") as file:
        file.seek(-300_000, 2)
        file.write(b"\xff" * 64)
    third = day(warehouse, serving)
    assert third.built_from == second.id
    for folder in (second.id, third.id):
        (serving.parent / ".published" / folder / FILE).write_bytes(b"nothing that can be read")
    assert day(warehouse, serving).built_from is None


def test_a_damaged_manifest_is_written_anew(warehouse: Warehouse, serving: Path) -> None:
    day(warehouse, serving)
    manifest = serving / "manifest.json"
    manifest.write_text(manifest.read_text()[:100])
    assert day(warehouse, serving).built_from is None


def test_what_an_interrupted_publication_took_apart_is_not_missed(
    warehouse: Warehouse, serving: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day(warehouse, serving)
    second = day(warehouse, serving)

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("energy_assets.warehouse.publishing.write_parquet", killed)
        with pytest.raises(KeyboardInterrupt):
            day(warehouse, serving)
    assert differing_tables(serving, second) == []
    assert day(warehouse, serving).built_from == second.id


def test_a_file_with_much_free_room_is_written_anew(
    warehouse: Warehouse, serving: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day(warehouse, serving)
    monkeypatch.setattr("energy_assets.warehouse.published_copy.FREE_BLOCKS", 0)
    monkeypatch.setattr("energy_assets.warehouse.published_copy.FREE_SHARE", -1.0)
    assert day(warehouse, serving).built_from is None
