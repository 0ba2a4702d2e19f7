"""Demand inside and outside the bands of a model, against what chance allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from energy_assets.monitoring import recent_bands

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LEVELS = {0.05: -1.645, 0.1: -1.2816, 0.5: 0.0, 0.9: 1.2816, 0.95: 1.645}
SIGMA = 0.05


def forecasts(meters: int = 1, days: int = 14) -> pl.DataFrame:
    """Bands of a normal error of 5 % around 100 kWh."""
    hours = pl.DataFrame({"issued_at_utc": [START + d * DAY for d in range(days)]}).join(
        pl.DataFrame({"hour": range(24)}), how="cross"
    )
    bands = pl.DataFrame({"quantile": list(LEVELS), "demand_kwh": [100 * (1 + SIGMA * z) for z in LEVELS.values()]})
    return (
        hours.join(pl.DataFrame({"meter_id": [f"m{i}" for i in range(meters)]}), how="cross")
        .with_columns(interval_start_utc=pl.col("issued_at_utc") + DAY + pl.col("hour") * HOUR)
        .join(bands, how="cross")
        .sort("meter_id", "interval_start_utc", "quantile")
    )


def actuals(rows: pl.DataFrame, error: np.ndarray) -> pl.DataFrame:
    """One error per meter and hour, in their order."""
    hours = rows.select("meter_id", "interval_start_utc").unique(maintain_order=True)
    return hours.with_columns(demand_kwh=pl.Series(100 * (1 + error)))


def alike(seed: int, meters: int = 1, days: int = 14) -> np.ndarray:
    """Errors of 5 % of which a third is the day's and a third all meters' of the day."""
    random = np.random.default_rng(seed)
    common = np.repeat(random.normal(size=days), 24)
    parts = []
    for _ in range(meters):
        own_day, hour = np.repeat(random.normal(size=days), 24), random.normal(size=days * 24)
        parts.append(SIGMA * (common + own_day + hour) / np.sqrt(3))
    return np.concatenate(parts)


def test_shares_are_counted_and_limits_depend_on_days_and_meters() -> None:
    rows = forecasts(meters=2)
    error = np.zeros(2 * 14 * 24)
    error[: 14 * 24 // 2] = 1.3 * SIGMA  # half of the first meter's hours lie between the two bands' upper edges
    found = recent_bands(rows, actuals(rows, error))
    assert found["meter_id"].to_list() == ["all", "m0", "m1"]
    assert found["outside_80"].to_list() == pytest.approx([0.25, 0.5, 0.0])
    assert found["outside_90"].to_list() == [0, 0, 0]
    assert found["wape"].to_list() == pytest.approx(
        [0.25 * 0.065 / (1 + 0.25 * 0.065), 0.5 * 0.065 / (1 + 0.5 * 0.065), 0.0]
    )
    assert found["days"].to_list() == [14, 14, 14]
    assert found["within"].to_list() == [True, False, True]
    one, single = found.row(0, named=True), found.row(1, named=True)
    assert 0.2 < one["allowed_80"] < single["allowed_80"] < 0.5  # more meters, less chance
    fewer = recent_bands(forecasts(days=7), actuals(forecasts(days=7), np.zeros(7 * 24))).row(0, named=True)
    assert fewer["allowed_90"] > single["allowed_90"]


def test_few_days_are_not_judged_and_none_are_no_row() -> None:
    rows = forecasts(days=6)
    wild = recent_bands(rows, actuals(rows, np.full(6 * 24, 0.5)))
    assert wild["outside_80"].to_list() == [1, 1]
    assert wild["within"].to_list() == [None, None]
    assert recent_bands(rows, actuals(rows, np.zeros(6 * 24)).clear()).is_empty()
    assert recent_bands(rows.clear(), actuals(rows, np.zeros(6 * 24))).is_empty()


def test_hours_without_an_actual_do_not_count() -> None:
    rows = forecasts()
    known = actuals(rows, np.full(14 * 24, 0.5))
    half = known.with_columns(
        demand_kwh=pl.when(pl.int_range(pl.len()) < 7 * 24).then(pl.lit(100.0)).otherwise(pl.lit(None))
    )
    assert recent_bands(rows, half).select("days", "outside_80", "within").row(0) == (7, 0.0, True)


@pytest.mark.parametrize("meters", [1, 8])
def test_a_calibrated_model_hardly_ever_fails_and_a_shifted_level_does(meters: int) -> None:
    rows = forecasts(meters)
    clean = [recent_bands(rows, actuals(rows, alike(s, meters)))["within"][0] for s in range(40)]
    assert clean.count(False) <= 1
    shifted = [recent_bands(rows, actuals(rows, alike(s, meters) + 2 * SIGMA))["within"][0] for s in range(10)]
    assert shifted.count(False) >= 9
