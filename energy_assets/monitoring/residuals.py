"""Residuals held against their own history: the scores that decide about drift.

Belongs here: the statistics, and the thresholds that chance in a meter's own past gives. Does not belong here: features
and verdicts (`drift.py`).
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from energy_assets.contracts import table

METHODS = ("log_residual_abs", "log_residual_bias")
MIN_REFERENCE_DAYS = 14
MIN_CURRENT_DAYS = 3
CHANCE = 0.999  # chance alone stays below the threshold in 999 of 1,000 windows of one series
MAX_MEMORY = 0.8  # autocorrelation of daily values; beyond it a short history tells nothing
CUSHION = 0.05  # of the meter's mean, so that hours near zero do not rule the logarithm
BIAS_FLOOR = 0.01  # a smaller log bias (1 %) matters to nobody
ABS_FLOOR = 1.1  # times the reference's mean


def residual_scores(residuals: pl.DataFrame, *, current_days: int = 14) -> pl.DataFrame:
    """The current window's residuals per meter and per kind (`all:<kind>`, the median of its meters).

    The residual is log(actual / forecast), with 5 % of the meter's mean added to both. `log_residual_abs` is its mean
    magnitude per day, `log_residual_bias` the distance of its daily mean from that of the reference. The threshold is
    the larger of what a past window of the same length reached, and what chance allows: a t interval for the difference
    of two means whose variance is that of the reference's days, inflated by (1 + r) / (1 - r) for their autocorrelation
    r (days in a row are alike, so they count for less), with as many degrees of freedom as days remain after that.

    Args:
        residuals: meter_id, kind, interval_start_utc (and local_date), actual_kwh, predicted_kwh. Nulls do not count.
        current_days: days of the current window; with fewer than three times as many days in all, a third of them.

    Returns:
        Rows of `monitoring.drift_scores`. Series with fewer than 14 days of reference or 3 current ones have a null
        threshold and are not drifted; series without a current day have no row.
    """
    contract = table("monitoring.drift_scores")
    known = residuals.drop_nulls(["actual_kwh", "predicted_kwh"])
    if known.is_empty():
        return contract.empty()
    daily = _daily(known)
    days = daily.select("day").unique().sort("day")
    count = min(current_days, days.height // 3)
    split = days["day"][days.height - count] if count else days["day"].max()
    start, middle, end = days["day"][0], split, days["day"][-1] + timedelta(days=1)
    parts = [_judge(daily, days, count, method) for method in METHODS]
    scores = pl.concat(parts).with_columns(
        column_name=pl.lit("residual"),
        role=pl.lit("decides"),
        reference_start_utc=_midnight(start),
        reference_end_utc=_midnight(middle),
        current_start_utc=_midnight(middle),
        current_end_utc=_midnight(end),
    )
    return contract.conform(scores.drop_nulls("score")).sort(contract.key)


def _daily(known: pl.DataFrame) -> pl.DataFrame:
    """meter_id (and all:<kind>), day, log_residual_abs, log_residual_bias."""
    day = pl.col("local_date") if "local_date" in known.columns else pl.col("interval_start_utc").dt.date()
    cushion = CUSHION * pl.col("actual_kwh").abs().mean().over("meter_id") + 1e-9

    def log(column: str) -> pl.Expr:
        return (pl.max_horizontal(pl.col(column), pl.lit(0.0)) + cushion).log()

    logged = known.with_columns(day=day, log_residual=log("actual_kwh") - log("predicted_kwh"))
    statistics = {
        "log_residual_abs": pl.col("log_residual").abs().mean(),
        "log_residual_bias": pl.col("log_residual").mean(),
    }
    meters = logged.group_by("meter_id", "kind", "day").agg(**statistics)
    kinds = meters.group_by(meter_id=pl.concat_str(pl.lit("all:"), "kind"), day="day").agg(pl.col(METHODS).median())
    return pl.concat([meters.select("meter_id", "day", *METHODS), kinds.select("meter_id", "day", *METHODS)])


def _judge(daily: pl.DataFrame, days: pl.DataFrame, count: int, method: str) -> pl.DataFrame:
    """Score and threshold of all series at once: a matrix of days by series."""
    wide = days.join(
        daily.sort("meter_id", "day").pivot("meter_id", index="day", values=method), on="day", how="left"
    ).sort("day")
    names = [name for name in wide.columns if name != "day"]
    matrix = wide.select(names).to_numpy().astype(np.float64)
    reference, current = matrix[: len(matrix) - count], matrix[len(matrix) - count :]
    enough = (np.isfinite(reference).sum(axis=0) >= MIN_REFERENCE_DAYS) & (
        np.isfinite(current).sum(axis=0) >= MIN_CURRENT_DAYS
    )
    centre, score = _mean(reference), _mean(current)
    past = _past_means(reference, count)
    by_chance = _chance(reference, current)
    if method == "log_residual_bias":
        score, reached, usual = np.abs(score - centre), np.abs(past - centre), by_chance
        floor = np.full(len(names), BIAS_FLOOR)
    else:
        reached, usual, floor = past, centre + by_chance, ABS_FLOOR * centre
    highest = np.max(np.where(np.isfinite(reached), reached, -np.inf), axis=0)
    threshold = np.where(enough, np.maximum(np.maximum(usual, highest), floor), np.nan)
    return pl.DataFrame({"meter_id": names, "score": score, "threshold": threshold}, nan_to_null=True).with_columns(
        method=pl.lit(method),
        drifted=(pl.col("score") > pl.col("threshold")).fill_null(value=False),
        threshold_source=pl.when(pl.col("threshold").is_null())
        .then(pl.lit("none: too few days of own history"))
        .otherwise(pl.lit("own history: past windows and scatter of its days")),
    )


def _past_means(reference: np.ndarray, window: int) -> np.ndarray:
    """Mean of every past window: (windows, series)."""
    window = max(1, min(window, len(reference)))
    rows = np.arange(len(reference) - window + 1)[:, None] + np.arange(window)
    return _mean(reference[rows], axis=1)


def _chance(reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    """How far the mean of the current days may be from that of the reference by chance alone, per series."""
    from scipy.stats import t as student_t  # a second of import that loading the package should not cost

    days, recent = np.isfinite(reference).sum(axis=0), np.isfinite(current).sum(axis=0)
    deviation = reference - _mean(reference)
    variance = _mean(deviation**2) * days / np.maximum(days - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        memory = _mean(deviation[1:] * deviation[:-1]) / variance
        memory = memory + (1 + 3 * memory) / days  # the estimate of so few days is too low (Kendall, 1954)
        memory = np.clip(np.nan_to_num(memory), 0.0, MAX_MEMORY)
        inflation = (1 + memory) / (1 - memory)
        spread = np.sqrt(variance * inflation * (1 / recent + 1 / days))
        freedom = np.maximum(days / inflation - 1, 3)
    return np.asarray(student_t.ppf(CHANCE, freedom) * spread, dtype=np.float64)


def _mean(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Mean of the finite values, NaN where there is none, without numpy's warning about it."""
    finite = np.isfinite(values)
    count = finite.sum(axis=axis)
    total = np.where(finite, values, 0.0).sum(axis=axis)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), dtype=np.float64)


def _midnight(day: object) -> pl.Expr:
    return pl.lit(day, dtype=pl.Date).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
