"""Nights that no longer get quiet: plant, lights or heating left on.

Belongs here: which steps of the quietest hours count. Does not belong here: the test for a step (`steps.py`), and
a rise that the whole day shares (`level_shift.py`).
"""

from __future__ import annotations

import polars as pl

from energy_assets.monitoring.anomalies.steps import NEAR, after, before, daily, flag_days, lasting, steps

MIN_SIZE = 0.3  # in logarithms: 35 % up
NOISE_FACTOR = 1.5  # usual steps of the meter
MAX_SHARE = 0.6  # of the step that the day's busy hours may take part in: else the level has shifted
MIN_NEW = 0.5  # of the step that must lead above the nights of the weeks before


def night_baseload(hours: pl.DataFrame, claimed: pl.DataFrame) -> pl.DataFrame:
    """Hours of days since when the usually quiet hours have risen and stayed up, and the busy ones have not.

    Arguments as for `level_shift`; known five days after it began.
    """
    days = steps(daily(hours, claimed), "quiet", least=MIN_SIZE, noise_factor=NOISE_FACTOR)
    step = pl.col("step")
    share = (after("busy") - before("busy")) / step
    counts = (
        pl.col("abrupt")
        & pl.col("stays")
        & (step >= NEAR * pl.col("threshold"))
        & (share < MAX_SHARE)
        & (pl.col("new") > MIN_NEW)
    )
    return flag_days(hours, lasting(days, days.filter(counts), "quiet"), "night_baseload")
