"""A full disk and a folder that cannot be written: one message, and what stood stands."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import Built
from tests.faults.walled import run_walled, why_not
from tests.warehouses import DAY, NOW, Folder, differences

WHY_NOT = why_not()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")
SOAK = int(os.environ.get("ENERGY_SOAK_KILLS", "3")) > 3
MEGABYTE = 1_000_000


def size(folder: Folder) -> int:
    """Bytes that the folder takes."""
    return sum(p.lstat().st_size for p in folder.path.rglob("*"))


def test_a_load_and_a_publication_on_a_full_disk_leave_what_stood_and_go_on_with_room(
    built: Built, tmp_path: Path
) -> None:
    room = size(built.folder) + 60 * MEGABYTE
    done = run_walled(
        f"mount -t tmpfs -o size={room} tmpfs '{tmp_path}'", "tests.faults.walled", "full", built.folder.path, tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert "No space left on device" in seen["load on a full disk"]
    assert seen["content after it is that of before"]
    assert seen["load with room"] > 0
    assert "No space left on device" in seen["publication on a full disk"]
    assert seen["publication stands"]
    assert seen["files of it"] > 20
    assert seen["publication is the new one"]
    assert seen["left in .published"] == []
    assert seen["schemas"]


def test_a_run_on_a_full_disk_says_so(built: Built, tmp_path: Path) -> None:
    room = size(built.folder) + 30 * MEGABYTE
    done = run_walled(
        f"mount -t tmpfs -o size={room} tmpfs '{tmp_path}' && cp -a '{built.folder.path}' '{tmp_path}/w' && "
        f"{{ cat /dev/zero > '{tmp_path}/ballast' 2>/dev/null || true; }}",
        "energy_assets.cli", "run", "--warehouse", tmp_path / "w",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr[-3000:]
    assert done.stderr.startswith("Error: the disk of ")
    assert "free some and run again" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_said_and_can_still_be_read_and_copied(
    copied: Folder, tmp_path: Path
) -> None:
    mounts = f"mount --bind '{copied.path}' '{copied.path}' && mount -o remount,bind,ro '{copied.path}'"
    run = run_walled(mounts, "energy_assets.cli", "run", "--warehouse", copied.path)
    assert run.returncode == 1
    assert run.stderr == (
        f"Error: {copied.path} cannot be written; get write access, or copy the folder to where you have it\n"
    )
    doctor = run_walled(mounts, "energy_assets.cli", "doctor", "--checksums", "--warehouse", copied.path)
    assert [line for line in doctor.stdout.splitlines() if line.startswith("FAIL")] == [
        f"FAIL  folder: {copied.path} is not writable"
    ]
    backup = run_walled(mounts, "energy_assets.cli", "backup", "--warehouse", copied.path, tmp_path / "backup")
    assert backup.returncode == 0, backup.stderr


@pytest.mark.skipif(not SOAK, reason="takes minutes: part of `make soak`")
@pytest.mark.parametrize("room", [2, 6, 15])
def test_a_run_that_fills_the_disk_goes_on_when_there_is_room(
    built: Built, next_day: Built, tmp_path: Path, room: int
) -> None:
    whole = size(built.folder) + room * MEGABYTE
    done = run_walled(
        f"mount -t tmpfs -o size={whole} tmpfs '{tmp_path}'", "tests.faults.walled", "refill",
        built.folder.path, tmp_path,
        now=NOW + DAY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert seen["first"] == 1, seen["said"]
    assert "Error: " in seen["said"]
    assert "disk" in seen["said"].rpartition("Error: ")[2]
    assert seen["second"] == 0, seen["said"]
    assert differences(next_day.folder.content(), seen["content"]) == {}
