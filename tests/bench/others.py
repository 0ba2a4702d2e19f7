"""The same forecasting job by this warehouse and by other libraries: seconds and pinball loss.

Belongs here: the input, running each in a process of its own, scoring what came back. Does not belong here: the
libraries' scripts and settings (`benchmarks/peers/`).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl

from energy_assets import forecasting
from energy_assets.defs.frames import AS_OF
from energy_assets.warehouse import Warehouse, fetch
from tests.bench.generated import END, Utility
from tests.bench.measuring import Measured, measure
from tests.bench.results import Row
from tests.bench.scale import command, make, stage
from tests.bench.stages import LAST_WINDOW
from tests.warehouses import DAY, ISSUED_AT, NOW

OURS = ("features of the next day", LAST_WINDOW, "load profiles", "training", "scoring the next day")
BEFORE_OURS = ("load to raw", "staging to marts")
A_DAY_LATER = (*BEFORE_OURS, "features of the next day", "scoring the next day")
PER_METER = ("skforecast", "openstef")
GLOBAL = "mlforecast"
FASTER = 0.1  # of the fastest library that fits a model per meter
ISSUES = 5  # that accuracy is judged by: of one day it is mostly that day's weather. The first is timed
TARGET = (END + timedelta(hours=23), END + timedelta(hours=47))  # the local day after the first issue
KEYS = ["meter_id", "issue", "interval_start_utc"]


def compare(root: Path, meters: int, years: int, per_meter: int, python: Path) -> Iterator[Row]:
    """A row of seconds and a row of pinball loss for each.

    Args:
        root: where warehouses are made.
        meters: how many.
        years: of history.
        per_meter: how many of the meters the libraries fit that fit one by one.
        python: of the virtual environment of the libraries.
    """
    folder = make(root / f"{meters}_meters_{years}_years_peers", meters, years)
    if not (folder / "energy.duckdb").exists():
        for name in BEFORE_OURS:
            stage(name, folder, NOW)
    took = {"energy-assets": _ours(folder)}
    with tempfile.TemporaryDirectory(dir=root) as directory:
        job = Path(directory)
        actual = _actual(job / "later", meters)
        for issue in range(ISSUES):
            if issue:
                _a_day_later(folder, meters, issue)
            _export(folder, job / str(issue), issue * DAY)
        made = {"energy-assets": _forecasts(folder)}
        for name in (GLOBAL, *PER_METER):
            some = per_meter if name in PER_METER else 0
            done = _by(name, python, job, some)
            if done is None:
                continue
            share = meters / min(some or meters, meters)
            note = done.note if share == 1 else f"{done.note}, seconds times {share:g}"
            took[name] = replace(done, wall_s=done.wall_s * share, cpu_s=done.cpu_s * share, note=note)
            made[name] = _read(job / f"{name}.parquet")
    yield from _rows(took, _losses(made, actual), meters, years, per_meter)


def _ours(folder: Path) -> Measured:
    parts = [stage(name, folder, NOW) for name in OURS]
    seconds = ", ".join(f"{name} {part.wall_s:.1f} s" for name, part in zip(OURS, parts, strict=True))
    wall, cpu, peak = sum(p.wall_s for p in parts), sum(p.cpu_s for p in parts), max(p.peak_mb for p in parts)
    return Measured("energy-assets", wall, cpu, peak, seconds)


def _a_day_later(folder: Path, meters: int, issue: int) -> None:
    """The readings of one more day, and what our model of the first issue says of the next."""
    Utility(folder, meters).next_day((END + (issue - 1) * DAY).date())
    for name in A_DAY_LATER:
        stage(name, folder, NOW + issue * DAY)


def _by(name: str, python: Path, job: Path, meters: int) -> Measured | None:
    sys.stderr.write(f"  {name}\n")
    arguments = ["-m", f"benchmarks.peers.by_{name}", str(job), str(job / f"{name}.parquet"), str(meters)]
    try:
        return measure(name, arguments, job, NOW, python=python)
    except RuntimeError as error:
        sys.stderr.write(f"  {name} is left out: {str(error).splitlines()[-1]}\n")
        return None


def _export(folder: Path, job: Path, later: timedelta) -> None:
    """What was known at an issue time, as the libraries like it."""
    job.mkdir()
    warehouse = Warehouse(folder / "energy.duckdb")
    with warehouse.connect(read_only=True) as con:
        history = fetch(
            con,
            f"SELECT meter_id AS unique_id, interval_start_utc AS ds, demand_kwh AS y "
            f"FROM intermediate.int_demand_versions WHERE {AS_OF} AND demand_kwh IS NOT NULL ORDER BY ALL",
            {"as_of": ISSUED_AT + later},
        )
        temperature = fetch(
            con,
            "SELECT valid_at_utc AS ds, arg_max(temperature_c, known_at_utc) AS temperature_c FROM raw.weather "
            "WHERE valid_at_utc < $until GROUP BY 1 ORDER BY 1",
            {"until": TARGET[1] + later},
        )
    naive = pl.col("ds").dt.replace_time_zone(None)
    history.with_columns(naive).write_parquet(job / "history.parquet")
    temperature.with_columns(naive).write_parquet(job / "temperature.parquet")


def _actual(folder: Path, meters: int) -> pl.DataFrame:
    """What the days asked for were: the generator makes them whenever it is asked."""
    utility = Utility(folder, meters)
    days = [END + number * DAY for number in range(ISSUES + 1)]
    for day in days:
        utility.next_day(day.date())
    read = pl.concat(pl.read_parquet(folder / "readings" / f"{day:%Y-%m-%d}.parquet") for day in days)
    hour = pl.col("at_utc")
    asked = read.filter(hour >= TARGET[0], hour < TARGET[1] + (ISSUES - 1) * DAY)
    return asked.select(
        "meter_id",
        issue=((hour - TARGET[0]).dt.total_hours() // 24).cast(pl.Int64),
        interval_start_utc=hour.dt.cast_time_unit("us"),
        actual_kwh="energy_kwh",
    )


def _forecasts(folder: Path) -> pl.DataFrame:
    with Warehouse(folder / "energy.duckdb").connect(read_only=True) as con:
        return fetch(
            con,
            "SELECT meter_id, date_diff('day', $first::TIMESTAMPTZ, issued_at_utc) AS issue, interval_start_utc, "
            "quantile, arg_max(demand_kwh, revision) AS kwh "
            "FROM forecasts.demand_forecasts WHERE issued_at_utc >= $first GROUP BY ALL",
            {"first": ISSUED_AT},
        )


def _read(file: Path) -> pl.DataFrame:
    return pl.read_parquet(file).select(
        meter_id=pl.col("unique_id").cast(pl.String),
        issue=pl.col("issue").cast(pl.Int64),
        interval_start_utc=pl.col("ds").dt.cast_time_unit("us").dt.replace_time_zone("UTC"),
        quantile=pl.col("quantile").cast(pl.String).cast(pl.Float64), kwh=pl.col("kwh").cast(pl.Float64),
    )  # fmt: skip


def _losses(made: dict[str, pl.DataFrame], actual: pl.DataFrame) -> dict[str, tuple[float, float, int]]:
    """Per library: its mean pinball loss over the mean demand, ours on the same meters, how many they are."""
    hours = actual["interval_start_utc"].n_unique() * len(forecasting.QUANTILES)
    losses = {}
    for name, frame in made.items():
        scored = _loss(frame, actual)
        own = frame["meter_id"].n_unique()
        rows = frame.join(actual, on=KEYS).height
        if rows != own * hours:
            raise RuntimeError(f"{name}: {rows:,} quantiles of the days that were asked for, {own * hours:,} are due")
        ours = _loss(made["energy-assets"].join(frame.select("meter_id").unique(), on="meter_id"), actual)
        losses[name] = (scored, ours, own)
    return losses


def _loss(frame: pl.DataFrame, actual: pl.DataFrame) -> float:
    error = pl.col("actual_kwh") - pl.col("kwh")
    pinball = pl.max_horizontal(pl.col("quantile") * error, (pl.col("quantile") - 1) * error)
    rows = frame.join(actual, on=KEYS).sort(*KEYS, "quantile")
    return float(rows.select(pinball.mean() / pl.col("actual_kwh").mean()).item())


def _rows(
    took: dict[str, Measured], losses: dict[str, tuple[float, float, int]], meters: int, years: int, per_meter: int
) -> Iterator[Row]:
    size = f"{meters:,} meters, {years} years"
    options = ("--only peers --meters", meters, "--years", years, "--per-meter", per_meter)
    shared = {"group": f"The same job by others, {size}", "command": command(*options)}
    for name, done in took.items():
        yield Row.of(done.called(f"fit and next day, {name}, {size}"), **shared)
    ours = took["energy-assets"].wall_s
    if GLOBAL in took:
        yield Row(f"fit and next day, ours against {GLOBAL}, {size}", ours, took[GLOBAL].wall_s, 1.0, **shared)
    single = [took[name].wall_s for name in PER_METER if name in took]
    if single:
        yield Row(f"fit and next day, ours against the fastest of one model per meter, {size}",
                  ours, min(single), FASTER, **shared)  # fmt: skip
    for name, (loss, same, count) in losses.items():
        if name != "energy-assets":
            yield Row(f"pinball loss, ours against {name}, {size}", 100 * same, 100 * loss, 1.0, unit="% of demand",
                      note=f"of {count:,} meters, {ISSUES} days", **shared)  # fmt: skip
