"""Sequences: the past as it was known, the day ahead by the hour."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from energy_assets.forecasting.contenders.windows import lay_out, past_hours
from energy_assets.forecasting.features import recent_level
from tests.unit.forecasting.frames import DAY, HOUR
from tests.unit.forecasting.shared import AS_OF, one_day, zone_frame


def test_the_past_ends_with_what_was_known_at_issue() -> None:
    rows = one_day(zone_frame(), 100)
    layout = lay_out(rows)
    past = past_hours(layout.issues, zone_frame(), offset=0.0, hours=72)
    assert past.shape == (2, 2, 72)
    # readings are known an hour after their end: the hour that ended at issue is not known yet
    assert past[:, 1].sum(axis=1).tolist() == [71, 71]
    assert past[:, 1, -1].tolist() == [0, 0]
    before = (
        zone_frame()
        .filter(pl.col("meter_id") == "m0", pl.col("interval_start_utc") == AS_OF - 2 * HOUR)["demand_kwh"]
        .item()
    )
    level = rows.filter(pl.col("meter_id") == "m0").select(recent_level().first()).item()
    assert past[0, 0, -2] == np.float32(np.log(before / level))


def test_labels_known_later_are_not_seen() -> None:
    layout = lay_out(one_day(zone_frame(), 100))
    late = pl.col("label_known_at_utc") > AS_OF
    poisoned = zone_frame().with_columns(pl.when(late).then(1e9).otherwise("demand_kwh").alias("demand_kwh"))
    first, second = (past_hours(layout.issues, history, offset=0.0) for history in (zone_frame(), poisoned))
    assert np.array_equal(first, second)
    corrected = zone_frame().with_columns(
        pl.when(pl.col("interval_start_utc") == AS_OF - 30 * HOUR)
        .then(AS_OF + timedelta(seconds=1))
        .otherwise("label_known_at_utc")
        .alias("label_known_at_utc")
    )
    third = past_hours(layout.issues, corrected, offset=0.0)
    assert third[:, 1, -30].tolist() == [0, 0]
    assert first[:, 1, -30].tolist() == [1, 1]
    assert np.array_equal(np.delete(first, -30, axis=2), np.delete(third, -30, axis=2))


def test_hours_that_are_nowhere_are_unknown() -> None:
    rows = one_day(zone_frame(), 100)
    other = zone_frame().filter(pl.col("meter_id") != "m1", pl.col("interval_start_utc") != AS_OF - 5 * HOUR)
    past = past_hours(lay_out(rows).issues, other, offset=0.0, hours=48)
    assert past[0, :, -5].tolist() == [0, 0]
    assert not past[1].any()


def test_days_of_other_lengths_are_laid_out_and_back() -> None:
    long = one_day(zone_frame(), 100).sort("meter_id", "interval_start_utc")
    last = long.filter(pl.col("local_hour") == 23, pl.col("meter_id") == "m0")
    long = pl.concat([long, last.with_columns(pl.col("interval_start_utc") + HOUR)])  # 25 hours of m0
    short = one_day(zone_frame(), 101).filter(pl.col("local_hour") != 2)  # 23 hours of both
    rows = pl.concat([long, short]).sample(fraction=1.0, shuffle=True, seed=1)
    layout = lay_out(rows)
    assert layout.issues.height == 4
    values = np.arange(rows.height, dtype=float) + 1
    laid = layout.spread(values)
    assert sorted((laid > 0).sum(axis=1).tolist()) == [23, 23, 24, 25]
    assert layout.gather(laid).tolist() == values.tolist()
    starts = layout.spread(
        rows["interval_start_utc"].dt.epoch("s").to_numpy() - AS_OF.timestamp() + DAY.total_seconds()
    )
    assert all((np.diff(day[day > 0]) > 0).all() for day in starts)
