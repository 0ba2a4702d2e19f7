"""A meter whose clock is wrong: the usual day, hours too early or too late.

Belongs here: matching a meter's days with its usual profile, displaced. Does not belong here: the doubled and the
missing hour of the days on which clocks change (a rule's), and stamps at the other end of the interval, which have
always been so and look like any other habit.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from energy_assets.monitoring.anomalies.events import FLAG_SCHEMA, flags
from energy_assets.monitoring.anomalies.steps import MIN_HOURS, NEAR, log_ratio, unclaimed

MAX_HOURS = 6  # of displacement to either side
DAYS = 3  # that have to agree
AGREES = 1.1  # gain that each of them needs: one odd day, a holiday with its eve, is no clock
MIN_GAIN = 1.4  # error of the undisplaced profile over that of the best one
USUAL_DAYS = 28
USUAL_FACTOR = 1.3  # beyond the gain that chance gives the meter, the median of these days

_DAY = ["meter_id", "local_date"]


def clock_shift(hours: pl.DataFrame, claimed: pl.DataFrame) -> pl.DataFrame:
    """Hours of days on which the usual profile fits well when displaced, and badly as it stands.

    The error of a displacement is the mean absolute log ratio of the hours to the usual values so many hours away,
    less the day's median ratio (the level does not count), over three days ending with the one looked at. The
    score is the error without displacement over that of the best one; it has to pass 1.4 and what chance gives
    the meter, and each day has to fit better displaced. The event takes in the three days.

    Args:
        hours: what `with_expectation` made.
        claimed: meter_id, interval_start_utc of hours that a rule has named already; they do not count.
    """
    days = _errors(hours, claimed)
    if days.is_empty():
        return pl.DataFrame(schema=FLAG_SCHEMA)
    shifts = [f"error_{s}" for s in _displacements() if s]
    best = pl.min_horizontal(shifts)
    meter = "meter_id"
    each = (pl.col("error_0") / best).rolling_min(DAYS, min_samples=DAYS).over(meter)
    days = (
        days.with_columns(each=each)
        .with_columns(pl.col("^error_.*$").rolling_mean(DAYS, min_samples=DAYS).over(meter))
        .with_columns(gain=pl.col("error_0") / best)
        .with_columns(usual=pl.col("gain").rolling_median(USUAL_DAYS, min_samples=DAYS).shift(DAYS).over(meter))
        .with_columns(threshold=(USUAL_FACTOR * pl.col("usual")).clip(MIN_GAIN))
    )
    found = days.filter(pl.col("gain") >= NEAR * pl.col("threshold"), pl.col("each") > AGREES)
    back = pl.DataFrame({"back": [timedelta(days=d) for d in range(DAYS)]})
    shifted = (
        found.select(*_DAY, "gain", "threshold")
        .join(back, how="cross")
        .with_columns(local_date=pl.col("local_date") - pl.col("back"))
        .sort(*_DAY, pl.col("gain") / pl.col("threshold"))
        .unique(_DAY, keep="last", maintain_order=True)
    )
    flagged = hours.join(shifted, on=_DAY)
    return flags(flagged, "clock_shift", "profile", pl.col("gain"), pl.col("threshold"))


def _displacements() -> range:
    return range(-MAX_HOURS, MAX_HOURS + 1)


def _errors(hours: pl.DataFrame, claimed: pl.DataFrame) -> pl.DataFrame:
    """Per meter and day the error of each displacement, `error_-6` … `error_6`; null for days with gaps."""
    value, usual = pl.col("demand_reported_kwh"), pl.col("usual_kwh")
    rows = (
        unclaimed(hours, claimed)
        .with_columns(log_ratio(value, usual.shift(s).over("meter_id")).alias(f"error_{s}") for s in _displacements())
        .group_by(_DAY)
        .agg(
            *((pl.col(f"error_{s}") - pl.col(f"error_{s}").median()).abs().mean() for s in _displacements()),
            known=pl.col("error_0").count(),
        )
    )
    complete = pl.col("known") >= MIN_HOURS
    return rows.sort(_DAY).with_columns(pl.when(complete).then(pl.col("^error_.*$")))
