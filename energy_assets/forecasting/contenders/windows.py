"""The days behind and ahead of an issue time as arrays, for models that read sequences.

Belongs here: hours before an issue as they were known by then, and the rows of the day ahead laid out by hour. Does not
belong here: networks (`sequence.py`), features (they come with the rows).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_assets.forecasting.features import RATIO_LIMIT, Matrix, recent_level

PAST_HOURS = 14 * 24
DAY_HOURS = 25
ISSUE = ("meter_id", "issued_at_utc")


class Layout(NamedTuple):
    """Where rows stand: `issues` (meter_id, issued_at_utc, level), and each row's issue number and hour of the day."""

    issues: pl.DataFrame
    issue: NDArray[np.int64]
    hour: NDArray[np.int64]

    def spread(self, values: Matrix) -> NDArray[np.float32]:
        """Values of rows (rows, or rows x columns) as issues x `DAY_HOURS` (x columns), 0 where a day is shorter."""
        result = np.zeros((self.issues.height, DAY_HOURS, *values.shape[1:]), dtype=np.float32)
        result[self.issue, self.hour] = values
        return result

    def gather(self, values: NDArray[np.float32]) -> Matrix:
        """The inverse of `spread`."""
        return values[self.issue, self.hour].astype(np.float64)


def lay_out(rows: pl.DataFrame) -> Layout:
    """The layout of feature rows, in their order; the level of an issue is that of its first row."""
    issues = rows.group_by(ISSUE, maintain_order=True).agg(recent_level().first().alias("level"))
    numbered = rows.select(*ISSUE, "interval_start_utc").join(
        issues.select(*ISSUE).with_row_index("issue"), on=ISSUE, how="left", maintain_order="left"
    )
    hour = (pl.col("interval_start_utc").rank("ordinal").over(ISSUE) - 1).clip(upper_bound=DAY_HOURS - 1)
    at = numbered.select(pl.col("issue").cast(pl.Int64), hour.cast(pl.Int64).alias("hour"))
    return Layout(issues, at["issue"].to_numpy(), at["hour"].to_numpy())


def past_hours(
    issues: pl.DataFrame, history: pl.DataFrame, *, offset: float, hours: int = PAST_HOURS
) -> NDArray[np.float32]:
    """The hours that ended by each issue time, oldest first: issues x 2 x `hours`.

    The first channel is the log ratio to the issue's level, 0 where it was not known at the issue time; the second is 1
    where it was known.

    Args:
        issues: meter_id, issued_at_utc, level (kWh per hour).
        history: meter_id, interval_start_utc, demand_kwh, label_known_at_utc; what became known after an issue time is
            not seen by it.
        offset: of `ratio_offset`.
        hours: how many.
    """
    meters = issues["meter_id"].unique().sort().to_list()
    known = history.filter(
        pl.col("meter_id").is_in(meters), pl.col("demand_kwh").is_finite(), pl.col("label_known_at_utc").is_not_null()
    ).unique(["meter_id", "interval_start_utc"], keep="last", maintain_order=True)
    number = pl.col("meter_id").replace_strict(meters, range(len(meters)), return_dtype=pl.Int64)
    at = issues.select(number, end=_hours("issued_at_utc"), instant=pl.col("issued_at_utc").dt.epoch("us"))
    first = int(at["end"].min() or 0) - hours  # type: ignore[arg-type]
    size = int(at["end"].max() or 0) - first  # type: ignore[arg-type]
    when = known.select(number, (_hours("interval_start_utc") - first).alias("hour"))
    inside = when["hour"].is_between(0, size - 1)
    when, known = when.filter(inside), known.filter(inside)
    place = (when["meter_id"].to_numpy(), when["hour"].to_numpy())
    demand = np.full((len(meters), size), np.nan)
    demand[place] = known["demand_kwh"].cast(pl.Float64).to_numpy()
    since = np.full((len(meters), size), np.iinfo(np.int64).max)
    since[place] = known["label_known_at_utc"].dt.epoch("us").to_numpy()

    window = (at["end"].to_numpy() - first - hours)[:, None] + np.arange(hours)
    meter = at["meter_id"].to_numpy()[:, None]
    seen = since[meter, window] <= at["instant"].to_numpy()[:, None]
    level = issues["level"].cast(pl.Float64).to_numpy()[:, None]
    value = np.where(seen, demand[meter, window], level)
    ratio = np.log(np.maximum(np.maximum(value, 0.0) / level + offset, math.exp(-RATIO_LIMIT)))
    ratio = np.where(seen, np.clip(ratio, -RATIO_LIMIT, RATIO_LIMIT), 0.0)
    return np.stack([ratio, seen], axis=1).astype(np.float32)


def _hours(column: str) -> pl.Expr:
    return pl.col(column).dt.epoch("s") // 3600
