"""Conformal calibration of quantiles on recent held-out days.

Belongs here: the corrections per quantile and block of the day, and how they are learned and applied. Does not belong
here: the quantile models themselves.

Each quantile is moved by the same quantile of what demand exceeded it by on held-out days, so that the share of
exceedances is right on them (conformalised quantile regression, Romano et al. 2019, one-sided per quantile). Blocks of
six hours are pulled towards the whole day where they hold few hours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from energy_assets.forecasting.features import Matrix

BLOCK_HOURS = 6
BLOCKS = 24 // BLOCK_HOURS
PRIOR_ROWS = 150  # a block counts as much as the whole day from this many held-out hours on


@dataclass(frozen=True)
class Calibration:
    """Shifts in log ratios: blocks of the day × quantiles."""

    shifts: Matrix

    def apply(self, quantiles: Matrix, hours: Matrix) -> Matrix:
        """Rows × quantiles, shifted by the block of each row's local hour."""
        block = np.clip(hours.astype(np.int64) // BLOCK_HOURS, 0, BLOCKS - 1)
        result: Matrix = quantiles + self.shifts[block]
        return result

    def replace(self, column: int, other: Calibration) -> Calibration:
        """These shifts with those of one quantile taken from `other`, which has but one."""
        shifts = self.shifts.copy()
        shifts[:, column] = other.shifts[:, 0]
        return Calibration(shifts)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, for JSON."""
        return {"shifts": self.shifts.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_dict`."""
        return cls(np.asarray(values["shifts"], dtype=np.float64))


def calibrate(actual: Matrix, quantiles: Matrix, hours: Matrix, levels: Sequence[float]) -> Calibration:
    """Learn the shifts from held-out rows.

    Args:
        actual: log ratios of demand, one per row.
        quantiles: rows × `levels`, as predicted for these rows by models that had not seen them.
        hours: local hour of each row.
        levels: probabilities of the quantiles.

    >>> import numpy as np
    >>> c = calibrate(np.arange(100.0), np.zeros((100, 1)), np.zeros(100), [0.5])
    >>> float(c.apply(np.zeros((1, 1)), np.zeros(1))[0, 0])
    50.0
    """
    block = np.clip(hours.astype(np.int64) // BLOCK_HOURS, 0, BLOCKS - 1)
    shifts = np.zeros((BLOCKS, len(levels)))
    for column, level in enumerate(levels):
        beyond = actual - quantiles[:, column]
        whole = _quantile(beyond, level)
        for b in range(BLOCKS):
            part = beyond[block == b]
            weight = len(part) / (len(part) + PRIOR_ROWS)
            shifts[b, column] = whole if len(part) == 0 else weight * _quantile(part, level) + (1 - weight) * whole
    return Calibration(shifts)


def _quantile(values: Matrix, level: float) -> float:
    if len(values) == 0:
        return 0.0
    # the outer step of a finite sample: upper quantiles round up, lower ones down, so that bands err to the wide side
    method = "higher" if level >= 0.5 else "lower"
    return float(np.quantile(values, level, method=method))
