"""From a few quantiles to a distribution: probabilities and quantiles in between.

Belongs here: the interpolation and its tails, vectorised over rows, for all who read quantile forecasts. Does not
belong here: making or calibrating quantiles.

Between two quantiles the distribution function is linear in the value (the quantile function is piecewise linear and
monotone). Beyond the outermost quantiles the tails are exponential, with the scale that the two outermost quantiles
imply: with the quantiles 0.90 and 0.95 an upper tail `P(X > x) = 0.05 exp(-(x - q95) / s)`, `s = (q95 - q90) / ln 2`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def wide_quantiles(forecasts: pl.DataFrame, keys: Sequence[str]) -> tuple[pl.DataFrame, Floats, Floats]:
    """Quantiles of long rows as a matrix.

    Args:
        forecasts: `keys`, quantile, demand_kwh; of several revisions the last counts.
        keys: columns that name an interval of a forecast.

    Returns:
        The n intervals that have all quantiles, sorted by `keys`; (k,) their levels; (n, k) the values.

    Example:
        >>> rows = pl.DataFrame({"hour": [1, 1], "quantile": [0.9, 0.1], "demand_kwh": [3.0, 2.0]})
        >>> wide_quantiles(rows, ["hour"])[2].tolist()
        [[2.0, 3.0]]
    """
    if "revision" in forecasts.columns:
        newest = pl.col("revision") == pl.col("revision").max().over([*keys, "quantile"])
        forecasts = forecasts.filter(newest)
    levels = forecasts["quantile"].unique().sort().to_numpy()
    said = (
        forecasts.sort("quantile")
        .group_by(*keys)
        .agg(values="demand_kwh")
        .filter(pl.col("values").list.len() == len(levels))
        .sort(*keys)
    )
    values = said["values"].explode(empty_as_null=False).to_numpy().reshape(said.height, len(levels))
    return said.drop("values"), levels, values


def exceedance(levels: Floats, values: Floats, thresholds: Floats) -> Floats:
    """P(X > threshold) per row.

    Args:
        levels: (k,) increasing probabilities strictly between 0 and 1, k >= 2.
        values: (n, k) the quantiles at these levels. Rows that cross are sorted first.
        thresholds: (n,) in the unit of the values.

    Example:
        >>> exceedance(np.array([0.1, 0.5, 0.9]), np.array([[1.0, 2.0, 4.0]]), np.array([3.0])).round(3).tolist()
        [0.3]
    """
    values = np.sort(values, axis=1)
    x = thresholds[:, None]
    below = (values <= x).sum(axis=1)  # how many quantiles lie at or below the threshold
    inner = np.clip(below, 1, len(levels) - 1)
    rows = np.arange(len(values))
    left, right = values[rows, inner - 1], values[rows, inner]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = np.where(right > left, (thresholds - left) / (right - left), 0.0)
    cdf = levels[inner - 1] + np.clip(share, 0.0, 1.0) * (levels[inner] - levels[inner - 1])
    upper_scale, lower_scale = _tail_scales(levels, values)
    above_last, below_first = thresholds - values[:, -1], values[:, 0] - thresholds
    upper = (1 - levels[-1]) * _decay(above_last, upper_scale)
    lower = 1 - levels[0] * _decay(below_first, lower_scale)
    inside = np.where(below == 0, lower, 1.0 - cdf)
    return np.asarray(np.where(below == len(levels), upper, inside), dtype=np.float64)


def quantile_at(levels: Floats, values: Floats, probability: float) -> Floats:
    """The quantile at one probability per row, the inverse of `exceedance`.

    Example:
        >>> quantile_at(np.array([0.1, 0.5, 0.9]), np.array([[1.0, 2.0, 4.0]]), 0.7).tolist()
        [3.0]
    """
    return np.asarray(quantiles_at(levels, values, np.array([probability]))[:, 0])


def quantiles_at(levels: Floats, values: Floats, probabilities: Floats) -> Floats:
    """The quantiles at several probabilities per row.

    Args:
        levels: (k,) increasing probabilities strictly between 0 and 1, k >= 2.
        values: (n, k) the quantiles at these levels. Rows that cross are sorted first.
        probabilities: (m,) strictly between 0 and 1, the same for all rows, or (n, m).

    Returns:
        (n, m).

    Example:
        >>> quantiles_at(np.array([0.1, 0.5, 0.9]), np.array([[1.0, 2.0, 4.0]]), np.array([0.3, 0.7])).tolist()
        [[1.5, 3.0]]
    """
    values = np.sort(values, axis=1)
    upper_scale, lower_scale = _tail_scales(levels, values)
    probabilities = np.broadcast_to(probabilities, (len(values), probabilities.shape[-1]))
    right = np.clip(np.searchsorted(levels, probabilities), 1, len(levels) - 1)
    share = (probabilities - levels[right - 1]) / (levels[right] - levels[right - 1])
    below_it, above_it = (np.take_along_axis(values, at, axis=1) for at in (right - 1, right))
    inside = below_it + share * (above_it - below_it)
    above = values[:, -1:] + upper_scale[:, None] * np.log((1 - levels[-1]) / (1 - probabilities))
    below = values[:, :1] - lower_scale[:, None] * np.log(levels[0] / probabilities)
    return np.select([probabilities > levels[-1], probabilities < levels[0]], [above, below], inside)


def _tail_scales(levels: Floats, values: Floats) -> tuple[Floats, Floats]:
    upper = (values[:, -1] - values[:, -2]) / np.log((1 - levels[-2]) / (1 - levels[-1]))
    lower = (values[:, 1] - values[:, 0]) / np.log(levels[1] / levels[0])
    return upper, lower


def _decay(distance: Floats, scale: Floats) -> Floats:
    """exp(-distance / scale); a scale of zero has no tail: 1 at distance 0, else 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        decayed = np.exp(-np.maximum(distance, 0.0) / scale)
    return np.where(scale > 0, decayed, 0.0)
