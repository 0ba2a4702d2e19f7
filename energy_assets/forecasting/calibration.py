"""Conformal calibration of quantiles on recent held-out days.

Belongs here: the corrections per quantile and block of the day, and how they are learned and applied. Does not belong
here: the quantile models themselves.

Each quantile is moved by the same quantile of what demand exceeded it by on held-out days, so that the share of
exceedances is right on them (conformalised quantile regression, Romano et al. 2019, one-sided per quantile). The moves
are shares of the predicted spread of the row, so that what a calm season taught still holds in a stormy one. Blocks of
six hours are pulled towards the whole day where they hold few hours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy_assets.forecasting.features import Matrix

BLOCK_HOURS = 6
BLOCKS = 24 // BLOCK_HOURS
PRIOR_ROWS = 150  # a block counts as much as the whole day from this many held-out hours on
LEAST_SPREAD = 1e-3  # log ratio: no series is known to a tenth of a percent


@dataclass(frozen=True)
class Calibration:
    """Moves of the quantiles, blocks of the day x quantiles: `shares` of the row's spread, and `shifts` on top."""

    shares: Matrix
    shifts: Matrix

    def apply(self, quantiles: Matrix, hours: Matrix) -> Matrix:
        """Rows x quantiles, moved by the block of each row's local hour."""
        block = _block(hours)
        result: Matrix = quantiles + self.shares[block] * _spread(quantiles) + self.shifts[block]
        return result

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, for JSON."""
        return {"shares": self.shares.tolist(), "shifts": self.shifts.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_dict`."""
        return cls(*(np.asarray(values[name], dtype=np.float64) for name in ("shares", "shifts")))


def calibrate(
    actual: Matrix, quantiles: Matrix, hours: Matrix, levels: Sequence[float], *, median_shift: Matrix | None = None
) -> Calibration:
    """Learn the moves from held-out rows.

    Args:
        actual: log ratios of demand, one per row.
        quantiles: rows x `levels` in ascending order of levels, predicted by models that had not seen these rows.
        hours: local hour of each row.
        levels: probabilities of the quantiles.
        median_shift: per block, from `median_shifts`, in place of what these rows say of the median: recent days alone
            would move it by chance.

    >>> import numpy as np
    >>> c = calibrate(np.arange(100.0), np.zeros((100, 1)), np.zeros(100), [0.75])
    >>> round(float(c.apply(np.zeros((1, 1)), np.zeros(1))[0, 0]), 6)
    75.0
    """
    block = _block(hours)
    spread = _spread(quantiles)[:, 0]
    shares, shifts = np.zeros((BLOCKS, len(levels))), np.zeros((BLOCKS, len(levels)))
    for column, level in enumerate(levels):
        if level == 0.5 and median_shift is not None:
            shifts[:, column] = median_shift
        else:
            shares[:, column] = _per_block((actual - quantiles[:, column]) / spread, block, level)
    return Calibration(shares, shifts)


def median_shifts(actual: Matrix, point: Matrix, hours: Matrix) -> Matrix:
    """Per block of the day, the median of what demand exceeded the point forecast by: a mean of logs is no median."""
    return _per_block(actual - point, _block(hours), 0.5)


def _block(hours: Matrix) -> NDArray[np.int64]:
    return np.clip(hours.astype(np.int64) // BLOCK_HOURS, 0, BLOCKS - 1)


def _spread(quantiles: Matrix) -> Matrix:
    result: Matrix = np.maximum(quantiles[:, -1:] - quantiles[:, :1], LEAST_SPREAD)
    return result


def _per_block(values: Matrix, block: NDArray[np.int64], level: float) -> Matrix:
    whole = _quantile(values, level)
    result = np.full(BLOCKS, whole)
    for b in range(BLOCKS):
        part = values[block == b]
        if len(part):
            weight = len(part) / (len(part) + PRIOR_ROWS)
            result[b] = weight * _quantile(part, level) + (1 - weight) * whole
    return result


def _quantile(values: Matrix, level: float) -> float:
    if len(values) == 0:
        return 0.0
    # the outer step of a finite sample: upper quantiles round up, lower ones down, so that bands err to the wide side
    if level >= 0.5:
        return float(np.quantile(values, level, method="higher"))
    return float(np.quantile(values, level, method="lower"))
