"""A change of level that persists: a transformer ratio entered wrongly, a phase lost, a second building on the meter.

Belongs here: which steps of a meter's level are a shift. Does not belong here: the test for a step (`steps.py`), and
holidays and weather, which come to many meters at once, by degrees, or change some hours of the day more than others.
"""

from __future__ import annotations

import polars as pl

from energy_assets.monitoring.anomalies.steps import (
    BLOCKS,
    NEAR,
    after,
    before,
    daily,
    flag_days,
    lasting,
    shared,
    steps,
)

MIN_SIZE = 0.24  # in logarithms: 27 % up, 21 % down
NOISE_FACTOR = 1.0  # usual steps of the meter
MIN_SHARE = 0.5  # of the step that each quarter of the day must show: a meter's factor acts at all hours
MIN_NEW = 0.35  # of the step that must lead away from the level of the weeks before: a return is no shift


def level_shift(hours: pl.DataFrame, claimed: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Hours of days at a level that stepped up or down and stayed there.

    A step counts if it is abrupt, shared by all quarters of the day, above a quarter and above what is usual for
    the meter, not shared by other meters of its kind, and no return to the level before. It is known five days after
    it began, and ends when the level is back or, at the latest, after a month, when it is the usual one. From 0.7 of
    the threshold on it is handed over.

    Args:
        hours: what `with_expectation` made.
        claimed: meter_id, interval_start_utc of hours that a rule has named already; they do not count.
        meters: meter_id, kind.
    """
    days = steps(daily(hours, claimed), "level", least=MIN_SIZE, noise_factor=NOISE_FACTOR)
    step = pl.col("step")
    share = pl.min_horizontal((after(f"block_{i}") - before(f"block_{i}")) / step for i in range(BLOCKS))
    counts = (
        pl.col("abrupt")
        & pl.col("stays")
        & (pl.col("size") >= NEAR * pl.col("threshold"))
        & (share > MIN_SHARE)
        & (pl.col("new") > MIN_NEW)
    )
    starts = days.filter(counts)
    starts = starts.join(shared(starts, days, meters), on=["meter_id", "local_date"], how="anti")
    return flag_days(hours, lasting(days, starts, "level"), "level_shift")
