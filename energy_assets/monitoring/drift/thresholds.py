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
Counts = NDArray[np.int64]


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
    alike = ordered.partition_by("column_name", "method", maintain_order=True)
    return pl.concat([empty, *(_of_all(part, learned_until) for part in alike)]).sort(*SERIES, "week")


def _of_all(rows: pl.DataFrame, learned_until: date | None) -> pl.DataFrame:
    """All series of one statistic: matrices have a row per week, a column per series."""
    method, column = rows["method"][0], rows["column_name"][0]
    floor = (UNIT_FLOORS if column == "forecast" else FLOORS)[method]
    number = rows["week"].cast(pl.Int64).to_numpy() // 7  # the days of Mondays since 1970 differ by sevens
    first, weeks = number.min(), number.max() - number.min() + 1
    last = weeks if learned_until is None else (learned_until - date(1970, 1, 1)).days // 7 - first
    at = (number - first, rows["meter_id"].rle_id().to_numpy())
    score = np.full((weeks, at[1][-1] + 1), np.nan)
    score[at] = rows["value"].to_numpy() if method == SPREAD else rows["value"].abs().to_numpy()
    pairs = np.minimum(score, np.concatenate([np.full_like(score[:1], np.nan), score[:-1]]))
    season = (first + np.arange(weeks)) % YEAR_WEEKS
    threshold, past = np.full((2, *score.shape), np.nan)
    squares = np.zeros_like(score)
    clean, seasonal, drifted, raised = np.zeros((4, *score.shape), dtype=bool)
    known = np.zeros(score.shape[1], dtype=np.int64)  # pairs of each series in `past`, one below the other
    for now in range(GAP_WEEKS + 1, weeks):  # what was raised before decides what a week learns from
        seen = now - GAP_WEEKS - 1
        if seen < last:
            clean[seen] = ~raised[seen] & np.isfinite(pairs[seen])
            past[known[clean[seen]], clean[seen]] = pairs[seen, clean[seen]]
            squares[seen, clean[seen]] = score[seen, clean[seen]] ** 2
            known += clean[seen]
        some = known >= LEAST_PAIRS
        if not some.any():
            continue
        apart = np.abs(season - season[now])
        same = (np.minimum(apart, YEAR_WEEKS - apart) <= SEASON_WEEKS) & (now - np.arange(weeks) > YEAR_WEEKS / 2)
        windows = clean[same].sum(axis=0)
        seasonal[now] = some & (windows >= LEAST_SEASON)
        restless = _restlessness(squares.sum(axis=0), known, squares[same].sum(axis=0), windows)
        usual = _exceeded_in(past[: known.max(), some], known[some], RATES[method])
        threshold[now, some] = np.maximum(usual * np.where(seasonal[now], restless, 1.0)[some], floor)
        drifted[now] = score[now] > threshold[now]
        raised[now] = drifted[now] & drifted[now - 1]
    source = np.where(np.isnan(threshold), NONE, np.where(seasonal, SEASONAL, OWN))
    return rows.select(COLUMNS).with_columns(
        pl.Series("score", score[at]),
        pl.Series("threshold", threshold[at]).fill_nan(None),
        pl.Series("threshold_source", source[at].tolist(), dtype=pl.String),
        pl.Series("drifted", drifted[at]),
        pl.Series("raised", raised[at]),
    )


def _restlessness(whole: Matrix, known: Counts, same: Matrix, windows: Counts) -> Matrix:
    """Root mean square of the same season over that of the whole past, shrunk towards 1 by few windows.

    Per series: sum of squares and number of the whole past, and of the same season in it.
    """
    usual = whole / np.maximum(known, 1)
    shrunk = (windows + LEAST_SEASON) * usual
    return np.sqrt(np.divide(same + LEAST_SEASON * usual, shrunk, out=np.ones_like(usual), where=usual > 0))


def _exceeded_in(pairs: Matrix, known: Counts, rate: float) -> Matrix:
    """Per series the value that is exceeded in `rate` of the weeks; `pairs` has `known` of them above and NaN below."""
    from scipy.stats import chi2  # a second of import that loading the package should not cost

    place = (1 - TAIL) * (known - 1)  # of the edge, between two pairs in order
    below = place.astype(np.int64)
    low, high = np.take_along_axis(np.sort(pairs, axis=0), np.stack([below, below + 1]), axis=0)
    edge: Matrix = low + (high - low) * (place - below)
    beyond = pairs > edge
    begins = beyond & ~np.concatenate([np.zeros_like(beyond[:1]), beyond[:-1]])
    runs = begins.sum(axis=0)
    mean = np.where(beyond, pairs - edge, 0.0).sum(axis=0) / np.maximum(beyond.sum(axis=0), 1)
    bounds = np.asarray(chi2.ppf(1 - CONFIDENCE, 2 * np.maximum(np.arange(runs.max() + 1), 1)))
    excess: Matrix = mean * 2 * runs / bounds[runs]
    return edge + excess * float(np.log(TAIL / rate))
