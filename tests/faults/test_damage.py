"""Damage: found by checksum, mended from what is sound, said; what cannot be mended is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from energy_assets.warehouse import Warehouse, current_manifest
from energy_assets.warehouse.soundness import damaged_files, published_checksums, unreadable_tables
from tests.conftest import Built
from tests.faults.damage import command, cut, flip, flip_table, mended
from tests.faults.reader import read_once
from tests.warehouses import DAY, NOW, Folder, differences

SOAK = int(os.environ.get("ENERGY_SOAK_KILLS", "3")) > 3
KEPT = ("raw", "features", "forecasts", "flexibility", "monitoring")
SAID_BY_MODELS = ("forecasts", "flexibility", "monitoring")


def artefact(folder: Folder, kind: str) -> Path:
    """The artefact of the kind's champion."""
    [found] = (folder.path / "models" / f"demand_blend_{kind}").glob("*/model.json")
    return found


def test_a_sound_warehouse_passes_and_repair_leaves_it_as_it_is(copied: Folder) -> None:
    before = {p: p.stat().st_mtime_ns for p in copied.path.rglob("*.parquet")}
    said = command(copied, "doctor", "--repair")
    assert said.exit_code == 0, said.output
    assert "mend" not in said.output
    assert "blocks of the working file: all can be read" in said.output
    assert before == {p: p.stat().st_mtime_ns for p in copied.path.rglob("*.parquet")}


def test_damage_of_each_kind_is_found_by_checksum_and_has_a_remedy(copied: Folder) -> None:
    flip_table(copied, "marts.fct_demand_hourly")
    flip(artefact(copied, "zone"))
    cut(next((copied.serving / "parquet" / "marts").rglob("*.parquet")))
    flip(copied.path / ".dagster" / "history" / "runs.db", at=0.0)
    said = command(copied, "doctor", "--checksums")
    assert said.exit_code == 1
    failed = [line for line in said.output.splitlines() if line.startswith("FAIL")]
    for subject in ("blocks of the working file", "published files", "model artefacts", "history of runs"):
        assert sum(subject in line for line in failed) == 1, said.output
    assert said.output.count("-> energy-assets doctor --repair") == 4


def test_a_changed_and_a_lost_artefact_are_made_again_to_the_bit(built: Built, copied: Folder) -> None:
    flip(artefact(copied, "zone"))
    artefact(copied, "household").unlink()
    said = mended(copied)
    assert len(said) == 2
    assert all("the same file to the bit" in line for line in said)
    for kind in ("zone", "household"):
        assert next((copied.path / "models" / f"demand_blend_{kind}").glob("*/model.json")).read_bytes() == artefact(
            built.folder, kind
        ).read_bytes()  # fmt: skip


def test_an_artefact_whose_history_has_changed_is_not_replaced_by_another_model(copied: Folder) -> None:
    damaged = artefact(copied, "zone")
    flip(damaged)
    content = damaged.read_bytes()
    settings = copied.path / "sources.yaml"
    settings.write_text(settings.read_text().replace("training_days: 60", "training_days: 30"))
    [said] = mended(copied)
    assert "cannot be made again" in said
    assert damaged.read_bytes() == content
    assert command(copied, "doctor", "--checksums").exit_code == 1


def test_a_damaged_publication_is_published_anew_from_the_working_file(built: Built, copied: Folder) -> None:
    flip(copied.serving / "energy.duckdb")
    cut(next((copied.serving / "parquet" / "reporting").rglob("*.parquet")))
    with (copied.serving / "manifest.json").open("rb") as held:  # a reader that has it open
        [said] = mended(copied)
        assert held.read()
    assert "published anew" in said
    assert read_once(copied.serving) == built.folder.publication
    manifest = current_manifest(copied.serving)
    assert manifest is not None
    assert damaged_files(copied.serving, published_checksums(manifest)) == {}
    assert [p.name for p in (copied.path / ".published").iterdir()] == [copied.publication]


@pytest.mark.parametrize("what", ["cut", "gone"])
def test_a_publication_without_a_manifest_is_published_anew(built: Built, copied: Folder, what: str) -> None:
    manifest = copied.serving / "manifest.json"
    manifest.write_text(manifest.read_text()[:100]) if what == "cut" else manifest.unlink()
    said = command(copied, "doctor")
    assert "published copy: its manifest is missing or cannot be read" in said.output
    assert len(mended(copied)) == 1
    assert read_once(copied.serving) == built.folder.publication


def test_a_working_file_that_cannot_be_opened_is_begun_anew_with_what_was_published(
    built: Built, copied: Folder
) -> None:
    flip(copied.path / "energy.duckdb", at=0.0)
    refused = copied.refused()
    assert "energy-assets doctor --repair" in refused
    said = mended(copied)
    [kept] = copied.path.glob("energy.duckdb.damaged-*")
    assert kept.stat().st_size == (built.folder.path / "energy.duckdb").stat().st_size
    assert any("the next run loads every source again" in line for line in said)
    assert any("raw.feedback: empty" in line for line in said)
    lost = differences(built.folder.content(*SAID_BY_MODELS), copied.content(*SAID_BY_MODELS))
    assert lost == {}
    assert unreadable_tables(copied.warehouse) == {}
    assert copied.rows("SELECT count(*) FROM raw.meter_readings") == [(0,)]


