"""`python -m tests.bench [--short]`: a table of what runs and their parts take.

The warehouse is the one that `make run` builds; the cost of a day is measured with a history of 100 and of 400 days.
`--short` takes the small warehouse of the tests for all of it, to see that the bench itself works.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from energy_assets.settings import PROJECT_ROOT
from tests.bench import faults
from tests.bench.measuring import Measured, measure
from tests.warehouses import DAY, NOW, SMALL, Folder

RUN = ["-m", "energy_assets.cli", "run", "--warehouse"]
PARTS = {"load": "simulated load", "dbt": "dbt build, all anew", "training": "training", "scoring": "scoring",
         "publishing": "publishing"}  # fmt: skip


def runs(folder: Folder, days: int) -> list[Measured]:
    """First run, second run with nothing new, and the next day's."""
    command, where = [*RUN, str(folder.path)], folder.path
    return [
        measure(f"first run, {days} days of history", command, where, NOW),
        measure(f"second run, nothing new, {days} days", command, where, NOW),
        measure(f"next day's run, {days} days", command, where, NOW + DAY),
    ]


def sources(days: int, *, short: bool) -> dict[str, Any]:
    """The default warehouse's sources with a history of so many days."""
    content = copy.deepcopy(SMALL) if short else yaml.safe_load((PROJECT_ROOT / "warehouse/sources.yaml").read_text())
    content["sources"][0]["history_days"] = days
    return dict(content)


def main() -> None:
    """Measures and prints, line by line on standard error as it comes, as a table at the end."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the small warehouse of the tests, 30 and 60 days")
    short = parser.parse_args().short
    table: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="energy-bench-") as directory:
        for days in (30, 60) if short else (100, 400):
            folder = Folder.make(Path(directory) / f"history_{days}", sources(days, short=short))
            sys.stderr.write(f"{days} days of history\n")
            table += runs(folder, days)
        for part, name in PARTS.items():
            sys.stderr.write(f"{name}\n")
            table.append(measure(f"{name}, {days} days", ["-m", "tests.bench.parts", part], folder.path, NOW + DAY))
        sys.stderr.write("paths and peaks of many meters\n")
        many = ["-m", "tests.bench.many_peaks", "50" if short else "1000"]
        table.append(measure("paths and peaks of an issue", many, folder.path, NOW + DAY))
        sys.stderr.write("anomalies\n")
        detection = ["-m", "tests.bench.faults", "--meters", "100" if short else "1000"]
        table.append(measure("anomalies of a day", detection, Path(directory), NOW))
    shown = Table(title="Seconds and memory; parts without start-up", title_justify="left")
    for column in ("what", "wall s", "CPU s", "peak RSS MB", "note"):
        shown.add_column(column, justify="left" if column in ("what", "note") else "right")
    for row in table:
        shown.add_row(row.name, f"{row.wall_s:.1f}", f"{row.cpu_s:.1f}", f"{row.peak_mb:.0f}", row.note)
    Console(width=120).print(shown)
    faults.report(every=7, only=["fleet"])


if __name__ == "__main__":
    main()
