"""The job that each library is given, and what it gives back.

Belongs here: reading the input, the clock, writing forecasts. Does not belong here: anything of the warehouse:
this runs in the virtual environment of the libraries.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
ZONE = "Europe/Paris"
PROCESSES = 2  # where a model serves one meter


@dataclass(frozen=True)
class Job:
    """What was known at an issue time, the first of which has the number 0.

    `history`: unique_id, ds (naive UTC, start of the hour), y (kWh). `temperature`: ds, temperature_c, to the end.
    `horizon` hours follow the newest hour known; the last 23 to 25 of them are the day asked for.
    """

    number: int
    history: pd.DataFrame
    temperature: pd.DataFrame
    horizon: int

    @classmethod
    def read(cls, folder: Path, meters: int | None = None) -> Job:
        """The job in a folder that is called by its number, of all meters or the first so many."""
        history = pd.read_parquet(folder / "history.parquet")
        if meters is not None:
            history = history[history["unique_id"].isin(sorted(history["unique_id"].unique())[:meters])]
        temperature = pd.read_parquet(folder / "temperature.parquet")
        hours = (temperature["ds"].max() - history["ds"].max()) / pd.Timedelta(hours=1)
        return cls(int(folder.name), history, temperature, int(hours))

    def of_meters(self) -> list[Job]:
        """The job of each meter, in the order of their ids."""
        return [replace(self, history=own) for _, own in self.history.groupby("unique_id")]


Fit = Callable[[Job], Any]
Predict = Callable[[Any, Job], pd.DataFrame]
Made = tuple[pd.DataFrame, float]  # forecasts with the number of their issue; seconds that do not count


def together(fit: Fit, predict: Predict, jobs: Sequence[Job]) -> Made:
    """Fits at the first issue, and forecasts at each from what was known by then."""
    fitted = fit(jobs[0])
    made = [predict(fitted, jobs[0]).assign(issue=jobs[0].number)]
    began = time.monotonic()
    made += [predict(fitted, job).assign(issue=job.number) for job in jobs[1:]]
    return pd.concat(made), time.monotonic() - began


def meter_by_meter(fit: Fit, predict: Predict, jobs: Sequence[Job]) -> Made:
    """The same with a model per meter, two meters at a time.

    Each process does a meter for nothing first: its start and imports do not count, least of all multiplied.
    """
    from joblib import Parallel, delayed

    meters = list(zip(*(job.of_meters() for job in jobs), strict=True))
    with Parallel(n_jobs=PROCESSES, batch_size=1) as pool:
        began = time.monotonic()
        pool(delayed(together)(fit, predict, own[:1]) for own in meters[:PROCESSES])
        starting = time.monotonic() - began
        parts = pool(delayed(together)(fit, predict, own) for own in meters)
    return pd.concat(made for made, _ in parts), starting + sum(later for _, later in parts) / PROCESSES


def with_calendar(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with local hour, weekday and day of the year of its `ds`."""
    local = frame["ds"].dt.tz_localize("UTC").dt.tz_convert(ZONE).dt
    return frame.assign(hour=local.hour, weekday=local.dayofweek, day_of_year=local.dayofyear)


def main(way: Callable[[Fit, Predict, Sequence[Job]], Made], fit: Fit, predict: Predict) -> None:
    """Runs a library on the folder and the number of meters (0: all) of the command line; prints JSON for `measure`.

    `predict` returns unique_id, ds and a column per quantile, named by its number. Counted is the first issue.
    """
    folder, target, meters = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    later = [Job.read(path, meters or None) for path in sorted(folder.glob("[1-9]*"))]
    began = time.monotonic()
    job = Job.read(folder / "0", meters or None)
    made, not_counted = way(fit, predict, [job, *later])
    wall = time.monotonic() - began - not_counted
    made.melt(["unique_id", "ds", "issue"], var_name="quantile", value_name="kwh").to_parquet(target)
    sys.stdout.write(
        json.dumps({"wall_s": wall, "note": f"{job.history['unique_id'].nunique():,} meters fitted"}) + "\n"
    )
