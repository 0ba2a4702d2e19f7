"""Weights of experts, learned anew for each meter at each issue time.

Belongs here: the combination of point forecasts. Does not belong here: what the experts are.

Convex weights by non-negative least squares on the errors of the last months, drawn towards weights in proportion to a
power of past accuracy: estimated weights alone rarely beat a mean, a mean of good and bad rarely beats the good.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from energy_assets.forecasting.features import Matrix

WINDOW_DAYS = 120
PRIOR_STRENGTH = 3.0  # rows of the prior for each row of the record, in units of the experts' disagreement
PRIOR_POWER = 4.0
FEWEST_ROWS = 100
OUTLIER = 4.0


def combine(experts: Matrix, target: Matrix, known: NDArray[np.int64], issued: NDArray[np.int64]) -> Matrix:
    """The combined forecast of every meter, day and slot, by what was known at the day's issue time.

    Args:
        experts: meters x days x slots x experts, log ratios; all of them NaN where there is no row. The first one
            speaks alone while too little is known to tell.
        target: meters x days x slots, log ratios, NaN where there is no label.
        known: the same shape: since when the label is known.
        issued: issue times of the days.
    """
    result = np.full(target.shape, np.nan)
    alone = np.eye(experts.shape[-1])[0]
    for day, instant in enumerate(issued):
        window = slice(max(0, day - WINDOW_DAYS), day)
        usable = (known[:, window] <= instant) & np.isfinite(target[:, window]) & np.isfinite(experts[:, window, :, 0])
        for meter in range(len(target)):  # one small system each; at most `FEW_METERS` meters come here
            seen = usable[meter]
            enough = int(seen.sum()) >= FEWEST_ROWS
            weights = convex_weights(experts[meter, window][seen], target[meter, window][seen]) if enough else alone
            # a sum per row, not a product of matrices: the same bits whichever days are asked together
            result[meter, day] = (experts[meter, day] * weights).sum(axis=-1)
    return result


def convex_weights(experts: Matrix, target: Matrix) -> Matrix:
    """Weights that sum to 1, none negative.

    Args:
        experts: rows x experts.
        target: one per row.

    >>> import numpy as np
    >>> truth = np.sin(np.arange(200.0))
    >>> convex_weights(np.column_stack([truth, -truth]), truth).round(2).tolist()
    [1.0, 0.0]
    """
    from scipy.optimize import nnls  # a second of import that loading the package should not cost

    count = experts.shape[1]
    accuracy = np.maximum(np.abs(target[:, None] - experts).mean(axis=0), 1e-9) ** -PRIOR_POWER
    prior = accuracy / accuracy.sum()
    centre = np.median(experts, axis=1)
    error = target - centre
    reach = OUTLIER * 1.4826 * float(np.median(np.abs(error))) + 1e-9
    apart = experts - centre[:, None]
    strength = PRIOR_STRENGTH * len(target) * max(float(np.median(np.abs(apart))) ** 2, 1e-12)
    normal = apart.T @ apart + strength * np.eye(count)
    moment = apart.T @ np.clip(error, -reach, reach) + strength * prior
    sum_to_one = 1e3 * float(np.trace(normal)) / count
    root = np.linalg.cholesky(normal + sum_to_one)
    solved, _ = nnls(root.T, np.linalg.solve(root, moment + sum_to_one))
    total = float(solved.sum())
    result: Matrix = solved / total if total > 0 else prior
    return result
