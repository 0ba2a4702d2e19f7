"""The linear challenger: one ridge regression per local hour, over all meters of a kind.

Belongs here: its columns, its fit, its prediction. Does not belong here: trees, blending, calibration.

Trees do not extrapolate; this does. The form is the "LEAR" family of day-ahead models (Lago et al., Applied Energy 293,
2021), with temperature terms as in Hong's regressions, solved in closed form: 24 small systems, a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from energy_assets.forecasting.features import Matrix

HOURS = 24
OUTLIER = 4.0  # robust standard deviations
DEGREES = ("temperature_change", "heating_", "hard_heating_", "cooling_", "wind_heating")
LIMIT = 6.0  # standardised values beyond this are limited: a linear model follows an absurd input without end


@dataclass(frozen=True)
class HourlyRidge:
    """Coefficients per local hour (row) and standardised column; means and scales of the columns."""

    mean: Matrix
    scale: Matrix
    intercept: Matrix
    coefficients: Matrix

    def predict(self, columns: Matrix, hours: Matrix) -> Matrix:
        """Log ratios, one per row; `columns` as `linear_columns` makes them, `hours` local hours 0-23."""
        index = hours.astype(np.int64)
        standard = scaled(columns, self.mean, self.scale)
        result: Matrix = (standard * self.coefficients[index]).sum(axis=1) + self.intercept[index]
        return result

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, for JSON."""
        return {k: getattr(self, k).tolist() for k in ("mean", "scale", "intercept", "coefficients")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HourlyRidge:
        """The inverse of `to_dict`."""
        return cls(**{k: np.asarray(v, dtype=np.float64) for k, v in values.items()})


def one_blas_thread() -> None:
    """Let this process's BLAS use one thread from now on: with more, sums come in another order and in other bits.

    Not undone afterwards: models are trained side by side in threads, and the first to end would undo it for the rest.
    """
    import scipy.linalg  # noqa: F401 - only a library that is loaded can be told, and scipy brings a BLAS of its own

    threadpool_limits(limits=1, user_api="blas")


def linear_columns(matrix: Matrix, names: Sequence[str]) -> Matrix:
    """The columns of the regression, made from a design matrix: weekdays, bent temperatures, changes, log ratios."""
    at = {name: matrix[:, i] for i, name in enumerate(names)}
    day = at["day_of_week"]
    near_weekend = ((day == 1) | (day >= 6)).astype(np.float64)
    columns = [(day == d).astype(np.float64) for d in range(2, 8)]
    columns += [(at["day_group_code"] == group).astype(np.float64) for group in (1, 2, 3)]
    columns += [at[n] for n in names if n.startswith("is_") and n != "is_weekend"]
    columns += [at[n] for n in ("year_sin_1", "year_cos_1", "year_sin_2", "year_cos_2")]
    ratios = [n for n in names if n.endswith("log_ratio")]
    columns += [at[n] for n in ratios]
    # the last known day and the morning say less about a day on the other side of a weekend
    columns += [
        near_weekend * at[n]
        for n in ("demand_last_day_same_hour_log_ratio", "morning_log_ratio", "demand_lag_7d_log_ratio")
    ]
    if "temperature_c" in at:
        for n in ("temperature_c", "temperature_mean_24h_c", "temperature_mean_72h_c"):
            columns += [np.maximum(15 - at[n], 0), np.maximum(at[n] - 20, 0), np.maximum(8 - at[n], 0)]
        columns += [at[n] for n in names if n.startswith(DEGREES)]
        # offices do not heat at weekends, and start cold on Mondays
        rest = (day == 7) | (at["is_holiday"] > 0)
        for kind in (rest, (day == 6) & ~rest, (day == 1) & ~rest):
            columns += [kind * at[n] for n in ("heating_degrees_c", "heating_mean_24h_c")]
        columns += [
            at[n]
            for n in (
                "temperature_day_min_c",
                "temperature_day_max_c",
                "relative_humidity_pct",
                "wind_speed_ms",
                "cloud_cover_pct",
                "solar_irradiance_wm2",
            )
        ]
    return np.column_stack(columns)


def fit_ridge(columns: Matrix, target: Matrix, hours: Matrix, *, alpha: float) -> HourlyRidge:
    """Fit 24 regressions.

    Args:
        columns: rows x columns, NaN where unknown (counts as the column's mean).
        target: log ratios, finite.
        hours: local hour of each row; an hour without rows predicts the overall mean.
        alpha: weight of the squared coefficients of standardised columns.
    """
    known = np.isfinite(columns)
    count = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, columns, 0.0)
    mean = filled.sum(axis=0) / count
    scale = np.sqrt(np.where(known, (columns - mean) ** 2, 0.0).sum(axis=0) / count)
    scale[scale < 1e-9] = 1.0
    standard = scaled(columns, mean, scale)
    size = columns.shape[1]
    intercept = np.full(HOURS, target.mean())
    coefficients = np.zeros((HOURS, size))
    penalty = alpha * np.eye(size)
    for hour in range(HOURS):
        rows = hours == hour
        if not rows.any():
            continue
        intercept[hour] = target[rows].mean()
        part = standard[rows]
        coefficients[hour] = np.linalg.solve(part.T @ part + penalty, part.T @ (target[rows] - intercept[hour]))
    return HourlyRidge(mean, scale, intercept, coefficients)


def fit_robust_ridge(columns: Matrix, target: Matrix, hours: Matrix, *, alpha: float) -> HourlyRidge:
    """`fit_ridge`, twice: the second time with targets far from the first fit drawn near to it.

    A faulty day of a meter would else bend every coefficient (Huber's proposal, in one step).
    """
    first = fit_ridge(columns, target, hours, alpha=alpha)
    return fit_ridge(columns, drawn_near(target, first.predict(columns, hours), OUTLIER), hours, alpha=alpha)


def drawn_near(target: Matrix, centre: Matrix, limit: float) -> Matrix:
    """Targets at most `limit` robust standard deviations (of their distances) from `centre`.

    >>> drawn_near(np.array([1.0, -1.0, 1.0, 50.0]), np.zeros(4), 5.0).round(1).tolist()
    [1.0, -1.0, 1.0, 7.4]
    """
    error = target - centre
    reach = limit * 1.4826 * float(np.median(np.abs(error))) + 1e-9
    result: Matrix = centre + np.clip(error, -reach, reach)
    return result


def scaled(columns: Matrix, mean: Matrix, scale: Matrix) -> Matrix:
    """Standardised columns, limited; unknown values count as their column's mean."""
    result: Matrix = columns - mean
    result /= scale
    result[np.isnan(result)] = 0.0
    return np.clip(result, -LIMIT, LIMIT, out=result)
