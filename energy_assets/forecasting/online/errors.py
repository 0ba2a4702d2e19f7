"""What the errors of the last days say of the next day's: levels shift, habits change, before a model learns it.

Belongs here: the correction of point forecasts by their own recent errors. Does not belong here: bands.

The mean of recent errors of the same hour, with a short and a long memory, times a factor that each meter has shown it
deserves: the regression of its errors on these means, drawn to zero by a month of them. A series whose errors are
chance is left alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from energy_assets.forecasting.features import Matrix
from energy_assets.forecasting.online.cube import decayed

HALF_LIVES = (3.0, 14.0)  # days
REACH = 6  # half-lives that a memory goes back
LIMIT = 0.5  # log ratio: what is further off is a fault
WINDOW_DAYS = 120
PRIOR_ROWS = 720  # a month of hours
FEWEST_DAYS = 14
OUTLIER = 4.0


def correct(point: Matrix, target: Matrix, known: NDArray[np.int64], issued: NDArray[np.int64]) -> Matrix:
    """Point forecasts moved by what their recent errors are worth (all arguments as in `weights.combine`)."""
    error = target - point
    signals = np.stack([_memory(error, known, issued, half) for half in HALF_LIVES], axis=-1)
    moved = point.copy()
    for day, instant in enumerate(issued):
        if day < FEWEST_DAYS:
            continue
        window = slice(max(0, day - WINDOW_DAYS), day)
        usable = (known[:, window] <= instant) & np.isfinite(error[:, window])
        factors = _factors(error[:, window], signals[:, window], usable)
        moved[:, day] += (signals[:, day] * factors[:, None, :]).sum(axis=-1)
    return moved


def _memory(error: Matrix, known: NDArray[np.int64], issued: NDArray[np.int64], half_life: float) -> Matrix:
    """Decayed mean error per meter and slot at each issue time, drawn to zero by one day's weight."""
    back = int(half_life * REACH)
    result = np.zeros_like(error)
    for day, instant in enumerate(issued):
        window = slice(max(0, day - back), day)
        usable = (known[:, window] <= instant) & np.isfinite(error[:, window])
        limited = np.where(usable, np.clip(error[:, window], -LIMIT, LIMIT), 0.0)
        weights = decayed(limited.shape[1], half_life)[None, :, None] * usable
        result[:, day] = (limited * weights).sum(axis=1) / (weights.sum(axis=1) + 1.0)
    return result


def _factors(error: Matrix, signals: Matrix, usable: NDArray[np.bool_]) -> Matrix:
    """Meters x signals: ridge regression of errors on signals, limited to 0-1."""
    meters, count = len(error), signals.shape[-1]
    size = usable.reshape(meters, -1)
    value = np.where(size, error.reshape(meters, -1), np.nan)
    known = size.any(axis=1)
    middle = np.full(meters, 0.0)
    middle[known] = np.nanmedian(np.abs(value[known]), axis=1)
    reach = (OUTLIER * 1.4826 * middle + 1e-9)[:, None]
    value = np.where(size, np.clip(np.nan_to_num(value), -reach, reach), 0.0)
    sign = np.where(size[:, :, None], signals.reshape(meters, -1, count), 0.0)
    normal = (sign[:, :, :, None] * sign[:, :, None, :]).sum(axis=1)
    rows = np.maximum(size.sum(axis=1), 1)[:, None]
    prior = PRIOR_ROWS * np.maximum((sign**2).sum(axis=1) / rows, 1e-12)
    normal += prior[:, :, None] * np.eye(count)
    moment = (sign * value[:, :, None]).sum(axis=1)
    result: Matrix = np.clip(np.linalg.solve(normal, moment[:, :, None])[:, :, 0], 0.0, 1.0)
    return result
