"""Wall and CPU seconds and peak memory of a piece of work in a process of its own, its children included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from energy_assets.settings import PROJECT_ROOT


@dataclass(frozen=True)
class Measured:
    """What a piece of work took; `models` are the seconds of dbt's models, where it is of dbt."""

    name: str
    wall_s: float
    cpu_s: float
    peak_mb: float
    note: str = ""
    models: Mapping[str, float] = field(default_factory=dict)

    def called(self, name: str, note: str | None = None) -> Measured:
        """The same under another name, with another note if one is given."""
        return replace(self, name=name, note=self.note if note is None else note)


class Memory(threading.Thread):
    """Watches the resident memory of a process and its children; `peak` is the largest sum seen, in bytes."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process, self.peak, self._ended = psutil.Process(pid), 0, threading.Event()

    def run(self) -> None:
        """Looks ten times a second."""
        while not self._ended.wait(0.1):
            total = 0
            try:
                for process in [self._process, *self._process.children(recursive=True)]:
                    try:
                        total += process.memory_info().rss
                    except psutil.NoSuchProcess:
                        continue
            except psutil.NoSuchProcess:
                return
            self.peak = max(self.peak, total)

    def end(self) -> None:
        """Stops looking."""
        self._ended.set()
        self.join()


def measure(
    name: str, command: list[str], warehouse: Path, now: datetime, *, python: Path = Path(sys.executable)
) -> Measured:
    """Runs a command of a Python, by default this one, on a warehouse.

    The command's last line of output may be JSON with a `note`, with `wall_s` and `cpu_s` of the part that counts, and
    with `models`.

    Raises:
        RuntimeError: it failed; with its last words.
    """
    before, began = os.times(), time.monotonic()
    process = subprocess.Popen(
        [str(python), *command], cwd=PROJECT_ROOT, env=environment(warehouse, now), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    memory = Memory(process.pid)
    memory.start()
    output, errors = process.communicate()
    memory.end()
    wall, after = time.monotonic() - began, os.times()
    if process.returncode:
        raise RuntimeError(f"{name}: exit code {process.returncode}\n{errors[-3000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    said = _said(output)
    return Measured(
        name, float(said.get("wall_s", wall)), float(said.get("cpu_s", cpu)), memory.peak / 1e6,
        str(said.get("note", "")), said.get("models", {}),
    )  # fmt: skip


def environment(warehouse: Path, now: datetime) -> dict[str, str]:
    """This process's environment for a warehouse at an instant."""
    return {**os.environ, "ENERGY_WAREHOUSE": str(warehouse), "ENERGY_CLOCK": now.isoformat(),
            "DAGSTER_HOME": str(warehouse / ".dagster"), "DO_NOT_TRACK": "1",
            "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait do not spin: beside other work that would count as theirs
            "ENERGY_DATABASE": str(warehouse / "energy.duckdb")}  # fmt: skip


def _said(output: str) -> dict[str, Any]:
    last = (output.strip().splitlines() or [""])[-1]
    if not last.startswith("{"):
        return {}
    said: dict[str, Any] = json.loads(last)
    return said
