"""The checks of forecasts at the meters' own interval: what they let pass and what they stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from energy_assets.config import WarehouseConfig
from energy_assets.defs.forecasting.intervals import (
    every_source_that_asks_has_one,
    parts_sum_up_to_hours,
    quantiles_do_not_cross,
)

AT = datetime(2026, 3, 11, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
CONFIG = WarehouseConfig.model_validate(
    {"forecast": {"own_interval": ["works"]}, "sources": [{"name": "works", "type": "simulation", "seed": 1}]}
)


def rows(minutes: int, values: dict[float, float]) -> pl.DataFrame:
    """Forecasts of one hour by intervals of so many minutes, the same quantiles in each."""
    return pl.DataFrame(
        {
            "meter_id": "m",
            "issued_at_utc": AT - timedelta(hours=15),
            "interval_start_utc": AT + part * timedelta(minutes=minutes),
            "quantile": level,
            "demand_kwh": kwh,
        }
        for part in range(60 // minutes)
        for level, kwh in values.items()
    ).with_columns(pl.col("issued_at_utc", "interval_start_utc").cast(INSTANT))


def test_quantiles_are_compared_within_their_interval() -> None:
    assert quantiles_do_not_cross(rows(15, {0.1: 1.0, 0.5: 1.0, 0.9: 2.0})).passed
    found = quantiles_do_not_cross(rows(15, {0.1: 1.0, 0.5: 0.9, 0.9: 2.0}))
    assert not found.passed
    assert found.metadata["crossing"].value == 4


def test_parts_have_to_make_up_their_hour() -> None:
    hour, parts = rows(60, {0.1: 3.0, 0.5: 8.0}), rows(15, {0.1: 0.5, 0.5: 2.0})
    assert parts_sum_up_to_hours(parts, hour).passed
    for wrong in (parts.head(6), rows(15, {0.5: 2.001}), rows(30, {0.5: 2.0})):
        assert not parts_sum_up_to_hours(wrong, hour).passed
    assert not parts_sum_up_to_hours(parts, hour.clear()).passed


def test_a_source_that_asks_in_vain_is_named() -> None:
    forecast = pl.DataFrame({"meter_id": ["m"], "source": ["works"]})
    assert every_source_that_asks_has_one(CONFIG, forecast).passed
    found = every_source_that_asks_has_one(CONFIG, forecast.clear())
    assert not found.passed
    assert found.metadata["without"].value == "works"
