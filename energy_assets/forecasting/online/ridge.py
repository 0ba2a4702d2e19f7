"""Ridge regressions per meter and hour that learn each row as it becomes known.

Belongs here: the recursion. Does not belong here: its columns (`linear.py`), which expert counts (`weights.py`).

Recursive least squares (Plackett, Biometrika 37, 1950; the Kalman filter of a constant state): the inverse of the
penalised normal matrix is updated by each row, so the coefficients at every issue time are those of a ridge regression
on all that was known by then, at the cost of one product instead of one solution. Several penalties and limits to
errors run side by side: which serves a series best is not known beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy_assets.forecasting.features import Matrix

RECENT_ERRORS = 120  # per regression: their median scales the limit to errors
FEWEST_ERRORS = 20
INTERCEPT_VARIANCE = 100.0  # of the prior, in squared log ratios: as good as free


@dataclass(frozen=True)
class Family:
    """The experts: every penalty with every limit to an error, in robust standard deviations of recent errors.

    A tight limit makes the forecast nearer to a median and deaf to faults, none makes it learn from rare cold.
    """

    penalties: tuple[float, ...] = (2.0, 20.0, 200.0)
    limits: tuple[float, ...] = (1.5, 8.0)
    warm_up: int = 60  # rows that a regression must have seen before it speaks

    @property
    def size(self) -> int:
        """Number of experts."""
        return len(self.penalties) * len(self.limits)


def recursive_ridge(
    columns: Matrix, target: Matrix, cell: NDArray[np.int64], issued: NDArray[np.int64], known: NDArray[np.int64],
    family: Family,
) -> Matrix:  # fmt: skip
    """What each expert would have said of every row at the row's issue time.

    Args:
        columns: rows x columns, standardised, finite.
        target: log ratios, NaN where there is no label.
        cell: number of the regression (meter and hour) that a row belongs to.
        issued: issue time of each row, an integer instant.
        known: since when the label is known, the same; a row is learned before the first issue time from then on, and
            never before its own.
        family: the experts.

    Returns:
        Rows x experts (penalty by penalty, limits within), NaN where the regression is not warm yet.
    """
    regressors = np.column_stack([np.ones(len(columns)), columns])
    state = _State(int(cell.max()) + 1, regressors.shape[1], family)
    times = np.unique(issued)
    arrival = np.searchsorted(times, np.maximum(known, issued + 1))
    learned = np.flatnonzero(np.isfinite(target) & (arrival < len(times)))
    learned = learned[np.lexsort((learned, known[learned], arrival[learned]))]
    bounds = np.searchsorted(arrival[learned], np.arange(len(times) + 1))
    due = np.argsort(issued, kind="stable")
    due_bounds = np.searchsorted(issued[due], times)
    result = np.full((len(columns), family.size), np.nan)
    for i in range(len(times)):  # one per issue day, all meters and hours at once
        rows = learned[bounds[i] : bounds[i + 1]]
        while len(rows):
            first = np.unique(cell[rows], return_index=True)[1]  # a cell learns one row at a time
            state.learn(cell[rows[first]], regressors[rows[first]], target[rows[first]])
            rows = np.delete(rows, first)
        end = due_bounds[i + 1] if i + 1 < len(times) else len(due)
        now = due[due_bounds[i] : end]
        now = now[state.seen[cell[now]] >= family.warm_up]
        if len(now):
            result[now] = state.predict(cell[now], regressors[now])
    return result


class _State:
    """Coefficients of every expert and cell, and the inverse matrices that all limits of a penalty share."""

    def __init__(self, cells: int, size: int, family: Family) -> None:
        self.family = family
        penalties, limits = len(family.penalties), len(family.limits)
        self.inverse = np.empty((penalties, cells, size, size))
        for i, penalty in enumerate(family.penalties):
            self.inverse[i] = np.eye(size) / penalty
            self.inverse[i, :, 0, 0] = INTERCEPT_VARIANCE
        self.coefficients = np.zeros((penalties, limits, cells, size))
        self.errors = np.full((penalties, limits, cells, RECENT_ERRORS), np.inf)
        self.scale = np.full((penalties, limits, cells), np.inf)
        self.judged = np.zeros(cells, dtype=np.int64)
        self.seen = np.zeros(cells, dtype=np.int64)

    def predict(self, cell: NDArray[np.int64], regressors: Matrix) -> Matrix:
        """Rows x experts."""
        # a sum per row and not one product of matrices: its bits must not depend on which rows are asked together
        parts = (self.coefficients[:, :, cell] * regressors).sum(axis=-1)
        result: Matrix = np.moveaxis(parts, -1, 0).reshape(len(cell), -1)
        return result

    def learn(self, cell: NDArray[np.int64], regressors: Matrix, target: Matrix) -> None:
        """One row for each of some cells."""
        error = target - (self.coefficients[:, :, cell] * regressors).sum(axis=-1)
        reach = np.asarray(self.family.limits)[None, :, None] * self.scale[:, :, cell]
        limited = np.clip(error, -reach, reach)
        warm = cell[self.seen[cell] >= self.family.warm_up]
        if len(warm):
            self.errors[:, :, warm, self.judged[warm] % RECENT_ERRORS] = np.abs(
                error[:, :, self.seen[cell] >= self.family.warm_up]
            )
            self.judged[warm] += 1
            ready = warm[self.judged[warm] >= FEWEST_ERRORS]
            self.scale[:, :, ready] = 1.4826 * self._median_error(ready)
        self.seen[cell] += 1
        everyone = len(cell) == len(self.seen) and bool((cell == np.arange(len(cell))).all())
        for i in range(len(self.family.penalties)):
            inverse = self.inverse[i] if everyone else self.inverse[i, cell]
            spread = (inverse @ regressors[:, :, None])[:, :, 0]
            gain = spread / (1.0 + (spread * regressors).sum(axis=-1))[:, None]
            inverse -= gain[:, :, None] * spread[:, None, :]
            if not everyone:  # a choice of cells is a copy
                self.inverse[i, cell] = inverse
            self.coefficients[i][:, cell] += limited[i][:, :, None] * gain

    def _median_error(self, cell: NDArray[np.int64]) -> Matrix:
        """Of the recent errors of some cells; those that are not there yet are infinite and come last."""
        ordered = np.sort(self.errors[:, :, cell], axis=-1)
        count = np.minimum(self.judged[cell], RECENT_ERRORS)
        at = np.arange(len(cell))
        result: Matrix = (ordered[:, :, at, (count - 1) // 2] + ordered[:, :, at, count // 2]) / 2
        return result
