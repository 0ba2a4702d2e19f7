"""What Dagster and the programs around it cost: a run less its work, and the start of code location and UI.

Belongs here: the small warehouse of the tests, where work is little and the rest shows. Does not belong here: stages.

The work of a run is what its steps take when nobody orchestrates: Python steps by their own clock, dbt by that of its
models and tests. What is left is start-up, imports, dbt's start, events and metadata.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from energy_assets.settings import PROJECT_ROOT
from tests.bench.measuring import Measured, environment, measure
from tests.bench.results import Row
from tests.bench.scale import command
from tests.warehouses import DAY, NOW, SMALL, Folder

PER_ASSET_S, LOCATION_S = 1.5, 8.0
LOADED = '{"query": "{ repositoriesOrError { __typename ... on RepositoryConnection { nodes { name } } } }"}'


def overhead(root: Path) -> Iterator[Row]:
    """Run time of the whole job `daily`, in process, less the work itself, per asset."""
    folder = Folder.make(root / "orchestrated", SMALL)
    shared = {"group": "Around the work", "command": command("--only around")}
    for name, now in (("first run", NOW), ("next day's run", NOW + DAY)):
        sys.stderr.write(f"  {name}\n")
        done = measure(f"job daily, {name}, small warehouse", ["-m", "tests.bench.orchestration"], folder.path, now)
        yield Row.of(done, **shared)
        assets = done.models["assets"]
        yield Row(
            f"orchestration per asset, {name}", (done.wall_s - done.models["work_s"]) / assets, None, PER_ASSET_S,
            note=f"{assets:.0f} assets in {done.models['steps']:.0f} steps; {done.models['work_s']:.1f} s of work",
            **shared,
        )  # fmt: skip


def starts(root: Path) -> Iterator[Row]:
    """Import and definitions of the code location; the UI from its command to the first answer that names it."""
    folder = Folder.make(root / "started", SMALL).path
    shared = {"group": "Around the work", "command": command("--only around")}
    code = "from energy_assets.definitions import definitions; definitions()"
    prepare = "from energy_assets.running import prepare; from energy_assets.settings import Settings"
    measure("set-up", ["-c", f"{prepare}; prepare(Settings()); {code}"], folder, NOW)  # dbt parses once per warehouse
    yield Row.of(measure("code location loads", ["-c", code], folder, NOW), target=LOCATION_S, **shared)
    yield Row.of(_ui(folder), target=LOCATION_S, **shared)


def _ui(folder: Path) -> Measured:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    program = str(Path(sys.executable).with_name("dagster-webserver"))
    process = subprocess.Popen(
        [program, "-w", str(PROJECT_ROOT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)], cwd=PROJECT_ROOT,
        env=environment(folder, NOW), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not _answers(port):
            if process.poll() is not None or time.monotonic() - began > 120:
                raise RuntimeError("the UI ended, or did not load its code location within two minutes")
            time.sleep(0.1)
        return Measured("UI answers with its code location", time.monotonic() - began, 0.0, 0.0)
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", data=LOADED.encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)["data"]["repositoriesOrError"]
    except OSError:
        return False
    return bool(found.get("nodes"))


def main() -> None:
    """Runs the job `daily` of the environment's warehouse; prints its seconds and those of its work."""
    argparse.ArgumentParser(prog="tests.bench.orchestration", description=__doc__).parse_args()
    began = time.monotonic()
    import dagster as dg

    from energy_assets.defs.issues import PARTITION
    from energy_assets.running import prepare
    from energy_assets.schedule import latest_issue_date
    from energy_assets.settings import Settings

    settings = Settings()
    prepare(settings)
    from energy_assets.definitions import definitions

    day = latest_issue_date(settings.now(), 9, str(SMALL["market"]["timezone"])).isoformat()
    repository = definitions().get_repository_def()
    log = settings.dbt_target / "dbt.log"
    since = log.stat().st_size if log.exists() else 0
    with dg.DagsterInstance.get() as instance:
        result = repository.get_job("daily").execute_in_process(
            instance=instance, partition_key=day, tags={PARTITION: day}, run_config={"loggers": {"console": {}}}
        )
    wall = time.monotonic() - began
    steps = {e.step_key: e.event_specific_data.duration_ms / 1000 for e in result.all_events if e.is_step_success}
    assets = {e.asset_key for e in result.all_events if e.is_step_materialization}
    python = sum(seconds for step, seconds in steps.items() if not step.startswith("dbt_"))
    work = python + sum(_dbt_seconds(log, since))
    said: dict[str, Any] = {
        "wall_s": wall, "cpu_s": sum(os.times()[:4]),
        "models": {"work_s": work, "assets": len(assets), "steps": len(steps)},
    }  # fmt: skip
    sys.stdout.write(json.dumps(said) + "\n")


def _dbt_seconds(log: Path, since: int) -> Iterator[float]:
    """Of dbt's models and tests, as its log says from a byte on; its results are overwritten by the next call."""
    with log.open("rb") as opened:
        opened.seek(since if since <= log.stat().st_size else 0)  # a log that is full is begun anew
        lines = opened.read().decode().splitlines()
    for line in lines:
        if '"name": "NodeFinished"' in line:
            yield float(json.loads(line)["data"]["run_result"]["execution_time"])


if __name__ == "__main__":
    main()
