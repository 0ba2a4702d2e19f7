"""The job that each library is given, and what it gives back.

Belongs here: reading the input, the clock, writing forecasts. Does not belong here: anything of the warehouse:
this runs in the virtual environment of the libraries.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
ZONE = "Europe/Paris"


@dataclass(frozen=True)
class Job:
    """`history`: unique_id, ds (naive UTC, start of the hour), y (kWh). `temperature`: ds, temperature_c, to the end.

    `horizon` hours follow the newest hour known; the last 23 to 25 of them are the day asked for.
    """

    history: pd.DataFrame
    temperature: pd.DataFrame
    horizon: int

    @classmethod
    def read(cls, folder: Path, meters: int | None = None) -> Job:
        """The job in a folder, of all meters or the first so many."""
        history = pd.read_parquet(folder / "history.parquet")
        if meters is not None:
            history = history[history["unique_id"].isin(sorted(history["unique_id"].unique())[:meters])]
        temperature = pd.read_parquet(folder / "temperature.parquet")
        hours = (temperature["ds"].max() - history["ds"].max()) / pd.Timedelta(hours=1)
        return cls(history, temperature, int(hours))


def with_calendar(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with local hour, weekday and day of the year of its `ds`."""
    local = frame["ds"].dt.tz_localize("UTC").dt.tz_convert(ZONE).dt
    return frame.assign(hour=local.hour, weekday=local.dayofweek, day_of_year=local.dayofyear)


def main(forecast: Callable[[Job], pd.DataFrame]) -> None:
    """Runs a library on the folder and the number of meters (0: all) of the command line; prints JSON for `measure`.

    `forecast` returns unique_id, ds and a column per quantile, named by its number.
    """
    folder, target, meters = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    began = time.monotonic()
    job = Job.read(folder, meters or None)
    made = forecast(job)
    wall = time.monotonic() - began
    made.melt(["unique_id", "ds"], var_name="quantile", value_name="kwh").to_parquet(target)
    sys.stdout.write(
        json.dumps({"wall_s": wall, "note": f"{job.history['unique_id'].nunique():,} meters fitted"}) + "\n"
    )
