"""`python -m tests.bench [options]`: what the warehouse costs, into `benchmarks/results.json` and `docs/benchmarks.md`.

`--only` measures parts and leaves the rows of the others as they are. `--short` runs every part to its end in minutes,
at a size that says nothing, and writes nothing but a table on the screen.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from energy_assets.settings import PROJECT_ROOT
from tests.bench import orchestration, results, scale
from tests.bench.measuring import measure
from tests.bench.others import compare
from tests.bench.results import Row
from tests.warehouses import NOW

PARTS = ("around", "stages", "increments", "peers", "made_up")
PEERS = PROJECT_ROOT / ".venv-peers" / "bin" / "python"


def made_up(root: Path, meters: int) -> Iterator[Row]:
    """Methods on frames of made-up meters: what they take without the warehouse around them."""
    shared = {"group": "Methods alone", "command": scale.command("--only made_up --meters", meters)}
    many = ["-m", "tests.bench.many_peaks", str(meters)]
    yield Row.of(measure(f"paths and peaks of an issue, {meters:,} meters", many, root, NOW), **shared)
    detection = ["-m", "tests.bench.faults", "--meters", str(meters)]
    yield Row.of(measure(f"anomalies of a day, {meters:,} meters", detection, root, NOW), **shared)


def rows(given: argparse.Namespace, root: Path) -> Iterator[Row]:
    """The rows of the parts asked for, one by one as they come."""
    for meters in given.meters:
        for part in given.only:
            sys.stderr.write(f"{part}, {meters:,} meters\n")
            if part == "stages":
                for years in given.years:
                    folder = scale.make(root / f"{meters}_meters_{years}_years", meters, years)
                    yield from scale.whole_run(folder, meters, years)
            elif part == "increments":
                yield from scale.increments(root, meters, given.years)
            elif part == "peers":
                if given.python.exists():
                    yield from compare(root, meters, given.years[0], given.per_meter, given.python)
                else:
                    sys.stderr.write(f"left out: {given.python} is not there; `make .venv-peers/.peers` makes it\n")
            elif part == "made_up":
                yield from made_up(root, meters)
            elif meters == given.meters[0]:
                yield from orchestration.overhead(root)
                yield from orchestration.starts(root)


def main() -> None:
    """Measures, keeps each row as it comes, prints them all at the end."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="every part, three meters and a year; keeps nothing")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--meters", nargs="+", type=int, default=[100, 1000])
    parser.add_argument("--years", nargs="+", type=int, default=[1, 4], help="of history; increments compare them")
    parser.add_argument("--per-meter", type=int, default=200, help="meters that one-model-per-meter libraries fit")
    parser.add_argument("--python", type=Path, default=PEERS, help="of the virtual environment of the libraries")
    parser.add_argument("--folder", type=Path, help="where warehouses are made and stay; default: a temporary folder")
    given = parser.parse_args()
    if given.short:
        given.meters, given.years, given.per_meter = [3], [1, 2], 2
    root = given.folder or Path(tempfile.mkdtemp(prefix="energy-bench-"))
    root.mkdir(parents=True, exist_ok=True)
    table: list[Row] = []
    try:
        for row in rows(given, root):
            table.append(row)
            if not given.short:
                results.keep(table)
    finally:
        if given.folder is None:
            shutil.rmtree(root)
        _show(table)


def _show(table: list[Row]) -> None:
    shown = Table(title="Benchmarks", title_justify="left")
    for column in ("what", "value", "floor", "ratio", "target", "CPU s", "peak MB"):
        shown.add_column(column, justify="left" if column == "what" else "right")
    for row in table:
        numbers = (row.floor, row.ratio, row.target, row.cpu_s, row.peak_mb)
        shown.add_row(row.name, f"{row.value:.3g} {row.unit}", *("" if n is None else f"{n:.3g}" for n in numbers))
    Console(width=150).print(shown)


if __name__ == "__main__":
    main()
