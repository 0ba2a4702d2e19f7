"""What is usual: thresholds of the statistics, learned from each series' own past.

Belongs here: the null of a series and the threshold that it gives every week. Does not belong here: statistics,
decisions.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_assets.monitoring.drift.statistics import COLUMNS, LEVEL, SHAPE, SPREAD

RATES = {LEVEL: 0.006, SHAPE: 0.006, SPREAD: 0.002}  # of weeks that a statistic of a series raises by chance
FLOORS = {LEVEL: 0.03, SHAPE: 0.03, SPREAD: 0.25}  # smaller changes matter to nobody
UNIT_FLOORS = {LEVEL: 0.25, SPREAD: 0.25}  # of normal scores, in standard deviations
GAP_WEEKS = 4  # before a week that do not say what is usual: what has begun must not excuse itself
LEAST_PAIRS = 14
SEASON_WEEKS, LEAST_SEASON = 6, 8  # around the same week of earlier years; windows that it takes
YEAR_WEEKS = 365.25 / 7
TAIL = 0.2  # share of the past that the tail is fitted to
CONFIDENCE = 0.75  # that the tail's mean excess is no larger
SERIES = ["meter_id", "column_name", "method"]
OWN, SEASONAL = "own past, pairs of windows", "own past, pairs of windows, scaled by the same season of earlier years"
NONE = "none: too few weeks of own past"
Matrix = NDArray[np.float64]


def with_thresholds(statistics: pl.DataFrame, *, learned_until: date | None = None) -> pl.DataFrame:
    """Scores, thresholds and what stands raised, week by week, each by the weeks before it alone.

    A statistic is raised when it is beyond its threshold two weeks in a row. So the null is one of pairs: for each week
    of the past the smaller of its own score and that of the week before, taken as they came, with their likeness. The
    threshold is what such a pair exceeds in `RATES` of the weeks: peaks over the largest fifth with an exponential tail
    (Pickands, 1975), whose mean excess is taken at its upper 75 % bound for as many runs as there were, because few
    weeks know little of their tail. It is scaled by how restless the same season of earlier years was, and never below
    `FLOORS`. Weeks that were raised, and the last four, are no part of the past.

    Args:
        statistics: `statistics.COLUMNS`.
        learned_until: a Monday from which on nothing is learned any more, as a test on years held out needs it.

    Returns:
        `statistics` with score (the magnitude; of `spread` what it has grown by), threshold, threshold_source, drifted
        and raised, sorted. While the past is too short, threshold is null and nothing drifts.
    """
    ordered = statistics.sort(*SERIES, "week")
    empty = ordered.clear().with_columns(
        score=pl.lit(0.0), threshold=pl.lit(0.0), threshold_source=pl.lit(""), drifted=pl.lit(value=False),
        raised=pl.lit(value=False),
    )  # fmt: skip
    series = ordered.partition_by(SERIES, maintain_order=True)
    return pl.concat([empty, *(_of_one(part, learned_until) for part in series)])


def _of_one(series: pl.DataFrame, learned_until: date | None) -> pl.DataFrame:
    method, column = series["method"][0], series["column_name"][0]
    floor = (UNIT_FLOORS if column == "forecast" else FLOORS)[method]
    number = series["week"].cast(pl.Int64).to_numpy() // 7  # the days of Mondays since 1970 differ by sevens
    week, count = number - number[0], number[-1] - number[0] + 1
    last = count if learned_until is None else (learned_until - date(1970, 1, 1)).days // 7 - number[0]
    score = np.full(count, np.nan)
    score[week] = series["value"].to_numpy() if method == SPREAD else series["value"].abs().to_numpy()
    pairs = np.minimum(score, np.r_[np.nan, score[:-1]])
    season = (number[0] + np.arange(count)) % YEAR_WEEKS
    threshold = np.full(count, np.nan)
    seasonal, drifted, raised = np.zeros((3, count), dtype=bool)
    for now in week:  # what was raised before decides what a week learns from
        past = np.arange(max(min(now - GAP_WEEKS, last), 0))
        clean = past[~raised[past] & np.isfinite(pairs[past])]
        if len(clean) < LEAST_PAIRS:
            continue
        apart = np.abs(season[clean] - season[now])
        same = clean[(np.minimum(apart, YEAR_WEEKS - apart) <= SEASON_WEEKS) & (now - clean > YEAR_WEEKS / 2)]
        seasonal[now] = len(same) >= LEAST_SEASON
        restless = _restlessness(score[clean], score[same]) if seasonal[now] else 1.0
        threshold[now] = max(_exceeded_in(pairs[clean], RATES[method]) * restless, floor)
        drifted[now] = score[now] > threshold[now]
        raised[now] = now > 0 and drifted[now] and drifted[now - 1]
    source = np.where(np.isnan(threshold), NONE, np.where(seasonal, SEASONAL, OWN))
    return series.select(COLUMNS).with_columns(
        pl.Series("score", score[week]),
        pl.Series("threshold", threshold[week]).fill_nan(None),
        pl.Series("threshold_source", source[week].tolist(), dtype=pl.String),
        pl.Series("drifted", drifted[week]),
        pl.Series("raised", raised[week]),
    )


def _restlessness(whole: Matrix, same: Matrix) -> float:
    """Root mean square of the same season over that of the whole past, shrunk towards 1 by few windows."""
    usual = float((whole**2).mean())
    if not usual:
        return 1.0
    return float(np.sqrt(((same**2).sum() + LEAST_SEASON * usual) / ((len(same) + LEAST_SEASON) * usual)))


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
