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
SPIKE_MIN_SHARE = 0.8  # of the highest usual hours, or it does not matter
DIP_MAX_SHARE = 0.35  # of what was to be expected
# Records: a tail says little about a meter of irregular hours, the highest and the lowest that it ever had do.
RECORD_DAYS, RECORD_MIN_DAYS = 104, 28
HOUR_RECORD_DAYS = 60
BREAKS_RECORD, BREAKS_HOUR_RECORD = 1.3, 2.0  # times the highest ever, and the highest at that time of day
RECORD_SHARE = 0.5  # of the highest ever, that a record of the time of day has to reach
UNDERCUTS_RECORD, UNDERCUTS_HOUR_RECORD = 1.7, 3.0  # times below the lowest


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
    expectation, in usual errors: what is high at three at night may be nothing at noon. At a meter whose tail is
    long, 1.3 times the highest hour of its last 104 days counts, and twice the highest at that time of day.
    """
    rows = hours.filter(pl.col("high").is_not_null().any().over(METER)).with_columns(upper=past_quantile(0.9))
    high, value = pl.col("high"), pl.col("demand_reported_kwh")
    limit = pl.max_horizontal(high + TAIL_FACTOR * (high - pl.col("upper")), SPIKE_MIN_RATIO * high)
    above_own = (value - pl.col("expected_kwh") > FAR * pl.col("error_kwh")).fill_null(value=True)
    beyond = (high > 0) & (value > NEAR * limit) & above_own
    by_level = flags(rows.filter(beyond), "spike", "rule", value / high, limit / high)
    by_hour = _by_hour(rows, "spike", 1.0, value > SPIKE_MIN_SHARE * high, value / high)
    broken = _records(rows).filter((value > 0) & above_own)
    top, top_of_hour = pl.col("highest"), pl.col("highest_of_hour")
    ever = broken.filter(top > 0, value > NEAR * BREAKS_RECORD * top)
    then = broken.filter(
        top_of_hour > 0, value > NEAR * BREAKS_HOUR_RECORD * top_of_hour, value > RECORD_SHARE * top
    )  # fmt: skip
    by_record = [
        flags(ever, "spike", "rule", value / top, BREAKS_RECORD),
        flags(then, "spike", "rule", value / top_of_hour, BREAKS_HOUR_RECORD),
    ]
    return _unusual([by_level, by_hour, *by_record])


def dip(hours: pl.DataFrame) -> pl.DataFrame:
    """An hour far below the meter's lowest usual hours, or far below what is usual at its time.

    The same as a spike for the lower tail. The level counts by its logarithm: what a meter draws when nothing happens
    has a floor that no hour undercuts. The lowest hours ever, and at that time of day, count as the highest do.
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
    undercuts = _records(rows).filter(little)
    by_record = [
        flags(undercuts.filter(pl.col(column) > 0, score > NEAR * least), "dip", "rule", score, least)
        for column, least in (("lowest", UNDERCUTS_RECORD), ("lowest_of_hour", UNDERCUTS_HOUR_RECORD))
        for score in [pl.col(column) / pl.max_horizontal(value, 0.01 * pl.col(column))]
    ]
    return _unusual([by_level, by_hour, *by_record])


def _records(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with `highest` and `lowest` of the meter's days before, and `…_of_hour`: yesterday and before, within an
    hour of this time of day."""
    clean, same_hour = pl.col("demand_kwh"), [METER, "local_hour"]
    ever, ever_min = RECORD_DAYS * 24, RECORD_MIN_DAYS * 24
    return rows.with_columns(
        highest=clean.shift(1).rolling_max(ever, min_samples=ever_min).over(METER),
        lowest=clean.shift(1).rolling_min(ever, min_samples=ever_min).over(METER),
        highest_of_hour=clean.rolling_max(3, min_samples=1).shift(23).over(METER),
        lowest_of_hour=clean.rolling_min(3, min_samples=1).shift(23).over(METER),
    ).with_columns(
        pl.col("highest_of_hour").rolling_max(HOUR_RECORD_DAYS, min_samples=RECORD_MIN_DAYS).over(same_hour),
        pl.col("lowest_of_hour").rolling_min(HOUR_RECORD_DAYS, min_samples=RECORD_MIN_DAYS).over(same_hour),
    )


def _by_hour(rows: pl.DataFrame, kind: str, sign: float, where: pl.Expr, score: pl.Expr) -> pl.DataFrame:
    """Hours whose difference from the expectation, in usual errors, lies beyond the tail of the last 60 days."""
    error = pl.col("error_kwh")
    own = sign * (pl.col("demand_reported_kwh") - pl.col("expected_kwh")) / error
    past = sign * (pl.col("demand_kwh") - pl.col("expected_kwh")) / error
    tailed = rows.with_columns(z=own, z_high=past_quantile(0.995, past), z_upper=past_quantile(0.9, past))
    limit = pl.max_horizontal(pl.col("z_high") + HOUR_FACTOR * (pl.col("z_high") - pl.col("z_upper")), FAR)
    found = tailed.with_columns(limit=limit).filter(where & (pl.col("z") > NEAR * pl.col("limit")))
    return flags(found, kind, "rule", score, score * pl.col("limit") / pl.col("z"))


def _unusual(found: list[pl.DataFrame]) -> pl.DataFrame:
    """One row per hour, the one that stands further beyond its threshold; none where such days have become usual."""
    rows = (
        pl.concat(found)
        .sort(pl.col("score") / pl.col("threshold"), descending=True, maintain_order=True)
        .unique([METER, "interval_start_utc"], keep="first", maintain_order=True)
        .with_columns(day=pl.col("interval_start_utc").dt.truncate("1d"))
    )
    days = rows.filter(pl.col("score") >= pl.col("threshold")).select(METER, "day").unique().sort(METER, "day")
    usual = days.filter(
        (pl.col("day") - pl.col("day").shift(USUAL_DAYS).over(METER) <= USUAL_WITHIN).fill_null(value=False)
    )
    return rows.join(usual, on=[METER, "day"], how="anti", maintain_order="left").drop("day")
