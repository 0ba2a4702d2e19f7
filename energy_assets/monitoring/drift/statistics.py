"""What a week says about drift: a few numbers per meter and week, per kind of meter too.

Belongs here: statistics of residuals and of issued quantiles. Does not belong here: what is usual (`thresholds.py`),
the reference.
"""

from __future__ import annotations

import numpy as np
import polars as pl

LEVEL, SHAPE, SPREAD = "level", "hour_shape", "spread"
REFERENCE, FORECAST = "reference", "forecast"
LEAST_HOURS = 120  # of a week's 168 that have to be measured
BLOCK_HOURS = 4  # a change of the day's shape lasts a few hours
FARTHEST = 2.5  # standard deviations that an hour beyond the outermost quantiles counts
COLUMNS = ("meter_id", "kind", "week", "column_name", "method", "value")
SERIES = ["meter_id", "kind", "week"]


def residual_statistics(residuals: pl.DataFrame) -> pl.DataFrame:
    """Level, hour shape and spread of the residuals of each meter's weeks, and of each kind's (`all:<kind>`).

    - `level`: sum of residuals over the sum of the reference.
    - `hour_shape`: the week's mean residual by local hour, less its mean, relative to the reference's mean; of that the
      largest magnitude of a mean over four hours in a row (23 and 0 o'clock are neighbours).
    - `spread`: logarithm of the residuals' standard deviation relative to the reference's mean.

    A kind's level and spread are the medians of its meters', its shape is that of the median residuals by hour: what
    happens to one meter alone is not the kind's.

    Args:
        residuals: as `reference.held_back` returns them; hours without demand do not count.

    Returns:
        `COLUMNS` with column_name `reference`, sorted; weeks with fewer than 120 measured hours are left out.
    """
    known = residuals.filter(pl.col("demand_kwh").is_finite(), pl.col("reference_kwh").is_finite()).with_columns(
        residual=pl.col("demand_kwh") - pl.col("reference_kwh")
    )
    mean = pl.col("reference_kwh").mean().clip(lower_bound=1e-9)
    weeks = (
        known.group_by(SERIES)
        .agg(
            hours=pl.len(), mean=mean, level=pl.col("residual").mean() / mean,
            spread=(pl.col("residual").std() / mean).clip(lower_bound=1e-6).log(),
        )
        .filter(pl.col("hours") >= LEAST_HOURS)
    )  # fmt: skip
    hours = known.group_by(*SERIES, "local_hour").agg(pl.col("residual").mean()).join(weeks, on=SERIES)
    by_hour = hours.select(*SERIES, "local_hour", residual=pl.col("residual") / pl.col("mean"))
    every = pl.concat([by_hour, _of_kind(by_hour, [*SERIES, "local_hour"], ["residual"])])
    both = pl.concat([weeks.select(*SERIES, LEVEL, SPREAD), _of_kind(weeks, SERIES, [LEVEL, SPREAD])])
    return _long(both.join(_shape(every), on=SERIES), REFERENCE, [LEVEL, SHAPE, SPREAD])


def forecast_statistics(forecasts: pl.DataFrame, actuals: pl.DataFrame) -> pl.DataFrame:
    """Level and spread of what came true within the quantiles that were issued, per meter and kind and week.

    The probability integral transform (Dawid, 1984) as a standard normal score: the place of the actual among the
    quantiles, straight lines between them, beyond the outermost at most 2.5 standard deviations. Of a calibrated
    forecast the scores have mean 0 (`level`) and standard deviation 1 (`spread`, its logarithm).

    Args:
        forecasts: meter_id, kind, week, interval_start_utc, quantile, demand_kwh; one forecast per interval.
        actuals: meter_id, interval_start_utc, demand_kwh; nulls do not count.

    Returns:
        `COLUMNS` with column_name `forecast`, sorted.
    """
    from scipy.stats import norm  # a second of import that loading the package should not cost

    keys = [*SERIES, "interval_start_utc"]
    levels = forecasts["quantile"].unique().sort()
    known = actuals.filter(pl.col("demand_kwh").is_finite()).select(
        "meter_id", "interval_start_utc", actual_kwh="demand_kwh"
    )
    wide = (
        forecasts.with_columns(name=pl.format("q{}", pl.col("quantile").rank("dense")))
        .pivot("name", index=keys, values="demand_kwh", aggregate_function="last")
        .join(known, on=["meter_id", "interval_start_utc"])
        .drop_nulls()
        .sort(keys)
    )
    if wide.is_empty() or len(levels) < 3:
        return _long(wide.select(SERIES).with_columns(level=0.0, spread=0.0).clear(), FORECAST, [LEVEL, SPREAD])
    values = np.maximum.accumulate(wide.select(f"q{i + 1}" for i in range(len(levels))).to_numpy(), axis=1)
    scores = norm.ppf(levels.to_numpy())
    actual = wide["actual_kwh"].to_numpy()
    place = np.clip((values <= actual[:, None]).sum(axis=1), 1, len(levels) - 1)  # of the line that it lies on
    row = np.arange(len(actual))
    low, high = values[row, place - 1], values[row, place]
    share = (actual - low) / np.maximum(high - low, 1e-9)
    score = scores[place - 1] + share * (scores[place] - scores[place - 1])
    scored = wide.select(SERIES).with_columns(score=pl.Series(np.clip(score, -FARTHEST, FARTHEST)))
    weeks = (
        scored.group_by(SERIES)
        .agg(hours=pl.len(), level=pl.col("score").mean(), spread=pl.col("score").std().clip(lower_bound=1e-6).log())
        .filter(pl.col("hours") >= LEAST_HOURS)
    )
    both = pl.concat([weeks.select(*SERIES, LEVEL, SPREAD), _of_kind(weeks, SERIES, [LEVEL, SPREAD])])
    return _long(both, FORECAST, [LEVEL, SPREAD])


def _of_kind(frame: pl.DataFrame, keys: list[str], values: list[str]) -> pl.DataFrame:
    """Medians over the meters of a kind."""
    rest = [key for key in keys if key != "meter_id"]
    medians = frame.group_by(rest).agg(pl.col(values).median())
    return medians.with_columns(meter_id=pl.concat_str(pl.lit("all:"), "kind")).select(*keys, *values)


def _shape(by_hour: pl.DataFrame) -> pl.DataFrame:
    """Largest deviation of a block of hours from the week's mean."""
    wide = by_hour.sort(*SERIES, "local_hour").pivot("local_hour", index=SERIES, values="residual")
    matrix = wide.drop(SERIES).select(pl.all().fill_null(0.0)).to_numpy()
    order = np.argsort([int(name) for name in wide.drop(SERIES).columns])
    profile = matrix[:, order] - matrix.mean(axis=1, keepdims=True)
    blocks = sum(np.roll(profile, shift, axis=1) for shift in range(BLOCK_HOURS)) / BLOCK_HOURS
    return wide.select(SERIES).with_columns(pl.Series(SHAPE, np.abs(blocks).max(axis=1), dtype=pl.Float64))


def _long(frame: pl.DataFrame, column: str, methods: list[str]) -> pl.DataFrame:
    return (
        frame.unpivot(methods, index=SERIES, variable_name="method")
        .with_columns(column_name=pl.lit(column))
        .select(COLUMNS)
        .sort("meter_id", "column_name", "method", "week")
    )
