"""What the doctor finds, and what it advises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from energy_assets import doctor
from energy_assets.doctor import Finding, examine
from energy_assets.settings import Settings
from tests.conftest import Built
from tests.warehouses import SMALL, Folder

FILES = {"name": "homes", "type": "meter_files", "path": "homes.csv", "meter_id": "m",
         "columns": {"timestamp": "t", "value": "v"}}  # fmt: skip


def findings(folder: Folder) -> dict[str, Finding]:
    """By subject."""
    with folder.environment():
        return {finding.subject: finding for finding in examine(Settings())}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A new warehouse with a source of files that are not there."""
    return Folder.make(tmp_path / "warehouse", {**SMALL, "sources": [*SMALL["sources"], FILES]})


def test_a_new_warehouse_lacks_nothing_but_its_files(folder: Folder) -> None:
    found = findings(folder)
    missing = found.pop("source homes")
    assert not missing.healthy
    assert "homes.csv" in missing.said
    assert "path" in missing.remedy
    found.pop("dbt manifest", None)
    assert [f for f in found.values() if not f.healthy] == []
    (folder.path / "homes.csv").write_text("t,v\n")
    assert findings(folder)["source homes"].said == "1 files"


def test_every_unhealthy_finding_has_a_remedy(tmp_path: Path) -> None:
    found = findings(Folder(tmp_path / "nowhere"))
    assert not found["folder"].healthy
    assert not found["sources.yaml"].healthy
    assert all(f.remedy for f in found.values() if not f.healthy)


def test_a_working_file_that_another_process_holds_is_named(folder: Folder) -> None:
    with folder.warehouse.connect() as con:
        con.execute("CREATE TABLE t (n INTEGER)")
    assert findings(folder)["working file"].healthy
    code = (
        f"import duckdb; con = duckdb.connect({str(folder.warehouse.database)!r}); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        held = findings(folder)["working file"]
        holder.communicate("\n")
    assert not held.healthy
    assert f"process {holder.pid}" in held.said
    assert findings(folder)["working file"].healthy


def test_packages_outside_their_bounds_are_named(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "requires", lambda name: ["polars>=99", "no-such-package", "click>=8"])
    with folder.environment():
        said = [f.said for f in examine(Settings()) if f.subject == "packages"]
    assert len(said) == 2
    assert said[0].startswith("polars 2")
    assert ">=99 wanted" in said[0]
    assert said[1] == "no-such-package is missing"


def test_a_full_disk_is_told(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FREE_GB", 1e9)
    assert not findings(folder)["disk"].healthy


def test_a_built_warehouse_is_healthy_and_a_broken_publication_is_not(built: Built, copied: Folder) -> None:
    assert [f for f in findings(built.folder).values() if not f.healthy] == []
    (copied.serving / "energy.duckdb").unlink()
    broken = findings(copied)["published copy"]
    assert not broken.healthy
    assert "1 files are missing" in broken.said
