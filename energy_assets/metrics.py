"""Errors of forecasts: one home of the formulae, for point and for quantile forecasts.

Belongs here: metrics as frame operations over any group keys. Does not belong here: which forecasts are compared with
what (`forecasting`: backtests and the gate; `monitoring`: scores as actuals arrive).

All functions take long frames and give long frames of `by`, `metric`, `value` and `n` (intervals that counted). Rows
whose actual or forecast is null do not count. Units are those of the input, except for the shares `mape`, `wape`,
`coverage_80` and `peak_hour_hit`, where 1.0 is 100 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

POINT_METRICS = ("mae", "rmse", "mape", "wape", "bias")
QUANTILE_METRICS = ("pinball", "coverage_80", "width_80")
PEAK_METRICS = ("peak_error", "peak_hour_hit")
LOWER_IS_BETTER = ("mae", "rmse", "mape", "wape", "pinball", "width_80", "peak_error")
NEAR_ZERO_SHARE = 0.05  # actuals below this share of the group's mean magnitude do not enter the MAPE


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
    """Mean pinball loss over all quantiles, and coverage and width of the 80 % band (0.1 to 0.9) per group.

    The pinball loss is averaged over intervals and quantiles alike (Koenker and Bassett, 1978). Coverage and width are
    null for groups without the quantiles 0.1 and 0.9.

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
    per_interval = known.group_by(keys, maintain_order=True).agg(  # sums in another order differ in their last bits
        loss=loss.sum(),
        losses=pl.len(),
        actual=pl.col(actual).first(),
        low=pl.col(predicted).filter((level - 0.1).abs() < 1e-9).first(),
        high=pl.col(predicted).filter((level - 0.9).abs() < 1e-9).first(),
    )
    wide = per_interval.group_by(*by).agg(
        n=pl.len(),
        pinball=pl.col("loss").sum() / pl.col("losses").sum(),
        coverage_80=pl.col("actual").is_between(pl.col("low"), pl.col("high")).cast(pl.Float64).mean(),
        width_80=(pl.col("high") - pl.col("low")).mean(),
    )
    return _long(wide, by, QUANTILE_METRICS)


def peak_errors(
    frame: pl.DataFrame,
    by: Sequence[str],
    *,
    time: str = "interval_start_utc",
    actual: str = "actual_kwh",
    predicted: str = "predicted_kwh",
) -> pl.DataFrame:
    """How far the forecast peak was from the true one, and whether the hour was right.

    A group is one day of one meter. `peak_error` is the absolute difference of the two maxima; `peak_hour_hit` is 1
    where both fall into the same interval (the first one of equals), else 0.
    """
    known = frame.drop_nulls([actual, predicted]).sort(time)
    wide = known.group_by(*by).agg(
        n=pl.len(),
        peak_error=(pl.col(predicted).max() - pl.col(actual).max()).abs(),
        peak_hour_hit=(pl.col(predicted).arg_max() == pl.col(actual).arg_max()).cast(pl.Float64),
    )
    return _long(wide, by, PEAK_METRICS)


def skill(metric: pl.Expr, value: pl.Expr, baseline: pl.Expr) -> pl.Expr:
    """`1 - value / baseline` for errors; null for metrics that are no error, and where the baseline has none."""
    return pl.when(metric.is_in(list(LOWER_IS_BETTER)) & (baseline > 0)).then(1.0 - value / baseline)


def _long(wide: pl.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> pl.DataFrame:
    return (
        wide.unpivot(on=list(metrics), index=[*by, "n"], variable_name="metric", value_name="value")
        .select(*by, "metric", "value", pl.col("n").cast(pl.Int32))
        .sort(*by, "metric", nulls_last=True)
    )
