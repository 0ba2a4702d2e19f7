"""What two weeks say about drift: a few numbers per meter, and per kind of meter, week by week.

Belongs here: statistics of residuals and of issued quantiles. Does not belong here: what is usual (`thresholds.py`),
the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

LEVEL, SHAPE, SPREAD = "level", "hour_shape", "spread"
REFERENCE, FORECAST = "reference", "forecast"
WINDOW_WEEKS = 2
LEAST_SHARE = 0.7  # of a window's hours that have to be measured
BASE_WEEKS, LEAST_BASE_WEEKS, GAP_WEEKS = 13, 4, 4  # a quarter that ended four weeks before is what a change is from
BLOCK_HOURS = 4  # a change of the day's shape lasts a few hours
FARTHEST = 2.5  # standard deviations that an hour beyond the outermost quantiles counts
SERIES = ["meter_id", "kind", "week"]
COLUMNS = (*SERIES, "column_name", "method", "value")


@dataclass(frozen=True)
class Windows:
    """Two weeks of single meters in a few numbers; those of some meters can be put beside those of others.

    `scores`: `SERIES`, level, spread. `profile`: `SERIES`, local_hour, residual; without rows where there are none.
    """

    scores: pl.DataFrame
    profile: pl.DataFrame

    @classmethod
    def concat(cls, parts: Sequence[Windows]) -> Windows:
        """Those of all meters."""
        return cls(pl.concat(part.scores for part in parts), pl.concat(part.profile for part in parts))


def residual_windows(residuals: pl.DataFrame) -> Windows:
    """Level, spread and profile of the residuals of each meter in the two weeks that end with each week.

    - `level`: sum of the residuals over the sum of the reference.
    - `residual`: their mean by local hour, relative to the reference's mean.
    - `spread`: logarithm of their standard deviation relative to the reference's mean.

    Args:
        residuals: as `reference.held_back` returns them; hours without demand do not count, and windows with less than
            70 % of their hours are left out.
    """
    known = residuals.filter(pl.col("demand_kwh").is_finite(), pl.col("reference_kwh").is_finite())
    known = _windows(known.with_columns(residual=pl.col("demand_kwh") - pl.col("reference_kwh")))
    mean = pl.col("reference_kwh").mean().clip(lower_bound=1e-9)
    windows = _full(
        known.group_by(SERIES).agg(
            hours=pl.len(),
            mean=mean,
            level=pl.col("residual").mean() / mean,
            spread=(pl.col("residual").std() / mean).clip(lower_bound=1e-6).log(),
        )
    )
    by_hour = known.group_by(*SERIES, "local_hour").agg(pl.col("residual").mean()).join(windows, on=SERIES)
    by_hour = by_hour.select(*SERIES, "local_hour", residual=pl.col("residual") / pl.col("mean"))
    return Windows(windows.select(*SERIES, LEVEL, SPREAD), by_hour)


def forecast_windows(forecasts: pl.DataFrame, actuals: pl.DataFrame) -> Windows:
    """Level and spread of what came true within the quantiles that were issued, per meter; there is no profile.

    The probability integral transform (Dawid, 1984) as a standard normal score: the place of the actual among the
    quantiles, straight lines between them, beyond the outermost at most 2.5 standard deviations. Of a calibrated
    forecast the scores have mean 0 (`level`) and standard deviation 1 (`spread`, its logarithm). Windows are those of
    `residual_windows`.

    Args:
        forecasts: meter_id, kind, week, interval_start_utc, quantile, demand_kwh; one forecast per interval, with the
            same quantiles everywhere, three at least.
        actuals: meter_id, interval_start_utc, demand_kwh; nulls do not count.
    """
    known = actuals.filter(pl.col("demand_kwh").is_finite())
    known = known.select("meter_id", "interval_start_utc", actual_kwh="demand_kwh")
    joined = forecasts.join(known, on=["meter_id", "interval_start_utc"])
    levels = joined["quantile"].unique().sort().to_list()
    names = [str(level) for level in levels]
    wide = (
        joined.with_columns(pl.col("quantile").cast(pl.String))
        .pivot("quantile", index=[*SERIES, "interval_start_utc", "actual_kwh"], values="demand_kwh")
        .drop_nulls()
        .sort(*SERIES, "interval_start_utc")
    )
    score = _normal_scores(wide["actual_kwh"].to_numpy(), wide.select(names).to_numpy(), np.array(levels))
    scored = _windows(wide.select(SERIES).with_columns(score=pl.Series(score, dtype=pl.Float64)))
    spread = pl.col("score").std().clip(lower_bound=1e-6).log()
    windows = _full(scored.group_by(SERIES).agg(hours=pl.len(), level=pl.col("score").mean(), spread=spread))
    nothing = windows.clear().select(*SERIES, local_hour=pl.lit(0, pl.Int32), residual=pl.lit(0.0))
    return Windows(windows.select(*SERIES, LEVEL, SPREAD), nothing)


def statistics(windows: Windows, column: str) -> pl.DataFrame:
    """Level, spread and, of a profile, `hour_shape` of each meter, and of each kind (`all:<kind>`), as changes.

    Each is the change from the median of the quarter that ended four weeks before: slow growth is no drift, and a drift
    that has lasted for a quarter is the new normal. `hour_shape` is the largest magnitude of the profile's change, less
    its mean, over four hours in a row (23 and 0 o'clock are neighbours). A kind's level and spread are the medians of
    its meters', its shape is that of their median profile: what happens to one meter alone is not the kind's.

    Args:
        windows: of all meters of each kind.
        column: what they are windows of: `REFERENCE` or `FORECAST`.

    Returns:
        `COLUMNS` with that column_name, sorted.
    """
    both = pl.concat([meter_statistics(windows, column), kind_statistics(windows, column)])
    return both.sort("meter_id", "column_name", "method", "week")


def meter_statistics(windows: Windows, column: str) -> pl.DataFrame:
    """Those `statistics` that are of meters; the windows may be of some of them."""
    scores = windows.scores.sort(SERIES).with_columns(_change(LEVEL), _change(SPREAD))
    if windows.profile.is_empty():
        return _long(scores, column, [LEVEL, SPREAD])
    return _long(scores.join(_shape(windows.profile), on=SERIES), column, [LEVEL, SHAPE, SPREAD])


def kind_statistics(windows: Windows, column: str) -> pl.DataFrame:
    """Those `statistics` that are of kinds; the windows have to be of all their meters."""
    scores = _of_kind(windows.scores, ["kind", "week"], [LEVEL, SPREAD])
    profile = _of_kind(windows.profile, ["kind", "week", "local_hour"], ["residual"])
    return meter_statistics(Windows(scores, profile), column)


def _normal_scores(actual: np.ndarray, values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The place of each actual (hours,) among quantiles (hours, levels), in standard deviations."""
    from scipy.stats import norm  # a second of import that loading the package should not cost

    if not len(actual):
        return actual
    at = norm.ppf(levels)
    line = np.clip((values <= actual[:, None]).sum(axis=1), 1, len(levels) - 1)
    row = np.arange(len(actual))
    low, high = values[row, line - 1], values[row, line]
    share = (actual - low) / np.maximum(high - low, 1e-9)
    return np.asarray(np.clip(at[line - 1] + share * (at[line] - at[line - 1]), -FARTHEST, FARTHEST))


def _windows(rows: pl.DataFrame) -> pl.DataFrame:
    """Each week with the weeks before it, under the last one's name."""
    weeks = rows.select(SERIES).unique()
    later = [rows.with_columns(pl.col("week") + timedelta(weeks=back)) for back in range(1, WINDOW_WEEKS)]
    return pl.concat([rows, *(part.join(weeks, on=SERIES, how="semi") for part in later)])


def _full(windows: pl.DataFrame) -> pl.DataFrame:
    return windows.filter(pl.col("hours") >= LEAST_SHARE * 7 * 24 * WINDOW_WEEKS)


def _of_kind(frame: pl.DataFrame, keys: list[str], values: list[str]) -> pl.DataFrame:
    """Medians over the meters of a kind."""
    medians = frame.group_by(keys).agg(pl.col(values).median())
    return medians.select(pl.concat_str(pl.lit("all:"), "kind").alias("meter_id"), *keys, *values)


def _change(name: str) -> pl.Expr:
    """From the base, which is null as long as it has too few weeks; rows are sorted by series and week."""
    base = pl.col(name).shift(GAP_WEEKS + 1).rolling_median(BASE_WEEKS, min_samples=LEAST_BASE_WEEKS)
    return pl.col(name) - base.over("meter_id")


def _shape(by_hour: pl.DataFrame) -> pl.DataFrame:
    """Largest change of a block of hours in how far it is off the window's mean."""
    wide = by_hour.sort(*SERIES, "local_hour").pivot("local_hour", index=SERIES, values="residual").sort(SERIES)
    names = sorted((name for name in wide.columns if name not in SERIES), key=int)
    if not names:
        return wide.with_columns(pl.lit(None, dtype=pl.Float64).alias(SHAPE))
    mean = pl.Series(np.nanmean(wide.select(names).to_numpy(), axis=1))  # mean_horizontal adds in any order
    changes = wide.with_columns(pl.col(names) - mean).with_columns(_change(n) for n in names)
    profile = changes.select(names).to_numpy()
    blocks = np.mean([np.roll(profile, shift, axis=1) for shift in range(BLOCK_HOURS)], axis=0)
    return changes.select(SERIES).with_columns(pl.Series(SHAPE, np.abs(blocks).max(axis=1)).fill_nan(None))


def _long(frame: pl.DataFrame, column: str, methods: list[str]) -> pl.DataFrame:
    long = frame.unpivot(methods, index=SERIES, variable_name="method").with_columns(column_name=pl.lit(column))
    return long.drop_nulls("value").select(COLUMNS).sort("meter_id", "column_name", "method", "week")
