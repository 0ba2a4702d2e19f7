"""Input that is right and still odd: late, doubled, renamed, with a new column, under a clock that steps."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from energy_assets.config import WarehouseConfig
from energy_assets.warehouse import LoadReport, Warehouse, fingerprint, load_sources

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SOURCE = {
    "name": "homes", "type": "meter_files", "path": "in/*", "timezone": "UTC", "unit": "kWh", "kind": "household",
    "columns": {"timestamp": "time", "meter_id": "meter", "value": "kwh"},
}  # fmt: skip


def load(warehouse: Warehouse, at: datetime = NOW, **more: object) -> LoadReport:
    config = WarehouseConfig.model_validate({"sources": [{**SOURCE, **more}]})
    return load_sources(warehouse, config, warehouse.database.parent, received_at=at, known_until=at)


def write(
    folder: Path, name: str, meters: Iterable[str], first: datetime, days: int,
    kwh: Callable[[datetime], float] = lambda at: 1 + at.hour / 10,
) -> Path:  # fmt: skip
    """A file with the hours of some days."""
    times = [first + n * HOUR for n in range(24 * days)]
    lines = [f"{t:%Y-%m-%dT%H:%M:%SZ},{m},{kwh(t)}" for m in meters for t in times]
    (folder / "in").mkdir(exist_ok=True)
    file = folder / "in" / name
    file.write_text("\n".join(["time,meter,kwh", *lines]) + "\n")
    return file


def content(warehouse: Warehouse) -> str:
    """Fingerprint of the readings."""
    with warehouse.connect(read_only=True) as con:
        return fingerprint(con, "raw.meter_readings")


def one(warehouse: Warehouse, sql: str) -> tuple[object, ...]:
    """The only row of a query."""
    [row] = warehouse.frame(sql).rows()
    return tuple(row)


def test_a_copy_of_every_file_brings_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    write(tmp_path, "a.csv", ["m1", "m2"], START, 20)
    write(tmp_path, "b.csv", ["m1", "m2"], START + 20 * DAY, 20)
    load(warehouse)
    before = content(warehouse)
    for file in sorted((tmp_path / "in").iterdir()):
        (file.parent / f"copy of {file.name}").write_bytes(file.read_bytes())
        (file.parent / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    report = load(warehouse, NOW + DAY).frame()
    assert sorted(report["outcome"]) == ["loaded"] * 4 + ["unchanged"] * 2
    assert report["rows_new"].sum() == 0
    assert content(warehouse) == before
    assert one(warehouse, "SELECT count(*) FROM raw.rejected_rows") == (0,)


def test_a_month_of_late_data_in_one_go_comes_in_whole_and_touches_nothing_else(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    write(tmp_path, "early.csv", ["m"], START, 15)
    write(tmp_path, "new.csv", ["m"], START + 45 * DAY, 15)
    load(warehouse)
    there = "SELECT count(*), sum(hash(interval_start_utc, energy_kwh, known_at_utc)::HUGEINT)::VARCHAR FROM "
    before = one(warehouse, f"{there} raw.meter_readings")
    write(tmp_path, "late.csv", ["m"], START + 15 * DAY, 30)
    report = load(warehouse, NOW + DAY).frame().filter(path="in/late.csv")
    assert report["rows_new"].to_list() == [30 * 24]
    late = "interval_start_utc BETWEEN '2026-01-16 00:00Z' AND '2026-02-14 23:00Z'"
    assert one(warehouse, f"{there} (FROM raw.meter_readings WHERE NOT {late})") == before
    counted = one(
        warehouse, f"SELECT count(DISTINCT interval_start_utc), count(*) FROM raw.meter_readings WHERE {late}"
    )
    assert counted == (720, 720)
    newest, oldest = one(
        warehouse, f"SELECT min(load_id) FILTER ({late}), max(load_id) FILTER (NOT {late}) FROM raw.meter_readings"
    )
    assert isinstance(newest, int)
    assert isinstance(oldest, int)
    assert newest > oldest  # by which the marts find it


def test_a_meter_by_a_new_name_is_a_new_meter_and_the_old_one_keeps_its_history(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    write(tmp_path, "a.csv", ["old name", "other"], START, 30)
    load(warehouse)
    write(tmp_path, "b.csv", ["new name", "other"], START + 30 * DAY, 3)
    load(warehouse, NOW + DAY)
    found = warehouse.frame(
        "SELECT meter_id, count(*), min(interval_start_utc)::DATE::VARCHAR FROM raw.meter_readings "
        "GROUP BY meter_id ORDER BY meter_id"
    ).rows()
    assert found == [("new name", 72, "2026-01-31"), ("old name", 720, "2026-01-01"), ("other", 792, "2026-01-01")]
    assert one(warehouse, "SELECT count(*) FROM raw.meters") == (3,)


def test_a_column_that_is_new_upstream_changes_nothing_of_the_others(warehouse: Warehouse, tmp_path: Path) -> None:
    write(tmp_path, "a.csv", ["m"], START, 2)
    load(warehouse)
    before = content(warehouse)
    lines = (tmp_path / "in" / "a.csv").read_text().splitlines()
    wider = ["voltage,kwh,note,time,meter"] + [
        f"230.1,{kwh},x,{time},{meter}" for time, meter, kwh in (line.split(",") for line in lines[1:])
    ]
    (tmp_path / "in" / "a.csv").write_text("\n".join(wider) + "\n")
    report = load(warehouse, NOW + DAY).frame()
    assert report.select("outcome", "rows", "rows_new", "rejected").rows() == [("loaded", 48, 0, 0)]
    assert content(warehouse) == before


def test_a_column_that_is_gone_upstream_is_a_rejected_file_that_says_which(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    write(tmp_path, "a.csv", ["m"], START, 2)
    load(warehouse)
    before = content(warehouse)
    (tmp_path / "in" / "a.csv").write_text("time,meter,energy\n2026-01-01T00:00:00Z,m,1.0\n")
    assert load(warehouse, NOW + DAY).frame()["outcome"].to_list() == ["failed"]
    assert content(warehouse) == before
    assert "kwh" in str(one(warehouse, "SELECT message FROM raw.rejected_rows"))


def test_the_newest_word_stands_although_the_clock_was_put_back(warehouse: Warehouse, tmp_path: Path) -> None:
    for said, at in ((1.0, NOW), (2.0, NOW + DAY), (3.0, NOW - DAY), (4.0, NOW + 2 * DAY)):
        write(tmp_path, "a.csv", ["m"], START, 1, lambda _, said=said: said)
        load(warehouse, at)
        newest = one(
            warehouse,
            "SELECT DISTINCT arg_max(energy_kwh, known_at_utc) FROM raw.meter_readings GROUP BY interval_start_utc",
        )
        assert newest == (said,), f"received at {at}"
    loads = warehouse.frame("SELECT load_id FROM raw.load_ledger ORDER BY rowid")["load_id"].to_list()
    assert loads == sorted(set(loads))
