"""Hours outside the range of the meter: below zero, far above, far below.

Belongs here: rules about single hours. Does not belong here: levels that last (`level_shift.py`, `units.py`).
"""

from __future__ import annotations

import polars as pl

from energy_assets.monitoring.anomalies.events import flags
from energy_assets.monitoring.anomalies.rules.parts import METER, NEAR, past_quantile

TAIL_FACTOR = 7.0 / 3.0  # seven scales of the exponential tail: once in about 25 years of hours
SPIKE_MIN_RATIO = 1.3
DIP_MIN_RATIO = 1.6
FAR = 6.0  # usual errors


def negative(hours: pl.DataFrame) -> pl.DataFrame:
    """Demand below zero, in the hour or in a reading of it, at meters that are not often so (net meters are)."""
    lowest = pl.min_horizontal("demand_reported_kwh", "least_kwh")
    rows = hours.with_columns(lowest=lowest)
    below = pl.col("lowest") < 0
    share = below.cast(pl.Float64).shift(1).cum_sum() / pl.col("lowest").shift(1).cum_count()
    usual = (share.over(METER) > 0.05).fill_null(value=False)
    return flags(rows.filter(below & ~usual), "negative", "rule", -pl.col("lowest"), 0.0)


def spike(hours: pl.DataFrame) -> pl.DataFrame:
    """An hour far above the meter's highest usual hours.

    The tail of the last 60 days is taken as exponential beyond the 90 % quantile, as in the peaks-over-threshold
    method; an hour counts from the level that such a tail reaches once in decades, and from 1.3 times the 99.5 %
    quantile. The hour has to be far above its own expectation too.
    """
    rows = hours.with_columns(upper=past_quantile(0.9)).filter(pl.col("high") > 0)
    high, value = pl.col("high"), pl.col("demand_reported_kwh")
    limit = pl.max_horizontal(high + TAIL_FACTOR * (high - pl.col("upper")), SPIKE_MIN_RATIO * high)
    above_own = (value - pl.col("expected_kwh") > FAR * pl.col("error_kwh")).fill_null(value=True)
    return flags(rows.filter((value > NEAR * limit) & above_own), "spike", "rule", value / high, limit / high)


def dip(hours: pl.DataFrame) -> pl.DataFrame:
    """An hour far below the meter's lowest usual hours: the same for the lower tail, on logarithms.

    The limit is a level, not a difference: what a meter draws when nothing happens has a floor that no hour undercuts.
    """
    value = pl.col("demand_reported_kwh")
    rows = hours.with_columns(low=past_quantile(0.005), lower=past_quantile(0.1)).filter(
        pl.col("low") > 0.02 * pl.col("typical_kwh")
    )
    low = pl.col("low")
    limit = pl.max_horizontal((pl.col("lower") / low) ** TAIL_FACTOR, DIP_MIN_RATIO)
    below = low / pl.max_horizontal(value, 0.01 * low)
    below_own = (pl.col("expected_kwh") - value > FAR / 2 * pl.col("error_kwh")).fill_null(value=True)
    return flags(rows.filter((value >= 0) & (below > NEAR * limit) & below_own), "dip", "rule", below, limit)
