"""A generated utility through all stages, and what its next day costs: rows for the results.

Belongs here: which warehouses are made, which floor and target a stage has. Does not belong here: the stages themselves
(`stages.py`), DuckDB alone (`floors.py`), the input (`generated.py`).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from energy_assets.warehouse.connection import quoted
from tests.bench.generated import END, Utility
from tests.bench.measuring import Measured, measure
from tests.bench.results import Row
from tests.bench.stages import STAGES
from tests.warehouses import DAY, NOW

# What a stage is held against, and how many times that it may take.
FLOORS: dict[str, tuple[str, float | None]] = {
    "load to raw": ("write", 3.0),
    "staging to marts": ("write", None),
    "hourly mart from raw": ("write", 4.0),
    "features of the next day": ("scan", None),
    "features of the training window": ("write", None),
    "publishing": ("write", None),
}
HOURLY_MART = "hourly mart from raw"
MEMORY_GB, DISK_TIMES, GROWTH_TIMES = 8.0, 3.0, 1.3


def command(*options: object) -> str:
    """What repeats some rows."""
    return "make bench BENCH='" + " ".join(map(str, options)) + "'"


def make(folder: Path, meters: int, years: int) -> Path:
    """A folder with so many meters and years; what stands is taken as it is."""
    if not (folder / "sources.yaml").exists():
        Utility(folder, meters).history(years)
    return folder


def stage(name: str, folder: Path, now: datetime, called: str | None = None) -> Measured:
    """One stage in a process of its own."""
    sys.stderr.write(f"  {called or name}\n")
    return measure(called or name, ["-m", "tests.bench.stages", name], folder, now)


def whole_run(folder: Path, meters: int, years: int) -> Iterator[Row]:
    """All stages of the first run, each beside its floor; memory and disk of all of them."""
    size = f"{meters:,} meters, {years} years"
    shared = {"group": f"First run, {size}", "command": command("--only stages --meters", meters, "--years", years)}
    floors = {
        kind: measure(kind, ["-m", "tests.bench.floors", kind, str(folder / "readings")], folder, NOW)
        for kind in ("scan", "write")
    }
    for kind, text in (("scan", "DuckDB scans the Parquet"), ("write", "DuckDB writes the Parquet into a plain table")):
        yield Row.of(floors[kind].called(f"{text}, {size}"), **shared)
    peak = 0.0
    before = bytes_in(folder)
    for name in STAGES:
        done = stage(name, folder, NOW)
        peak, grown = max(peak, done.peak_mb), bytes_in(folder)
        parts = [(name, done)]
        if name == "staging to marts":
            parts.append((HOURLY_MART, _hourly(done, folder / ".dbt" / "manifest.json")))
        for part, took in parts:
            kind, target = FLOORS.get(part, ("scan", None))
            beside = f"CPU {took.cpu_s / floors[kind].cpu_s:.1f} times the floor's" if part == name else ""
            disk = f"{(grown - before) / 1e6:+.0f} MB on disk" if part == name else ""
            note = ", ".join(filter(None, [took.note, beside, disk]))
            yield Row.of(
                took.called(f"{part}, {size}", note), floor=floors[kind].wall_s, target=target, **shared
            )  # fmt: skip
        before = grown
    inputs, packed = bytes_in(folder / "readings"), _packed_csv(folder / "readings")
    yield Row(f"peak memory, {size}", peak / 1e3, None, MEMORY_GB, unit="GB", **shared)
    yield Row(
        f"disk beside the input, {size}", (grown - inputs) / 1e9, packed / 1e9, DISK_TIMES, unit="GB", **shared,
        note=f"floor: the readings as packed CSV, by their first file; as Parquet {inputs / 1e9:.3f} GB came in",
    )  # fmt: skip


def _hourly(done: Measured, manifest: Path) -> Measured:
    """The models between the readings and the hourly mart, as dbt's manifest has them."""
    parents = json.loads(manifest.read_text())["parent_map"]
    models = _ancestors(parents, "model.energy_assets.fct_demand_hourly")
    between = {m for m in models if "source.energy_assets.raw.meter_readings" in _ancestors(parents, m)}
    took = {name: seconds for name, seconds in done.models.items() if f"model.energy_assets.{name}" in between}
    slowest = ", ".join(f"{name} {took[name]:.1f} s" for name in sorted(took, key=took.__getitem__)[:-4:-1])
    return replace(done, wall_s=sum(took.values()), note=f"{slowest}; CPU of all marts")


def _ancestors(parents: dict[str, list[str]], node: str) -> set[str]:
    """A node of dbt's graph and all that it is built on."""
    found, left = {node}, [node]
    while left:
        new = set(parents.get(left.pop(), ())) - found
        found |= new
        left += new
    return found


def increments(root: Path, meters: int, years: Sequence[int]) -> Iterator[Row]:
    """The stages of a day more (and of 1 % of the meters corrected over 30 days) after so many years of history.

    The floor is the same stage after the first of `years`. Warehouses that `whole_run` left are gone on with.
    """
    options = ("--only increments --meters", meters, "--years", *years)
    shared = {"group": f"A day more, {meters:,} meters", "command": command(*options)}
    first: dict[str, Measured] = {}
    for number in years:
        folder = make(root / f"{meters}_meters_{number}_years", meters, number)
        if not (folder / "energy.duckdb").exists():
            measure("first run", ["-m", "tests.bench.orchestration"], folder, NOW)
        size = f"{meters:,} meters, {number} years"
        sys.stderr.write(f"a day more, {size}\n")
        if (folder / "readings" / f"{END:%Y-%m-%d}.parquet").exists():
            raise RuntimeError(f"{folder} has had its day more; remove it and measure again")
        Utility(folder, meters).next_day(END.date())
        wall = cpu = peak = 0.0
        for name in [*STAGES, "whole day"]:
            if name == "whole day":
                done = Measured(name, wall, cpu, peak)
            else:
                done = stage(name, folder, NOW + DAY)
                wall, cpu, peak = wall + done.wall_s, cpu + done.cpu_s, max(peak, done.peak_mb)
            base = first.setdefault(name, done)
            row = Row.of(done.called(f"a day more, {name}, {size}"), **shared)
            if base is not done:
                note = ", ".join(filter(None, [done.note, f"CPU {done.cpu_s / base.cpu_s:.2f} times"]))
                row = replace(row, floor=base.wall_s, target=GROWTH_TIMES, note=note)
            yield row


def _packed_csv(folder: Path) -> float:
    """Bytes of all readings as a utility would send them, told from those of the first file."""
    first = min(folder.glob("*.parquet"))
    with tempfile.TemporaryDirectory() as directory, duckdb.connect() as con:
        target = Path(directory) / "readings.csv.gz"
        con.execute(f"COPY (FROM '{quoted(first)}') TO '{quoted(target)}'")
        [(share,)] = con.execute(
            f"SELECT (SELECT count(*) FROM '{quoted(folder)}/*.parquet') / (SELECT count(*) FROM '{quoted(first)}')"
        ).fetchall()
        return target.stat().st_size * float(share)


def bytes_in(folder: Path) -> int:
    """Bytes of a folder's files, those of several names once."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            stat = (Path(place) / name).lstat()
            found[stat.st_ino] = stat.st_size
    return sum(found.values())
