"""Forecasts of high hours, drawn back."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from energy_assets.flexibility.highs import SHIFT, drawn_back
from energy_assets.quantiles import quantiles_at
from tests.unit.flexibility.frames import QUANTILES, SPREAD, forecasts

SEASON = pl.DataFrame({"meter_id": "m", "local_hour": 0, "power_kw": np.arange(1001.0) / 10})  # 75 %: 75 kW, 95 %: 95


def quantiles_of(medians: list[float], of_season: pl.DataFrame = SEASON) -> np.ndarray:
    """Hours x levels."""
    found = drawn_back(forecasts(medians), of_season).sort("interval_start_utc", "quantile")
    return found["demand_kwh"].to_numpy().reshape(len(medians), -1)


def test_only_high_hours_are_drawn_back_and_the_more_the_higher() -> None:
    plain = np.array([[50.0], [75.0], [85.0], [95.0], [120.0]]) + SPREAD
    off = plain - quantiles_of([50.0, 75.0, 85.0, 95.0, 120.0])
    assert np.all(off[:2] == 0)
    assert np.all(off[2:] > 0)
    assert np.all(off[2] < off[3])
    assert off[3] == pytest.approx(off[4])
    assert np.all(np.diff(quantiles_of([120.0])) > 0)


def test_levels_are_lowered_in_normal_scores() -> None:
    levels = np.array(QUANTILES)
    expected = quantiles_at(levels, 120.0 + np.array([SPREAD]), norm.cdf(norm.ppf(levels) - SHIFT))
    assert quantiles_of([120.0]) == pytest.approx(expected)


def test_a_meter_without_a_season_stays_as_it_is() -> None:
    assert np.all(quantiles_of([120.0], SEASON.clear()) == 120.0 + np.array(SPREAD))
    flat = SEASON.with_columns(power_kw=pl.lit(100.0))
    assert np.all(quantiles_of([100.0], flat) == 100.0 + np.array(SPREAD))
    assert drawn_back(forecasts([1.0]).clear(), SEASON).is_empty()