def test_rows_of_the_newest_bytes_that_a_power_cut_took_are_found_missing(copied: Folder) -> None:
    cut(copied.path / "energy.duckdb", to=0.7)
    # the catalogue may have been among them, then it is the whole file: `flip_table` tells of single tables
    assert unreadable_tables(copied.warehouse) != {}
    assert command(copied, "doctor", "--checksums").exit_code == 1


def test_all_that_was_written_after_the_working_file_may_be_cut_off(built: Built, copied: Folder) -> None:
    files = [p for p in copied.path.rglob("*") if p.is_file() and not p.is_symlink()]
    written = (copied.path / "energy.duckdb").stat().st_mtime_ns
    newest = [p for p in files if p.stat().st_mtime_ns > written]
    named = {p.name for p in newest}
    assert {"manifest.json", "runs.db", "energy.duckdb"} < named
    assert sum(p.suffix == ".parquet" for p in newest) > 20
    for file in newest:
        cut(file)
    said = mended(copied)
    assert sum("published anew" in line for line in said) == 1
    assert sum("history of runs: " in line for line in said) == 1
    assert read_once(copied.serving) == built.folder.publication
    assert differences(built.folder.content(), copied.content()) == {}
    assert command(copied, "doctor", "--checksums").exit_code == 0


def test_a_log_cut_off_by_a_power_cut_loses_whole_transactions_and_no_half_ones(warehouse: Warehouse) -> None:
    code = f"""
import duckdb, os, signal
con = duckdb.connect({str(warehouse.database)!r})
con.execute("CREATE TABLE parts (load INTEGER, row INTEGER)")
con.execute("CHECKPOINT")
for load in range(20):
    con.execute(f"INSERT INTO parts SELECT {{load}}, i FROM range(500) r(i)")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    cut(Path(f"{warehouse.database}.wal"), to=0.6)
    with warehouse.connect() as con:
        loads = con.execute("SELECT load, count(*) FROM parts GROUP BY 1 ORDER BY 1").fetchall()
    assert 0 < len(loads) < 20
    assert loads == [(load, 500) for load in range(len(loads))]


def test_repair_keeps_what_a_killed_process_had_committed(copied: Folder) -> None:
    code = f"""
import duckdb, os, signal
con = duckdb.connect({str(copied.path / "energy.duckdb")!r})
con.execute("CREATE TABLE raw.committed AS SELECT 7 AS number")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert (copied.path / "energy.duckdb.wal").exists()
    flip_table(copied, "marts.fct_demand_hourly")
    assert mended(copied)
    assert unreadable_tables(copied.warehouse) == {}
    assert copied.rows("SELECT number FROM raw.committed") == [(7,)]


def test_a_damaged_history_of_runs_is_kept_aside_and_begun_anew(copied: Folder) -> None:
    flip(copied.path / ".dagster" / "history" / "runs.db", at=0.0)
    [said] = mended(copied)
    assert "history of runs: runs.db was damaged" in said
    assert list(copied.path.glob(".dagster.damaged-*/history/runs.db"))
    assert command(copied, "doctor", "--checksums").exit_code == 0


def test_a_damaged_raw_table_is_loaded_again_and_a_run_makes_forecasts_and_readings_as_before(
    built: Built, copied: Folder
) -> None:
    flip_table(copied, "raw.meter_readings")
    flip(artefact(copied, "zone"))
    said = mended(copied)
    assert any("the next run loads every source again" in line for line in said)
    told = copied.run()
    assert "trained again on the same history, the same file to the bit" in told
    # in the marts the detectors' newest decisions count, which wait for the next load: it has come, if with nothing new
    differs = differences(built.folder.content(*KEPT), copied.content(*KEPT))
    assert set(differs) == {"raw.load_ledger"}  # which tells of the repair
    assert command(copied, "doctor", "--checksums").exit_code == 0


@pytest.mark.skipif(not SOAK, reason="takes minutes: part of `make soak`")
def test_a_day_after_a_raw_table_was_loaded_again_all_is_as_if_nothing_had_happened(
    next_day: Built, copied: Folder
) -> None:
    flip_table(copied, "raw.meter_readings")
    flip(copied.path / ".dagster" / "history" / "runs.db", at=0.0)
    assert len(mended(copied)) > 2
    copied.run()
    copied.run(now=NOW + DAY)
    assert set(differences(next_day.folder.content(), copied.content())) == {"raw.load_ledger"}


@pytest.mark.skipif(not SOAK, reason="takes minutes: part of `make soak`")
def test_a_working_file_begun_anew_is_as_before_after_a_run(built: Built, copied: Folder) -> None:
    flip(copied.path / "energy.duckdb", at=0.0)
    mended(copied)
    copied.run()
    assert set(differences(built.folder.content(), copied.content())) == {"raw.load_ledger"}
