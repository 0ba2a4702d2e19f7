"""Faults of published data sets that nobody told the detectors of: found from the readings alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from energy_assets.monitoring import detect
from tests.bench.series import HISTORY_DAYS, hours, published
from tests.real_data import needs_real_data

NOTHING_DECIDED = pl.DataFrame(
    schema={
        "meter_id": pl.String, "interval_start_utc": pl.Datetime("us", "UTC"), "action": pl.String,
        "value_kwh": pl.Float64,
    }
)  # fmt: skip


@needs_real_data
def test_midnights_of_the_steel_works_when_nothing_repairs_them() -> None:
    issued = datetime(2018, 6, 1, tzinfo=UTC)
    start = issued - timedelta(days=14)
    found = {}
    for repair in ([], ["midnight_belongs_to_next_day"]):
        steel = published("steel works", start, 14, repair=repair)
        recent = steel.readings.filter(pl.col("interval_start_utc") >= start - timedelta(days=1))
        found[bool(repair)] = detect(
            hours(steel.readings, steel.meters, NOTHING_DECIDED, issued), steel.meters, recent, issued_at=issued
        ).filter(pl.col("detector") == "file_order")
    event = found[False].row(0, named=True)
    assert found[False].height == 1
    assert event["kind"] == "clock_shift"
    assert event["score"] >= 13  # every midnight of the window
    assert "repair: [midnight_belongs_to_next_day]" in event["message"]
    assert found[True].is_empty()


@needs_real_data
def test_gaps_of_the_household_that_somebody_filled() -> None:
    """The gaps of the minute values, of half a day and more, hold the values of the day before."""
    uci = published("household", datetime(2007, 1, 1, tzinfo=UTC), 1425)
    same = pl.col("energy_kwh") == pl.col("energy_kwh").shift(24)
    filled = (
        uci.readings.with_columns(same=same, run=(same != same.shift(1)).cum_sum())
        .filter("same")
        .group_by("run", maintain_order=True)
        .agg(start=pl.col("interval_start_utc").first(), end=pl.col("interval_end_utc").last(), hours=pl.len())
        .filter(pl.col("hours") >= 12)
    )
    assert filled.height == 7
    for start, end in filled.select("start", "end").iter_rows():
        issued = end + timedelta(hours=12)
        recent = pl.col("interval_start_utc") >= issued - timedelta(days=HISTORY_DAYS)
        hourly = hours(uci.readings.filter(recent), uci.meters, NOTHING_DECIDED, issued)
        events = detect(hourly, uci.meters, issued_at=issued).filter(pl.col("kind") == "estimated_run")
        assert events.select("detector", "start_utc", "end_utc").rows() == [("copied", start, end)]
