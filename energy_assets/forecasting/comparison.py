"""Whether one of two forecasts is better by more than chance.

Belongs here: tests of paired losses over time. Does not belong here: the losses (`energy_assets.metrics`), what follows
from a test (`gate.py`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]


def diebold_mariano(loss_a: Losses, loss_b: Losses, *, lags: int) -> tuple[float, float]:
    """Test of Diebold and Mariano that two forecasts have the same expected loss: statistic and two-sided p-value.

    The statistic is negative where `a` is better. Losses of days in a row are alike, so the variance of their mean
    difference takes autocovariances in with Bartlett weights (Newey and West, 1987), and the statistic is corrected for
    short samples and held against Student's t (Diebold and Mariano, 1995; Harvey, Leybourne and Newbold, 1997).

    Args:
        loss_a: losses in the order of time, the same periods as `loss_b`.
        loss_b: losses of the other forecast.
        lags: autocovariances to take in; see `usual_lags`.

    Raises:
        ValueError: the losses differ in length, or there are fewer than two.

    Example:
        >>> better, worse = np.array([1.0, 2.0, 1.5, 1.0, 2.5]), np.array([2.0, 2.5, 3.0, 1.5, 3.0])
        >>> statistic, p_value = diebold_mariano(better, worse, lags=0)
        >>> statistic < 0, round(p_value, 3)
        (True, 0.016)
    """
    if loss_a.shape != loss_b.shape or loss_a.ndim != 1 or len(loss_a) < 2:
        raise ValueError(f"losses of shapes {loss_a.shape} and {loss_b.shape}: two equal rows of at least 2 are needed")
    from scipy.stats import t as student_t  # a second of import that loading the package should not cost

    difference = loss_a - loss_b
    n, lags = len(difference), min(lags, len(difference) - 1)
    mean = float(difference.mean())
    if np.ptp(difference) <= 1e-12 * max(abs(mean), float(np.abs(loss_a).max()), 1e-300):  # no chance in it
        return (0.0, 1.0) if abs(mean) <= 1e-12 * float(np.abs(loss_a).max()) else (math.copysign(math.inf, mean), 0.0)
    centred = difference - mean
    covariances = [float(centred[lag:] @ centred[: n - lag]) / n for lag in range(lags + 1)]
    weighted = sum(2 * (1 - lag / (lags + 1)) * covariances[lag] for lag in range(1, lags + 1))
    variance = (covariances[0] + weighted) / n
    steps = lags + 1
    correction = math.sqrt(max((n + 1 - 2 * steps + steps * (steps - 1) / n) / n, 0.0))
    statistic = correction * mean / math.sqrt(variance)
    return statistic, float(2 * student_t.sf(abs(statistic), n - 1))


def usual_lags(periods: int) -> int:
    """How many autocovariances a sample of that length bears (the rule of Newey and West, 1994).

    >>> usual_lags(28), usual_lags(365)
    (3, 5)
    """
    return int(4 * (periods / 100) ** (2 / 9))
