"""Backups taken while a warehouse is in use: as of one instant, complete, checked, and whole or not there."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from energy_assets.backup import BackupError, back_up, restore
from energy_assets.settings import Settings
from tests.conftest import Built
from tests.faults.damage import command, flip, flip_table
from tests.faults.reader import read_once
from tests.warehouses import DAY, NOW, Folder, differences

SOAK = int(os.environ.get("ENERGY_SOAK_KILLS", "3")) > 3
# Appends a row to each of two tables per transaction, as fast as it can, until a file says stop.
WRITER = """
import sys, time
from pathlib import Path
from energy_assets.warehouse import Warehouse
warehouse, stop, number = Warehouse(Path(sys.argv[1]), threads=1), Path(sys.argv[2]), 0
while not stop.exists():
    number += 1
    with warehouse.transaction() as con:
        for table in ("left_hand", "right_hand"):
            con.execute(f"CREATE TABLE IF NOT EXISTS raw.{table} (number BIGINT, filling VARCHAR)")
            con.execute(f"INSERT INTO raw.{table} SELECT ?, repeat('x', i::INTEGER) FROM range(2000) r(i)", [number])
    print(number, flush=True)
    time.sleep(0.01)
"""


def backed_up(folder: Folder, target: Path) -> Path:
    """A backup of the folder at `target`."""
    with folder.environment():
        back_up(Settings(), target)
    return target


def restored(backup: Path, path: Path) -> Folder:
    """The backup as a warehouse."""
    folder = Folder(path)
    with folder.environment():
        restore(backup, Settings())
    return folder


def test_a_backup_brings_back_all_that_the_folder_holds(built: Built, copied: Folder, tmp_path: Path) -> None:
    (copied.path / "landing" / "deep").mkdir(parents=True)
    (copied.path / "landing" / "deep" / "file.csv").write_text("t,v\n")
    (copied.path / "landing" / "elsewhere.csv").symlink_to("/nowhere/at/all.csv")
    (copied.path / "feedback.key").write_bytes(b"secret")
    (copied.path / "feedback.key").chmod(0o600)
    said = command(copied, "backup", str(tmp_path / "backup"))
    assert said.exit_code == 0, said.output
    folder = Folder(tmp_path / "again")
    said = command(folder, "restore", str(tmp_path / "backup"))
    assert said.exit_code == 0, said.output
    assert differences(built.folder.content(), folder.content()) == {}
    assert read_once(folder.serving) == built.folder.publication
    assert (folder.path / "landing" / "deep" / "file.csv").read_text() == "t,v\n"
    assert (folder.path / "landing" / "elsewhere.csv").readlink() == Path("/nowhere/at/all.csv")
    assert (folder.path / "feedback.key").stat().st_mode & 0o777 == 0o600
    built_with = Path(".dbt") / "built_with.json"
    assert (folder.path / built_with).read_bytes() == (copied.path / built_with).read_bytes(), "else all is built anew"
    said = command(folder, "doctor", "--checksums")
    assert said.exit_code == 0, said.output


def test_a_backup_beside_a_writer_is_of_one_instant_and_the_writer_goes_on(copied: Folder, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    command_line = [sys.executable, "-c", WRITER, copied.path / "energy.duckdb", stop]
    with subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        before = int(writer.stdout.readline())
        made = [backed_up(copied, tmp_path / f"backup{n}") for n in range(3)]
        stop.touch()
        last = int(writer.stdout.read().split()[-1])
    assert writer.returncode == 0
    reached = []
    for number, backup in enumerate(made):
        folder = restored(backup, tmp_path / f"again{number}")
        hands = [
            folder.rows(f"SELECT count(DISTINCT number), max(number), count(*) FROM raw.{hand}_hand")
            for hand in ("left", "right")
        ]
        assert hands[0] == hands[1]
        [(distinct, newest, rows)] = hands[0]
        assert isinstance(newest, int)
        assert (distinct, rows) == (newest, 2000 * newest)
        reached.append(newest)
    assert before <= reached[0] < reached[1] < reached[2] <= last


def test_a_backup_is_there_whole_or_not_at_all(copied: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("energy_assets.backup.shutil.copytree", full)
    with pytest.raises(BackupError, match=r"No space left on device.*no backup was made"):
        backed_up(copied, tmp_path / "backup")
    assert [p.name for p in tmp_path.iterdir()] == ["warehouse"]


def test_a_damaged_warehouse_makes_no_backup_that_looks_sound(copied: Folder, tmp_path: Path) -> None:
    flip_table(copied, "raw.meter_readings")
    said = command(copied, "backup", str(tmp_path / "backup"))
    assert said.exit_code == 1
    assert "is damaged (raw.meter_readings" in said.stderr
    assert not (tmp_path / "backup").exists()


def test_a_damaged_backup_is_told_and_restores_nothing(copied: Folder, tmp_path: Path) -> None:
    backup = backed_up(copied, tmp_path / "backup")
    flip(backup / "warehouse" / "energy.duckdb")
    said = command(Folder(tmp_path / "again"), "restore", str(backup))
    assert said.exit_code == 1
    assert "1 of " in said.stderr
    assert "energy.duckdb is changed" in said.stderr
    assert not (tmp_path / "again").exists()


def test_a_folder_in_use_is_never_overwritten(copied: Folder, tmp_path: Path) -> None:
    backup = backed_up(copied, tmp_path / "backup")
    before = copied.publication
    said = command(copied, "restore", str(backup))
    assert said.exit_code == 1
    assert "is not empty" in said.stderr
    assert copied.publication == before
    assert "is there already" in command(copied, "backup", str(backup)).stderr
    assert "belongs elsewhere" in command(copied, "backup", str(copied.path / "backup")).stderr


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/outside.txt", "landing/../../outside.txt"])
def test_a_backup_that_names_files_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "backup").mkdir()
    note = {"taken_at_utc": NOW.isoformat(), "files": {name: "0" * 64}, "links": {}}
    (tmp_path / "backup" / "backup.json").write_text(json.dumps(note))
    with pytest.raises(BackupError, match="does not lie in a warehouse"):
        restored(tmp_path / "backup", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_what_is_no_backup_is_told(copied: Folder, tmp_path: Path) -> None:
    said = command(Folder(tmp_path / "again"), "restore", str(copied.path))
    assert said.exit_code == 1
    assert "is no backup: backup.json cannot be read" in said.stderr
    empty = Folder.make(tmp_path / "empty")
    assert "is not there yet" in command(empty, "backup", str(tmp_path / "backup")).stderr


@pytest.mark.skipif(not SOAK, reason="takes minutes: part of `make soak`")
@pytest.mark.parametrize("moment", range(3))
def test_a_backup_taken_during_a_run_goes_on_to_the_content_of_an_undisturbed_run(
    next_day: Built, copied: Folder, tmp_path: Path, moment: int
) -> None:
    process = copied.spawn(now=NOW + DAY)
    assert process.stderr is not None
    steps = [line for line in next_day.said.splitlines() if line.startswith("  > ")]
    wanted = random.Random(moment).choice(steps)
    alarm = threading.Timer(900, os.killpg, (process.pid, signal.SIGKILL))
    alarm.start()
    for line in process.stderr:
        if line.rstrip() == wanted:
            break
    drain = threading.Thread(target=process.stderr.read)
    drain.start()
    backup = backed_up(copied, tmp_path / "backup")
    drain.join()
    assert process.wait() == 0
    process.stderr.close()
    alarm.cancel()
    folder = restored(backup, tmp_path / "again")
    read_once(folder.serving)
    folder.run_apart(now=NOW + DAY)
    for made in (copied, folder):
        assert differences(next_day.folder.content(), made.content()) == {}


def test_the_working_file_of_a_backup_opens_by_itself(copied: Folder, tmp_path: Path) -> None:
    backup = backed_up(copied, tmp_path / "backup")
    con = duckdb.connect(str(backup / "warehouse" / "energy.duckdb"), read_only=True)
    try:
        assert con.execute("SELECT count(*) > 0 FROM raw.meter_readings").fetchall() == [(True,)]
    finally:
        con.close()
