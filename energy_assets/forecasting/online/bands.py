"""Bands around a point forecast whose widths follow the errors of the last months.

Belongs here: the quantiles' distances from the point. Does not belong here: the quantile models that give their shape.

Two conformal forms are averaged: the errors of the last months divided by the width that the quantile models expected
(the same shape for every hour, its width theirs), and the expected distances times the factor that each of them would
have needed (their shape, stretched). The levels asked for move day by day with the share of hours that stayed below
each quantile (adaptive conformal inference, Gibbs and Candès 2021): coverage holds through changes of season and habit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from energy_assets.forecasting.features import Matrix
from energy_assets.forecasting.online.cube import decayed, weighted_quantiles

HALF_LIFE = 30.0  # days
WINDOW_DAYS = 90
FEWEST_DAYS = 14
PRIOR_ROWS = 500.0  # hours after which a factor is believed by half
SHAPES = 0.5  # share of the stretched shape in the average
RATE, FORGETTING, FURTHEST = 0.02, 0.99, 0.08  # of the levels' moves, per day
LEAST_WIDTH = 1e-3  # log ratio: no series is known to a tenth of a percent
LEAST_SHARES = {0.05: 0.2, 0.1: 0.14, 0.25: 0.06}  # of the 80 % band: an expected distance is never less
LEAST_FACTOR = 0.1
OUTERMOST = 0.003


def banded(
    point: Matrix, distances: Matrix, target: Matrix, known: NDArray[np.int64], issued: NDArray[np.int64],
    levels: Sequence[float],
) -> Matrix:  # fmt: skip
    """Quantiles of every meter, day and slot, in log ratios, not sorted.

    Args:
        point: meters x days x slots.
        distances: the same x levels: expected distances from the point, 0 at the level 0.5.
        target: as `point`, NaN where there is no label.
        known: since when the label is known.
        issued: issue times of the days.
        levels: ascending, symmetric around 0.5.
    """
    wanted = np.asarray(levels)
    middle = int(np.argmin(np.abs(wanted - 0.5)))
    width = np.maximum(distances[..., -2] - distances[..., 1], LEAST_WIDTH)
    shape = _least(distances, width, wanted)
    result = point[..., None] + distances
    moves = np.zeros((len(point), len(wanted)))
    error = target - point
    for day, instant in enumerate(issued):
        if day < FEWEST_DAYS:
            continue
        window = slice(max(0, day - WINDOW_DAYS), day)
        usable = (known[:, window] <= instant) & np.isfinite(error[:, window])
        weights = (decayed(usable.shape[1], HALF_LIFE)[None, :, None] * usable).reshape(len(point), -1)
        asked = np.clip(wanted + moves, OUTERMOST, 1 - OUTERMOST)
        safe = np.where(usable, error[:, window], 0.0)
        alike = weighted_quantiles(_flat(safe / np.where(usable, width[:, window], 1.0)), weights, asked)
        rows = weights.sum(axis=1)
        believed = rows / (rows + PRIOR_ROWS)
        moved = np.zeros_like(result[:, day])
        for q in range(len(wanted)):
            if q == middle:
                continue
            ratio = _flat(safe / np.where(usable, shape[:, window, :, q], 1.0))
            # below the middle distances are negative: an error above its quantile has a ratio below the factor
            level = asked[:, [q]] if q > middle else 1 - asked[:, [q]]
            factor = np.maximum(np.nan_to_num(weighted_quantiles(ratio, weights, level)[:, 0], nan=1.0), LEAST_FACTOR)
            stretched = shape[:, day, :, q] * (factor**believed)[:, None]
            same = np.where(np.isfinite(alike[:, [q]]), width[:, day] * alike[:, [q]], stretched)
            moved[..., q] = SHAPES * stretched + (1 - SHAPES) * same
        result[:, day] = point[:, day, :, None] + moved
        judged = day - _delay(known[:, window], issued[window], instant)
        moves = _follow(moves, result, target, known, judged, instant, wanted)
    return result


def _follow(
    moves: Matrix, result: Matrix, target: Matrix, known: NDArray[np.int64], day: int, instant: np.int64, wanted: Matrix
) -> Matrix:
    """The moves after one more day has come true."""
    if day < FEWEST_DAYS:
        return moves
    seen = (known[:, day] <= instant) & np.isfinite(target[:, day])
    below = (target[:, day, :, None] <= result[:, day]) & seen[:, :, None]
    count = seen.sum(axis=1)[:, None]
    share = below.sum(axis=1) / np.maximum(count, 1)
    found: Matrix = np.clip(moves * FORGETTING + RATE * (wanted - share), -FURTHEST, FURTHEST)
    return np.where(count > 0, found, moves)


def _delay(known: NDArray[np.int64], issued: NDArray[np.int64], instant: np.int64) -> int:
    """Issue days until a day's demand is known, nearly always, by what has arrived: 2 where that takes hours."""
    days = (known - issued[None, :, None]) / 86_400e6
    arrived = days[known <= instant]
    return max(int(np.ceil(np.quantile(arrived, 0.95))), 1) if len(arrived) else 2


def _least(distances: Matrix, width: Matrix, wanted: Matrix) -> Matrix:
    """Distances at least a share of the width, on their side of the point."""
    result = distances.copy()
    for q, level in enumerate(wanted):
        share = LEAST_SHARES.get(round(float(min(level, 1 - level)), 6), 0.0)
        if level < 0.5:
            result[..., q] = np.minimum(distances[..., q], -share * width)
        elif level > 0.5:
            result[..., q] = np.maximum(distances[..., q], share * width)
    return result


def _flat(values: Matrix) -> Matrix:
    result: Matrix = values.reshape(len(values), -1)
    return result
