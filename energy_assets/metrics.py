"""Errors of forecasts: the one home of the formulae, for point and for quantile forecasts.

Belongs here: metrics as frame operations over any group keys, and the buckets of lead times. Does not belong here:
which forecasts are compared with what (`forecasting`: backtests and the gate; `monitoring`: scores as actuals arrive).

All functions take long frames and give long frames of `by`, `metric`, `value` and `n` (intervals that counted). Rows
whose actual or forecast is null do not count. Units are those of the input, except for the shares `mape`, `wape`,
`crps_share`, `coverage_*` and `peak_hour_hit`, where 1.0 is 100 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

BANDS = {50: (0.25, 0.75), 80: (0.1, 0.9), 90: (0.05, 0.95)}
POINT_METRICS = ("mae", "rmse", "mape", "wape", "bias")
QUANTILE_METRICS = ("pinball", "crps_share", *(f"{what}_{band}" for what in ("coverage", "width") for band in BANDS))
PEAK_METRICS = ("peak_error", "peak_hour_hit")
LOWER_IS_BETTER = (*POINT_METRICS[:4], "pinball", "crps_share", *(f"width_{band}" for band in BANDS), "peak_error")
NEAR_ZERO_SHARE = 0.05  # actuals below this share of the group's mean magnitude do not enter the MAPE
PEAK_REACH = timedelta(hours=1)
LEAST_PEAK_INTERVALS = 20  # the highest hour of half a day is no daily peak
BUCKET_HOURS = 6
BUCKET_OFFSET = 3  # buckets start at 15, 21, ... hours: a local day issued at nine the day before fills four of them


def point_errors(
    frame: pl.DataFrame, by: Sequence[str], *, actual: str = "actual_kwh", predicted: str = "predicted_kwh"
) -> pl.DataFrame:
    """MAE, RMSE, MAPE, WAPE and bias per group.

    Bias is the mean of forecast minus actual: positive is too high. The MAPE leaves out actuals near zero (below 5 %
    of the group's mean magnitude), where a share says nothing. MAPE and WAPE are null where all actuals are zero.

    Args:
        frame: one row per interval.
        by: columns of the groups.
        actual: name of the column that came true.
        predicted: name of the forecast's column.

    Example:
        >>> frame = pl.DataFrame({"m": ["a", "a"], "actual_kwh": [10.0, 20.0], "predicted_kwh": [11.0, 18.0]})
        >>> dict(point_errors(frame, ["m"]).select("metric", "value").iter_rows())["mae"]
        1.5
    """
    known = frame.drop_nulls([actual, predicted])
    error = pl.col(predicted) - pl.col(actual)
    magnitude = pl.col(actual).abs()
    counts_for_mape = magnitude > NEAR_ZERO_SHARE * magnitude.mean()
    wide = known.group_by(*by).agg(
        n=pl.len(),
        mae=error.abs().mean(),
        rmse=(error**2).mean().sqrt(),
        mape=(error.abs() / magnitude).filter(counts_for_mape).mean(),
        wape=pl.when(magnitude.sum() > 0).then(error.abs().sum() / magnitude.sum()),
        bias=error.mean(),
    )
    return _long(wide, by, POINT_METRICS)


def quantile_errors(
    frame: pl.DataFrame,
    by: Sequence[str],
    *,
    interval: Sequence[str] = ("meter_id", "issued_at_utc", "interval_start_utc"),
    actual: str = "actual_kwh",
    predicted: str = "predicted_kwh",
    quantile: str = "quantile",
) -> pl.DataFrame:
    """Mean pinball loss over all quantiles, CRPS, and coverage and mean width of the 50, 80 and 90 % bands per group.

    The pinball loss is averaged over intervals and quantiles alike (Koenker and Bassett, 1978). `crps_share` is twice
    that, as a share of the mean load: the continuous ranked probability score is twice the integral of the pinball loss
    over all levels (Gneiting and Ranjan, 2011), of which the mean over the levels at hand is the usual approximation.
    It is null where all actuals are zero. Coverage and width of a band are null for groups without its quantiles (0.25
    and 0.75, 0.1 and 0.9, 0.05 and 0.95).

    Args:
        frame: one row per interval and quantile.
        by: columns of the groups.
        interval: columns that, with `by`, identify the interval a quantile belongs to; those absent are left out.
        actual: name of the column that came true, the same for all quantiles of an interval.
        predicted: name of the quantile's value.
        quantile: name of the quantile's level.
    """
    known = frame.drop_nulls([actual, predicted])
    shortfall = pl.col(actual) - pl.col(predicted)
    level = pl.col(quantile)
    loss = pl.max_horizontal(level * shortfall, (level - 1.0) * shortfall)
    keys = list(dict.fromkeys([*by, *(c for c in interval if c in frame.columns)]))
    edges = [edge for pair in BANDS.values() for edge in pair]
    per_interval = known.group_by(keys, maintain_order=True).agg(
        *(pl.col(predicted).filter((level - edge).abs() < 1e-9).first().alias(f"q_{edge}") for edge in edges),
        loss=loss.sum(),
        losses=pl.len(),
        actual=pl.col(actual).first(),
    )
    bands: list[pl.Expr] = []
    for band, (low, high) in BANDS.items():
        inside = pl.col("actual").is_between(pl.col(f"q_{low}"), pl.col(f"q_{high}"))
        bands.append(inside.cast(pl.Float64).mean().alias(f"coverage_{band}"))
        bands.append((pl.col(f"q_{high}") - pl.col(f"q_{low}")).mean().alias(f"width_{band}"))
    pinball = pl.col("loss").sum() / pl.col("losses").sum()
    load = pl.col("actual").abs().mean()
    crps_share = pl.when(load > 0).then(2.0 * pinball / load)
    wide = per_interval.group_by(*by).agg(
        pl.len().alias("n"), pinball.alias("pinball"), crps_share.alias("crps_share"), *bands
    )
    return _long(wide, by, QUANTILE_METRICS)


def peak_errors(
    frame: pl.DataFrame,
    by: Sequence[str],
    *,
    day: Sequence[str] = ("meter_id", "issued_at_utc"),
    time: str = "interval_start_utc",
    actual: str = "actual_kwh",
    predicted: str = "predicted_kwh",
    least: int = LEAST_PEAK_INTERVALS,
    hours: str | None = None,
) -> pl.DataFrame:
    """How far the forecast peaks of days were from the true ones, and whether the hour was right.

    `peak_error` is the absolute difference of the two maxima of a day, in kWh per interval, `peak_hour_hit` whether
    they lie within an hour of each other (the first one of equals); both are means over the days of a group. Days of
    which fewer intervals are known than `least` have no peak.

    Args:
        frame: one row per interval.
        by: columns of the groups.
        day: columns that, with `by`, make a day of a meter; those absent are left out.
        time: name of the column of the intervals' start.
        actual: name of the column that came true.
        predicted: name of the forecast's column.
        least: intervals that a day must have; hours, with `hours`.
        hours: name of the intervals' length in hours, where they are not all of one hour.
    """
    known = frame.drop_nulls([actual, predicted]).sort(time)
    keys = list(dict.fromkeys([*by, *(c for c in day if c in frame.columns)]))
    apart = pl.col(time).get(pl.col(predicted).arg_max()) - pl.col(time).get(pl.col(actual).arg_max())
    whole = (pl.len() if hours is None else pl.col(hours).sum()) >= least
    days = known.group_by(keys, maintain_order=True).agg(
        n=pl.len(),
        peak_error=pl.when(whole).then((pl.col(predicted).max() - pl.col(actual).max()).abs()),
        peak_hour_hit=pl.when(whole).then((apart.abs() <= PEAK_REACH).cast(pl.Float64)),
    )
    wide = days.group_by(*by).agg(pl.col("n").sum(), pl.col("peak_error").mean(), pl.col("peak_hour_hit").mean())
    return _long(wide, by, PEAK_METRICS)


def skill(metric: pl.Expr, value: pl.Expr, baseline: pl.Expr) -> pl.Expr:
    """`1 - value / baseline` for errors; null for metrics that are no error, and where the baseline has none."""
    return pl.when(metric.is_in(list(LOWER_IS_BETTER)) & (baseline > 0)).then(1.0 - value / baseline)


def lead_bucket(lead_minutes: pl.Expr) -> pl.Expr:
    """Name of the six-hour bucket of any lead time, `15-21` for 15 h up to but not including 21 h.

    Meters in other zones than the market's have shorter or longer leads; their buckets follow the same grid.

    Example:
        >>> pl.DataFrame({"m": [15 * 60, 38 * 60, 6 * 60]}).select(lead_bucket(pl.col("m")))["m"].to_list()
        ['15-21', '33-39', '3-9']
    """
    low = ((lead_minutes / 60.0 - BUCKET_OFFSET) / BUCKET_HOURS).floor().cast(pl.Int64) * BUCKET_HOURS + BUCKET_OFFSET
    return pl.concat_str([low.cast(pl.String), (low + BUCKET_HOURS).cast(pl.String)], separator="-")


def array_errors(
    actual: NDArray[np.float64], quantiles: NDArray[np.float64], levels: Sequence[float]
) -> dict[str, float]:
    """Point metrics of the median and quantile metrics, of arrays; those that are null are left out.

    Args:
        actual: one per row.
        quantiles: rows x `levels`.
        levels: probabilities, 0.5 among them.

    Example:
        >>> array_errors(np.array([1.0, 3.0]), np.array([[1.0], [2.0]]), [0.5])["mae"]
        0.5
    """
    names = [str(level) for level in levels]
    wide = pl.DataFrame(quantiles, schema=dict.fromkeys(names, pl.Float64)).with_columns(
        pl.Series("actual_kwh", actual), pl.lit("all").alias("group"), pl.int_range(pl.len()).alias("interval")
    )
    long = wide.unpivot(
        names, index=["group", "interval", "actual_kwh"], variable_name="quantile", value_name="predicted_kwh"
    ).with_columns(pl.col("quantile").cast(pl.Float64))
    found = pl.concat(
        [
            point_errors(wide, ["group"], predicted="0.5"),
            quantile_errors(long.sort("interval", "quantile"), ["group"], interval=["interval"]),
        ]
    ).drop_nulls("value")
    return {str(metric): float(value) for metric, value in found.select("metric", "value").iter_rows()}


def _long(wide: pl.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> pl.DataFrame:
    return (
        wide.unpivot(on=list(metrics), index=[*by, "n"], variable_name="metric", value_name="value")
        .select(*by, "metric", "value", pl.col("n").cast(pl.Int32))
        .sort(*by, "metric", nulls_last=True)
    )
