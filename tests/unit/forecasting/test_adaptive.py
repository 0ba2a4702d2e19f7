"""Bands that follow the errors of the last weeks, and nothing of later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.forecasting import QUANTILES, forecast
from energy_assets.forecasting.adaptive import NARROWEST, WIDEST, WIDTHS, follow, widths_at
from tests.unit.forecasting.frames import DAY, START
from tests.unit.forecasting.shared import AS_OF, one_day, zone_frame, zone_model

ISSUE = START + timedelta(days=110, hours=9)


def _widths(frame: pl.DataFrame) -> dict[str, float]:
    found = widths_at(zone_model(), frame, [ISSUE])
    return dict(found.select("meter_id", pl.sum_horizontal(WIDTHS)).iter_rows())


def _errors_of(meter: str, factor: float) -> pl.DataFrame:
    """Demand of a meter after training, moved by a factor up and down in turn."""
    moved = pl.col("demand_kwh") * pl.when(pl.col("local_hour") % 2 == 0).then(factor).otherwise(1 / factor)
    late = (pl.col("issued_at_utc") >= AS_OF) & (pl.col("meter_id") == meter)
    return zone_frame().with_columns(pl.when(late).then(moved).otherwise("demand_kwh").alias("demand_kwh"))


def test_a_meter_that_errs_more_gets_wider_bands_and_the_median_stays() -> None:
    calm, wild = _widths(zone_frame()), _widths(_errors_of("m0", 1.5))
    assert wild["m0"] > 1.5 * calm["m0"]
    assert wild["m1"] == calm["m1"]
    day = one_day(zone_frame())
    before, after = (forecast(day, zone_model(), frame).rows for frame in (zone_frame(), _errors_of("m0", 1.5)))
    median = pl.col("quantile") == 0.5
    assert after.filter(median).equals(before.filter(median))
    low, high = (pl.col("demand_kwh").filter(pl.col("quantile") == q).sum() for q in (QUANTILES[0], QUANTILES[-1]))
    spread = [rows.filter(pl.col("meter_id") == "m0").select(high - low).item() for rows in (before, after)]
    assert spread[1] > 1.4 * spread[0]


def test_what_was_not_known_at_issue_time_changes_nothing() -> None:
    unknown = pl.col("label_known_at_utc") > ISSUE
    poisoned = zone_frame().with_columns(
        pl.when(unknown).then(1e9).otherwise("demand_kwh").alias("demand_kwh"),
    )
    assert _widths(poisoned) == _widths(zone_frame())
    cut = zone_frame().filter(~unknown)
    assert _widths(cut) == _widths(zone_frame())


def test_one_issue_says_the_same_alone_and_among_others() -> None:
    issues = [ISSUE - n * DAY for n in range(5)]
    together = widths_at(zone_model(), zone_frame(), issues).filter(pl.col("issued_at_utc") == ISSUE)
    assert together.equals(widths_at(zone_model(), zone_frame(), [ISSUE]))


def test_days_of_training_do_not_count() -> None:
    fresh = replace(zone_model(), as_of_utc=ISSUE)
    assert widths_at(fresh, zone_frame(), [ISSUE]).is_empty()
    day = one_day(zone_frame())
    assert forecast(day, fresh, zone_frame()).rows.equals(forecast(day, fresh).rows)


def test_bands_settle_where_a_tenth_is_missed_on_either_side() -> None:
    excesses = np.random.default_rng(4).normal(0.5, 1.5, (1, 200, 25))
    below, above = follow(np.ones((1, 2)), excesses)[0]
    assert (excesses > above).mean() == pytest.approx(0.1, abs=0.03)
    assert (excesses < -below).mean() == pytest.approx(0.1, abs=0.03)
    assert above > below


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_widths_stay_within_limits(errors: list[float]) -> None:
    excesses = np.repeat(np.asarray(errors)[None, :, None], 24, axis=2)
    widths = follow(np.ones((1, 2)), excesses)
    assert (widths >= NARROWEST).all()
    assert (widths <= WIDEST).all()
