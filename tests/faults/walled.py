"""Processes that see a small or a read-only file system: mounted for them alone, gone with them.

Belongs here: mounting, and what runs inside. Does not belong here: assertions on it.

`python -m tests.faults.walled full SOURCE MOUNT` runs inside: it loads, publishes and saves a copy of the warehouse
SOURCE on a file system that is full, then again with room, and prints what came of each as JSON. `refill` runs it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from energy_assets.config import load_config
from energy_assets.settings import PROJECT_ROOT
from energy_assets.warehouse import load_sources, publish
from tests.warehouses import DAY, ISSUED_AT, NOW, SCHEMAS, Folder

ALONE = ("unshare", "--user", "--map-root-user", "--mount")


def why_not() -> str | None:
    """Why no file system can be mounted here; None if one can."""
    if shutil.which("unshare") is None:
        return "there is no `unshare`: Linux only"
    tried = subprocess.run(
        [*ALONE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False
    )
    return None if tried.returncode == 0 else f"no file system can be mounted here: {tried.stderr.strip()}"


def run_walled(mounts: str, *command: str | Path, now: datetime = NOW) -> subprocess.CompletedProcess[str]:
    """Runs a command after shell commands that mount."""
    variables = {**os.environ, "ENERGY_CLOCK": now.isoformat(), "PYTHONPATH": str(PROJECT_ROOT)}
    return subprocess.run(
        [*ALONE, "sh", "-c", f'{mounts} && exec "$@"', "sh", sys.executable, "-m", *map(str, command)],
        cwd=PROJECT_ROOT, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _full(source: Path, mount: Path) -> dict[str, object]:
    folder = Folder(source).copy_to(mount / "warehouse")
    ballast, seen = mount / "ballast", dict[str, object]()

    def load() -> object:
        config = load_config(folder.path / "sources.yaml")
        report = load_sources(
            folder.warehouse, config, folder.path, received_at=NOW + DAY, known_until=ISSUED_AT + DAY
        )  # fmt: skip
        return report.frame()["rows_new"].sum()

    def switch() -> object:
        return publish(folder.warehouse, folder.serving, now=NOW + DAY).id

    def tried(what: Callable[[], object]) -> object:
        try:
            return what()
        except Exception as error:
            return f"{type(error).__name__}: {error}".splitlines()[0]

    def fill(leave: int) -> None:
        with ballast.open("wb") as opened:
            opened.truncate(0)
            opened.write(b"\1" * (shutil.disk_usage(mount).free - leave))

    before, published = folder.content(), folder.publication
    fill(leave=100_000)
    seen["load on a full disk"] = tried(load)
    ballast.unlink()
    seen["content after it is that of before"] = folder.content() == before
    seen["load with room"] = tried(load)
    with folder.warehouse.connect() as con:
        con.execute("DELETE FROM monitoring.demand_anomalies")
    fill(leave=1_000_000)
    seen["publication on a full disk"] = tried(switch)
    seen["publication stands"] = folder.publication == published
    seen["files of it"] = len([p for p in folder.serving.rglob("*") if p.is_file()])
    ballast.unlink()
    seen["publication with room"] = tried(switch)
    seen["publication is the new one"] = folder.publication == seen["publication with room"]
    seen["left in .published"] = sorted(p.name[:4] for p in (folder.path / ".published").iterdir() if "tmp" in p.name)
    seen["schemas"] = len({name.split(".")[0] for name in folder.content()}) == len(SCHEMAS)
    return seen


def _refill(source: Path, mount: Path) -> dict[str, object]:
    """A run on what room there is, and one with plenty."""
    folder = Folder(source).copy_to(mount / "warehouse")
    command = [sys.executable, "-m", "energy_assets.cli", "run", "--warehouse", str(folder.path)]
    first = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    subprocess.run(["mount", "-o", "remount,size=50%", str(mount)], check=True)
    second = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    said = first.stderr[-2000:]
    return {"first": first.returncode, "said": said, "second": second.returncode, "content": folder.content()}


if __name__ == "__main__":
    scenario = {"full": _full, "refill": _refill}[sys.argv[1]]
    sys.stdout.write(json.dumps(scenario(Path(sys.argv[2]), Path(sys.argv[3]))))
