"""What is usual: thresholds of the weekly statistics, learned from each series' own past.

Belongs here: the null of a series and the threshold that it gives every week. Does not belong here: statistics,
decisions.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from energy_assets.monitoring.drift.statistics import LEVEL, SHAPE, SPREAD

RATE = 0.005  # of weeks that one statistic of a series may raise by chance
GAP_WEEKS = 4  # before the week in question that do not say what is usual: what has begun must not excuse itself
LEAST_PAIRS = 20  # weeks with the week before them, of the past
SEASON_WEEKS, LEAST_SEASON = 6, 8  # around the same week of earlier years; windows that are asked for
TAIL = 0.2  # share of the past that the tail is fitted to
CONFIDENCE = 0.9  # that the tail's mean excess is not larger
FLOORS = {LEVEL: 0.03, SHAPE: 0.03, SPREAD: 0.25}
Matrix = np.ndarray


def with_thresholds(statistics: pl.DataFrame) -> pl.DataFrame:
    """Scores, thresholds and what stands raised, week by week, each by the weeks before it alone.

    A statistic is raised when it is beyond its threshold in two weeks in a row. So the null is that of pairs: of every
    week of the past the smaller of its own score and that of the week before (two weeks in a row as they came, their
    likeness included). The threshold is what such a pair exceeds in `RATE` of the weeks: beyond the largest fifth,
    peaks over threshold with an exponential tail (Pickands, 1975) whose mean excess is taken at its upper 90 % bound
    for as many independent runs as there were. It is scaled by how restless the same season of earlier years was.

    Args:
        statistics: `statistics.COLUMNS`.

    Returns:
        `statistics` with score (the magnitude of `value`; of `spread` what it is above the median of the past),
        threshold, threshold_source, drifted and raised; threshold is null, and nothing drifts, while the past is too
        short.
    """
    keys = ["meter_id", "column_name", "method"]
    parts = [_of_one(part) for part in statistics.sort(*keys, "week").partition_by(keys, maintain_order=True)]
    return pl.concat(parts) if parts else statistics


def _of_one(series: pl.DataFrame) -> pl.DataFrame:
    method = series["method"][0]
    days = series["week"].cast(pl.Int64).to_numpy()
    week = (days - days[0]) // 7
    value = np.full(week[-1] + 1, np.nan)
    value[week] = series["value"].to_numpy()
    season = (days[0] // 7 + np.arange(len(value))) % 52.1775
    score, threshold = np.full((2, len(value)), np.nan)
    seasonal = np.zeros(len(value), dtype=bool)
    drifted, raised = np.zeros((2, len(value)), dtype=bool)
    for now in week:
        past = np.arange(max(now - GAP_WEEKS, 0))
        clean = past[~raised[past]]
        magnitude = np.abs(value)
        if method == SPREAD and np.isfinite(value[clean]).any():
            magnitude = value - np.nanmedian(value[clean])
        score[now] = magnitude[now]
        pairs = np.fmin(magnitude[clean], np.where(clean > 0, magnitude[clean - 1], np.nan))
        pairs = pairs[np.isfinite(magnitude[clean]) & np.isfinite(np.where(clean > 0, magnitude[clean - 1], np.nan))]
        if len(pairs) >= LEAST_PAIRS:
            apart = np.abs(season[clean] - season[now])
            same = clean[(np.minimum(apart, 52.1775 - apart) <= SEASON_WEEKS) & (clean < now - 26)]
            restless, seasonal[now] = _restlessness(magnitude[clean], magnitude[same])
            threshold[now] = max(_exceeded_in(pairs, RATE) * restless, FLOORS[method])
            drifted[now] = score[now] > threshold[now]
            raised[now] = now > 0 and drifted[now] and drifted[now - 1]
    source = np.where(seasonal, "own past: pairs of weeks, scaled by the season of earlier years", "own past: pairs of weeks")
    source = np.where(np.isfinite(threshold), source, "none: too few weeks of own past")
    return series.with_columns(
        pl.Series("score", score[week]).fill_nan(None),
        pl.Series("threshold", threshold[week]).fill_nan(None),
        pl.Series("threshold_source", source[week].tolist(), dtype=pl.String),
        pl.Series("drifted", drifted[week]),
        pl.Series("raised", raised[week]),
    )


def _restlessness(whole: Matrix, same: Matrix) -> tuple[float, bool]:
    """Root mean square of the same season over that of the whole past, shrunk towards 1 where there are few windows."""
    whole, same = whole[np.isfinite(whole)] ** 2, same[np.isfinite(same)] ** 2
    if len(same) < LEAST_SEASON or not whole.any():
        return 1.0, False
    usual = float(whole.mean())
    return float(np.sqrt((same.sum() + LEAST_SEASON * usual) / ((len(same) + LEAST_SEASON) * usual))), True


def _exceeded_in(pairs: Matrix, rate: float) -> float:
    """The value that is exceeded in `rate` of the weeks."""
    from scipy.stats import chi2  # a second of import that loading the package should not cost

    edge = float(np.quantile(pairs, 1 - TAIL))
    beyond = pairs > edge
    runs = int((beyond & ~np.r_[False, beyond[:-1]]).sum())
    if not runs:
        return edge
    excess = float((pairs[beyond] - edge).mean()) * 2 * runs / float(chi2.ppf(1 - CONFIDENCE, 2 * runs))
    return edge + excess * float(np.log(TAIL / rate))
