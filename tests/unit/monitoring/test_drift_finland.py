"""Drift on two real years that it learned nothing from: hardly a false alarm, and what is put in is found."""

from __future__ import annotations

import polars as pl

from tests.bench import drift
from tests.real_data import needs_real_data


@needs_real_data
def test_finland() -> None:
    clean, finds = drift.replay(drift.finland(), drift.LEARNED_UNTIL)
    alarms = clean.filter(pl.col("meter_id") == "FI").group_by("week").agg(pl.col("raised").any())
    assert alarms.height == 104
    assert alarms["raised"].mean() <= 0.02  # type: ignore[operator]
    found = finds.filter(pl.col("meter_id") == "FI").group_by("drift").agg(pl.col("days").is_not_null().mean())
    shares = dict(found.iter_rows())
    for put_in in drift.DRIFTS[:3]:
        assert shares[put_in] == 1.0, put_in
    assert shares[drift.DRIFTS[3]] > 0.8  # half as much load in the evening is at the edge
