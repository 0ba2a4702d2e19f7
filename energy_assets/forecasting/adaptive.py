"""Bands that follow the errors of the last weeks.

Belongs here: the factors by which the two sides of a meter's bands are widened or narrowed, learned from forecasts that
have come true.
Does not belong here: the calibration at training (`calibration.py`), prediction.

Conformal calibration holds where the future errs like the past; a cold spell or a change of habits does not. So each
factor is moved day by day: up where more than a tenth of the hours lay beyond the 80 % band on its side, down where
fewer did (adaptive conformal inference, Gibbs and Candès 2021, on the scale of the band, as in Angelopoulos et al.
2023). Only days count that the model had not learned from and whose demand was known at the issue time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_assets.forecasting.features import Matrix, log_ratio, recent_level
from energy_assets.forecasting.models import MEDIAN, QUANTILES, TrainedModel

RATE = 0.2
LOW, HIGH = 0.1, 0.9
SHARE = 0.1  # of hours beyond each side
NARROWEST, WIDEST = 0.3, 3.0
WINDOW_DAYS = 28
WIDTHS = ("width_below", "width_above")
HOURS = 25


def excess(actual: Matrix, quantiles: Matrix) -> Matrix:
    """How far demand lay from the median, in half-widths of the 80 % band on its side: outside it beyond 1 or -1.

    Args:
        actual: log ratios, one per row.
        quantiles: rows x `QUANTILES`, log ratios.

    >>> excess(np.array([2.0, -0.5]), np.array([[-3, -2, -1, 0, 1, 2, 3.0]] * 2)).round(3).tolist()
    [1.0, -0.25]
    """
    low, median, high = (quantiles[:, QUANTILES.index(q)] for q in (LOW, MEDIAN, HIGH))
    error = actual - median
    result: Matrix = error / np.maximum(np.where(error > 0, high - median, median - low), 1e-6)
    return result


def follow(widths: Matrix, excesses: Matrix) -> Matrix:
    """The factors after some days.

    Args:
        widths: meters x 2, the factors below and above the median before them.
        excesses: meters x days x hours, NaN where unknown; days in order.
    """
    for day in range(excesses.shape[1]):
        of_day = excesses[:, day]
        known = np.isfinite(of_day).sum(axis=1, keepdims=True)
        below, above = (of_day < -widths[:, :1]).sum(axis=1), (of_day > widths[:, 1:]).sum(axis=1)
        missed = np.column_stack([below, above])
        widths = np.clip(widths * np.exp(RATE * (missed - SHARE * known) / 24), NARROWEST, WIDEST)
    return widths


def cube(rows: pl.DataFrame, value: Matrix) -> tuple[Matrix, tuple[str, ...]]:
    """Values of rows laid out as meters x issue days x hours, NaN elsewhere, and the meters in order.

    Args:
        rows: meter_id, issued_at_utc, interval_start_utc; unique.
        value: one per row.
    """
    start = pl.col("interval_start_utc")
    at = rows.select(
        meter=pl.col("meter_id").rank("dense") - 1,
        day=pl.col("issued_at_utc").rank("dense") - 1,
        hour=start.rank("ordinal").over("meter_id", "issued_at_utc") - 1,
    ).to_numpy()
    result = np.full((int(at[:, 0].max()) + 1, int(at[:, 1].max()) + 1, max(HOURS, int(at[:, 2].max()) + 1)), np.nan)
    result[at[:, 0], at[:, 1], at[:, 2]] = value
    return result, tuple(rows["meter_id"].unique().sort().to_list())


def widths_at(model: TrainedModel, recent: pl.DataFrame, issues: Sequence[datetime]) -> pl.DataFrame:
    """The factors of each meter at each issue time (meter_id, issued_at_utc, width_below, width_above).

    Args:
        model: its days of training do not count.
        recent: feature frame with `demand_kwh` and, optionally, `label_known_at_utc`; what was not known at an issue
            time does not count for it. The last 28 issue days are looked at.
        issues: issue times, tz-aware.
    """
    empty = pl.DataFrame(
        schema={"meter_id": pl.String(), "issued_at_utc": pl.Datetime("us", "UTC")}
        | dict.fromkeys(WIDTHS, pl.Float64())
    )
    if not issues:
        return empty
    known_at = pl.col("label_known_at_utc" if "label_known_at_utc" in recent.columns else "interval_end_utc")
    rows = recent.filter(
        pl.col("kind") == model.kind,
        pl.col("issued_at_utc") >= max(model.as_of_utc, min(issues) - timedelta(days=WINDOW_DAYS)),
        pl.col("issued_at_utc") < max(issues),
        pl.col("demand_kwh").is_finite(),
        recent_level().is_finite(),
        known_at <= max(issues),
    ).sort("meter_id", "issued_at_utc", "interval_start_utc")
    if rows.is_empty():
        return empty
    actual = rows.select(log_ratio(pl.col("demand_kwh"), model.offset)).to_series().to_numpy()
    excesses, meters = cube(rows, excess(actual, model.log_quantiles(rows)))
    since = pl.max_horizontal(known_at, "interval_end_utc").dt.epoch("us").cast(pl.Float64)
    known, _ = cube(rows, rows.select(since).to_series().to_numpy())
    days = rows["issued_at_utc"].unique().sort()
    first = np.ones((len(meters), 2))
    parts = []
    for issue in sorted(set(issues)):  # one per issue day, all meters at once
        window: NDArray[np.bool_] = ((days < issue) & (days >= issue - timedelta(days=WINDOW_DAYS))).to_numpy()
        instant = float(pl.Series([issue]).dt.epoch("us").item())
        seen = np.where(known[:, window] <= instant, excesses[:, window], np.nan)
        parts.append(
            pl.DataFrame(follow(first, seen), schema=list(WIDTHS)).with_columns(
                pl.Series("meter_id", meters), pl.lit(issue).cast(pl.Datetime("us", "UTC")).alias("issued_at_utc")
            )
        )
    return pl.concat(part.select(empty.columns) for part in parts)
