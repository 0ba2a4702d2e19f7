"""Rows of a feature frame laid out as meters x issue days x hours of the local day.

Belongs here: the layout and the rule of what was known at an issue time. Does not belong here: anything learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_assets.forecasting.features import Matrix

SLOTS = 25  # local hours 0-23, and one for the hour that clocks repeat
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Cube:
    """Where each row lies. `issued` holds the instants of the days, in microseconds since 1970."""

    meter: NDArray[np.int64]
    day: NDArray[np.int64]
    slot: NDArray[np.int64]
    issued: NDArray[np.int64]
    meters: int

    @classmethod
    def of(cls, rows: pl.DataFrame) -> Cube:
        """Lay out rows that are unique by meter_id, issued_at_utc and interval_start_utc and sorted by them."""
        again = pl.int_range(pl.len()).over("meter_id", "issued_at_utc", "local_hour") > 0
        at = rows.select(
            meter=pl.col("meter_id").rank("dense").cast(pl.Int64) - 1,
            day=pl.col("issued_at_utc").rank("dense").cast(pl.Int64) - 1,
            slot=pl.when(again).then(SLOTS - 1).otherwise(pl.col("local_hour")).cast(pl.Int64),
        )
        issued = rows["issued_at_utc"].unique().sort().dt.epoch("us").to_numpy().astype(np.int64)
        meter, day, slot = (at[name].to_numpy() for name in ("meter", "day", "slot"))
        return cls(meter, day, slot, issued, int(meter.max()) + 1)

    def spread(self, values: Matrix) -> Matrix:
        """One value (or vector) per row as an array of meters x days x slots (x ...), NaN where there is no row."""
        result = np.full((self.meters, len(self.issued), SLOTS, *values.shape[1:]), np.nan)
        result[self.meter, self.day, self.slot] = values
        return result

    def known(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Since when each label is known (microseconds; `NEVER` where there is none), as meters x days x slots."""
        result = np.full((self.meters, len(self.issued), SLOTS), NEVER)
        result[self.meter, self.day, self.slot] = at
        return result

    def gather(self, values: Matrix) -> Matrix:
        """The inverse of `spread`."""
        result: Matrix = values[self.meter, self.day, self.slot]
        return result


def decayed(days: int, half_life: float) -> Matrix:
    """Weights of `days` days, the newest last with weight 1, one half after each half-life.

    >>> decayed(3, 1.0).tolist()
    [0.25, 0.5, 1.0]
    """
    result: Matrix = 0.5 ** (np.arange(days)[::-1] / half_life)
    return result


def weighted_quantiles(values: Matrix, weights: Matrix, levels: Sequence[float] | Matrix) -> Matrix:
    """Quantiles of each row by weight, without interpolation.

    Args:
        values: rows x n, any number where the weight is 0.
        weights: rows x n, not negative.
        levels: rows x quantiles, in (0, 1), or one list for all rows.

    Returns:
        Rows x quantiles; NaN for rows without weight.

    >>> weighted_quantiles(np.array([[3.0, 1.0, 2.0]]), np.ones((1, 3)), [0.5]).tolist()
    [[2.0]]
    """
    wanted = np.broadcast_to(np.asarray(levels, dtype=np.float64), (len(values), np.shape(levels)[-1]))
    order = np.argsort(np.where(weights > 0, values, np.inf), axis=1, kind="stable")
    rising = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    total = rising[:, -1:]
    at = np.stack([(rising < total * wanted[:, [q]] - 1e-12).sum(axis=1) for q in range(wanted.shape[1])], axis=1)
    at = np.minimum(at, values.shape[1] - 1)
    found = np.take_along_axis(values, np.take_along_axis(order, at, axis=1), axis=1)
    result: Matrix = np.where(total > 0, found, np.nan)
    return result
