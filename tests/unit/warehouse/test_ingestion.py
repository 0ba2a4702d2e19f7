"""Files into raw tables: the ledger, corrections, conflicts, bad files."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from energy_assets.config import WarehouseConfig
from energy_assets.contracts import SCHEMAS
from energy_assets.warehouse import LoadReport, Warehouse, fingerprints, load_sources

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def source(name: str = "homes", path: str = "*.csv", **more: object) -> dict[str, object]:
    return {
        "name": name, "type": "meter_files", "path": path, "timezone": "UTC", "unit": "kWh", "kind": "household",
        "columns": {"timestamp": "time", "meter_id": "meter", "value": "kwh"}, **more,
    }  # fmt: skip


def load(warehouse: Warehouse, *sources: dict[str, object], at: datetime = NOW) -> LoadReport:
    config = WarehouseConfig.model_validate({"sources": list(sources)})
    return load_sources(warehouse, config, warehouse.database.parent, received_at=at, known_until=at)


def write(folder: Path, name: str, *rows: tuple[str, str, object]) -> Path:
    file = folder / name
    file.write_text("time,meter,kwh\n" + "".join(f"{t},{m},{v}\n" for t, m, v in rows))
    os.utime(file, ns=(0, hash(rows) & 0xFFFFFFFF))
    return file


def readings(warehouse: Warehouse) -> list[tuple[object, ...]]:
    return warehouse.frame(
        "SELECT energy_kwh, quality, known_at_utc FROM raw.meter_readings ORDER BY interval_start_utc, known_at_utc"
    ).rows()


def reasons(warehouse: Warehouse) -> list[tuple[str, str]]:
    return warehouse.frame("SELECT reason, message FROM raw.rejected_rows ORDER BY ALL").rows()  # type: ignore[return-value]


def test_loading_twice_changes_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    write(tmp_path, "a.csv", ("2026-03-01 00:00", "m", 1.5), ("2026-03-01 01:00", "m", "x"))
    load(warehouse, source())
    with warehouse.connect(read_only=True) as con:
        before = fingerprints(con, SCHEMAS)
    again = load(warehouse, source(), at=LATER)
    with warehouse.connect(read_only=True) as con:
        assert fingerprints(con, SCHEMAS) == before
    assert again.frame()["outcome"].to_list() == ["unchanged"]
    assert readings(warehouse) == [(1.5, "measured", datetime(2026, 3, 1, 2, tzinfo=UTC))]
    assert [r for r, _ in reasons(warehouse)] == ["not_a_number"]


def test_a_file_that_grows_brings_only_its_new_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    write(tmp_path, "a.csv", ("2026-03-01 00:00", "m", 1.0))
    load(warehouse, source())
    write(tmp_path, "a.csv", ("2026-03-01 00:00", "m", 1.0), ("2026-03-01 01:00", "m", 2.0))
    report = load(warehouse, source(), at=LATER)
    assert report.frame()["rows_new"].to_list() == [1]
    assert [r[0] for r in readings(warehouse)] == [1.0, 2.0]


def test_overlapping_files_that_disagree_make_a_correction_known_from_its_receipt(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    write(tmp_path, "a.csv", ("2026-03-01 00:00", "m", 1.0))
    write(tmp_path, "b.csv", ("2026-03-01 00:00", "m", 7.0), ("2026-03-01 01:00", "m", 2.0))
    load(warehouse, source())
    assert readings(warehouse) == [
        (1.0, "measured", datetime(2026, 3, 1, 2, tzinfo=UTC)),
        (7.0, "corrected", NOW),
        (2.0, "measured", datetime(2026, 3, 1, 3, tzinfo=UTC)),
    ]


def test_a_correction_that_is_taken_back_is_a_third_version(warehouse: Warehouse, tmp_path: Path) -> None:
    for day, value in enumerate((1.0, 7.0, 1.0)):
        write(tmp_path, "a.csv", ("2026-03-01 00:00", "m", value))
        load(warehouse, source(), at=NOW + timedelta(days=day))
    assert [r[0] for r in readings(warehouse)] == [1.0, 7.0, 1.0]


def test_a_missing_value_that_is_filled_later_is_known_from_then(warehouse: Warehouse, tmp_path: Path) -> None:
    write(tmp_path, "a.csv", ("2026-03-01 00:00", "m", "-"), ("2026-03-01 01:00", "m", 2.0))
    load(warehouse, source())
    write(tmp_path, "a.csv", ("2026-03-01 00:00", "m", 1.0), ("2026-03-01 01:00", "m", 2.0))
    load(warehouse, source(), at=LATER)
    assert readings(warehouse)[:2] == [
        (None, "missing", datetime(2026, 3, 1, 2, tzinfo=UTC)),
        (1.0, "measured", LATER),
    ]


def test_cleaned_data_is_known_from_when_it_says_and_repeats_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    write(tmp_path, "raw.csv", ("2026-03-01 00:00", "m", 1.0), ("2026-03-01 01:00", "m", 2.0))
    write(tmp_path, "clean.csv", ("2026-03-01 00:00", "m", 1.0), ("2026-03-01 01:00", "m", 3.0))
    cleaned = source("cleaned", "clean.csv", quality="corrected", known_from="2026-03-05T00:00:00Z")
    load(warehouse, source("reported", "raw.csv"), cleaned)
    assert readings(warehouse) == [
        (1.0, "measured", datetime(2026, 3, 1, 2, tzinfo=UTC)),
        (2.0, "measured", datetime(2026, 3, 1, 3, tzinfo=UTC)),
        (3.0, "corrected", datetime(2026, 3, 5, tzinfo=UTC)),
    ]


def test_two_meters_with_one_id_are_told_apart_and_no_row_is_lost(warehouse: Warehouse, tmp_path: Path) -> None:
    write(tmp_path, "a.csv", ("2026-03-01 00:00", "m", 1.0))
    write(tmp_path, "b.csv", ("2026-03-02 00:00", "m", 9.0), ("2026-03-02 00:00", "n", 2.0))
    load(warehouse, source("homes", "a.csv"), source("works", "b.csv", kind="industrial"))
    assert [r[0] for r in readings(warehouse)] == [1.0, 2.0]
    [(reason, message)] = reasons(warehouse)
    assert reason == "meter_id_conflict"
    assert "meter m is already a household" in message
    assert "meter_id_prefix" in message


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.csv", b"", "empty_file"),
        ("other.csv", b"when,who,what\n2026-03-01,m,1\n", "wrong_columns"),
        ("cut.zip", b"PK\x03\x04 and then nothing", "unreadable_archive"),
        ("cut.csv.gz", b"\x1f\x8b\x08\x00 and then nothing", "unreadable_archive"),
    ],
)
def test_a_bad_file_is_a_rejected_row_once_and_the_others_go_on(
    warehouse: Warehouse, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    write(tmp_path, "good.csv", ("2026-03-01 00:00", "m", 1.0))
    sources = (source("bad", name), source("good", "good.csv"))
    report = load(warehouse, *sources)
    load(warehouse, *sources, at=LATER)
    assert report.frame()["outcome"].to_list() == ["failed", "loaded"]
    [(found, message)] = reasons(warehouse)
    assert found == reason
    assert name in message
    assert len(readings(warehouse)) == 1


def test_a_missing_file_is_a_rejected_row_once(warehouse: Warehouse, tmp_path: Path) -> None:
    for at in (NOW, LATER):
        report = load(warehouse, source("gone", "gone/*.csv"), at=at)
    assert report.frame()["outcome"].to_list() == ["failed"]
    [(reason, message)] = reasons(warehouse)
    assert reason == "missing_file"
    assert "gone/*.csv" in message


def test_a_changed_description_reads_the_file_again(warehouse: Warehouse, tmp_path: Path) -> None:
    write(tmp_path, "a.csv", ("2026-03-01 00:00", "m", 1.0))
    load(warehouse, source())
    report = load(warehouse, source(meters={"m": {"capacity_kw": 9.0}}), at=LATER)
    assert report.frame()["outcome"].to_list() == ["loaded"]
    assert warehouse.frame("SELECT capacity_kw FROM raw.meters")["capacity_kw"].to_list() == [9.0]
    assert len(readings(warehouse)) == 1


def test_every_row_of_the_ledger_counts_up(warehouse: Warehouse, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        write(tmp_path, name, ("2026-03-01 00:00", name[0], 1.0), ("bad", name[0], 1.0))
    load(warehouse, source())
    ledger = warehouse.frame("SELECT load_id, rows, rows_new, rejected_rows FROM raw.load_ledger ORDER BY 1")
    assert ledger["load_id"].to_list() == [1, 2, 3]
    assert ledger.select(pl.exclude("load_id")).unique().rows() == [(2, 2, 1)]  # a reading and its meter are new
