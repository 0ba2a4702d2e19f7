"""Hours outside the range of the meter: below zero, far above, far below.

Belongs here: rules about single hours. Does not belong here: levels that last (`level_shift.py`, `units.py`).
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from energy_assets.monitoring.anomalies.events import flags
from energy_assets.monitoring.anomalies.rules.parts import METER, NEAR, past_quantile

TAIL_FACTOR = 7.0 / 3.0  # seven scales of the exponential tail: once in about 25 years of hours
SPIKE_MIN_RATIO = 1.3
USUAL_DAYS, USUAL_WITHIN = 3, timedelta(days=28)  # earlier days of the same make another one usual
DIP_MIN_RATIO = 1.6
FLOOR_FACTOR = 1.5  # a floor ends more sharply than a tail
FAR = 6.0  # usual errors
HOUR_FACTOR = 3.5  # the tail of the excess is heavier than that of the level: so more of its scales
SPIKE_MIN_SHARE = 0.6  # of the highest usual hours, or it does not matter
DIP_MAX_SHARE = 0.35  # of what was to be expected


def negative(hours: pl.DataFrame) -> pl.DataFrame:
    """Demand below zero, in the hour or in a reading of it, at meters that are not often so (net meters are)."""
    lowest = pl.min_horizontal("demand_reported_kwh", "least_kwh")
    rows = hours.with_columns(lowest=lowest)
    below = pl.col("lowest") < 0
    share = below.cast(pl.Float64).shift(1).cum_sum() / pl.col("lowest").shift(1).cum_count()
    usual = (share.over(METER) > 0.05).fill_null(value=False)
    return flags(rows.filter(below & ~usual), "negative", "rule", -pl.col("lowest"), 0.0)


def spike(hours: pl.DataFrame) -> pl.DataFrame:
    """An hour far above the meter's highest usual hours, or far above what is usual at its time.

    The tail of the last 60 days is taken as exponential beyond the 90 % quantile, as in the peaks-over-threshold
    method; an hour counts from the level that such a tail reaches once in decades, and from 1.3 times the 99.5 %
    quantile. The hour has to be far above its own expectation too. The same is done with the excess over the
    expectation, in usual errors: what is high at three at night may be nothing at noon.
    """
    rows = hours.filter(pl.col("high").is_not_null().any().over(METER)).with_columns(upper=past_quantile(0.9))
    high, value = pl.col("high"), pl.col("demand_reported_kwh")
    limit = pl.max_horizontal(high + TAIL_FACTOR * (high - pl.col("upper")), SPIKE_MIN_RATIO * high)
    above_own = (value - pl.col("expected_kwh") > FAR * pl.col("error_kwh")).fill_null(value=True)
    beyond = (high > 0) & (value > NEAR * limit) & above_own
    by_level = flags(rows.filter(beyond), "spike", "rule", value / high, limit / high)
    by_hour = _by_hour(rows, "spike", 1.0, value > SPIKE_MIN_SHARE * high, value / high)
    return _unusual(by_level, by_hour)


def dip(hours: pl.DataFrame) -> pl.DataFrame:
    """An hour far below the meter's lowest usual hours, or far below what is usual at its time.

    The same as a spike for the lower tail. The level counts by its logarithm: what a meter draws when nothing happens
    has a floor that no hour undercuts.
    """
    value = pl.col("demand_reported_kwh")
    rows = hours.filter(pl.col("high").is_not_null().any().over(METER)).with_columns(
        low=past_quantile(0.005), lower=past_quantile(0.1)
    )
    low = pl.col("low")
    limit = pl.max_horizontal((pl.col("lower") / low) ** FLOOR_FACTOR, DIP_MIN_RATIO)
    below = low / pl.max_horizontal(value, 0.01 * low)
    below_own = (value < DIP_MAX_SHARE * pl.col("expected_kwh")).fill_null(value=True)
    undercut = (low > 0.02 * pl.col("typical_kwh")) & (value >= 0) & (below > NEAR * limit) & below_own
    by_level = flags(rows.filter(undercut), "dip", "rule", below, limit)
    little = (value >= 0) & (value < DIP_MAX_SHARE * pl.col("expected_kwh"))
    by_hour = _by_hour(rows, "dip", -1.0, little, pl.col("expected_kwh") / pl.max_horizontal(value, 0.01 * low))
    return _unusual(by_level, by_hour)


def _by_hour(rows: pl.DataFrame, kind: str, sign: float, where: pl.Expr, score: pl.Expr) -> pl.DataFrame:
    """Hours whose difference from the expectation, in usual errors, lies beyond the tail of the last 60 days."""
    error = pl.col("error_kwh")
    own = sign * (pl.col("demand_reported_kwh") - pl.col("expected_kwh")) / error
    past = sign * (pl.col("demand_kwh") - pl.col("expected_kwh")) / error
    tailed = rows.with_columns(z=own, z_high=past_quantile(0.995, past), z_upper=past_quantile(0.9, past))
    limit = pl.max_horizontal(pl.col("z_high") + HOUR_FACTOR * (pl.col("z_high") - pl.col("z_upper")), FAR)
    found = tailed.with_columns(limit=limit).filter(where & (pl.col("z") > NEAR * pl.col("limit")))
    return flags(found, kind, "rule", score, score * pl.col("limit") / pl.col("z"))


def _unusual(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """One row per hour, the one that stands further beyond its threshold; none where such days have become usual."""
    rows = (
        pl.concat([one, other])
        .sort(pl.col("score") / pl.col("threshold"), descending=True, maintain_order=True)
        .unique([METER, "interval_start_utc"], keep="first", maintain_order=True)
        .with_columns(day=pl.col("interval_start_utc").dt.truncate("1d"))
    )
    days = rows.filter(pl.col("score") >= pl.col("threshold")).select(METER, "day").unique().sort(METER, "day")
    usual = days.filter(
        (pl.col("day") - pl.col("day").shift(USUAL_DAYS).over(METER) <= USUAL_WITHIN).fill_null(value=False)
    )
    return rows.join(usual, on=[METER, "day"], how="anti", maintain_order="left").drop("day")
