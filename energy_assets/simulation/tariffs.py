"""What the fleet pays.

Belongs here: tariffs, and which meter has which. Does not belong here: prices that change by the hour
(`dynamic_prices.py`), loads that can wait (`shiftable.py`), advice.
Price levels are plain round figures of a European market, not those of a supplier.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from energy_assets.config.models import Market
from energy_assets.simulation.calendar import local_instants
from energy_assets.simulation.publishing import instants

HOME, DYNAMIC = "home_two_price", "home_dynamic"
INDUSTRY, BUILDING = "industrial_time_of_use", "building_time_of_use"
MONTHLY = "monthly_maximum"

# tariff, component, window, calendar, price, unit, averaging minutes, billing basis
_PRICES = (
    (HOME, "energy", "06:00-22:00", "all", 0.27, "kWh", None, None),
    (HOME, "energy", "22:00-06:00", "all", 0.207, "kWh", None, None),
    (HOME, "fixed", "all", "all", 12.6, "month", None, None),
    (DYNAMIC, "fixed", "all", "all", 14.1, "month", None, None),
    (INDUSTRY, "energy", "06:00-22:00", "workdays", 0.162, "kWh", None, None),
    (INDUSTRY, "energy", "22:00-06:00", "workdays", 0.108, "kWh", None, None),
    (INDUSTRY, "energy", "all", "weekends_and_holidays", 0.098, "kWh", None, None),
    (INDUSTRY, "demand", "all", "all", 11.5, "kW_month", 15, MONTHLY),
    (INDUSTRY, "fixed", "all", "all", 1.2, "kW_month", None, None),
    (BUILDING, "energy", "07:00-21:00", "workdays", 0.189, "kWh", None, None),
    (BUILDING, "energy", "21:00-07:00", "workdays", 0.131, "kWh", None, None),
    (BUILDING, "energy", "all", "weekends_and_holidays", 0.126, "kWh", None, None),
    (BUILDING, "demand", "all", "all", 8.0, "kW_month", 60, MONTHLY),
    (BUILDING, "fixed", "all", "all", 45.0, "month", None, None),
)


def home_tariffs(ids: Sequence[str]) -> list[str]:
    """The tariff of each home: every fourth pays by the hour."""
    return [DYNAMIC if int(name.rsplit("_", 1)[1]) % 4 == 0 else HOME for name in ids]


def tariffs(market: Market, source: str, used: Sequence[str]) -> pl.DataFrame:
    """Rows of raw.tariffs that stand from the market's first day on, of the tariffs in use."""
    first = market.history_start.toordinal() - 719_163
    valid_from = instants(local_instants(np.array([first, first - 30]), 0, market.timezone))
    names = ("tariff_id", "component", "window", "calendar", "price", "unit", "averaging_minutes", "billing_basis")
    rows = pl.DataFrame(_PRICES, schema=names, orient="row").filter(pl.col("tariff_id").is_in(list(used)))
    return shaped(
        rows.with_columns(
            valid_from_utc=pl.lit(valid_from[0]),
            valid_to_utc=pl.lit(None, dtype=valid_from.dtype),
            known_at_utc=pl.lit(valid_from[1]),
        ),
        market,
        source,
    )


def shaped(rows: pl.DataFrame, market: Market, source: str) -> pl.DataFrame:
    """The columns of raw.tariffs."""
    return rows.select(
        "tariff_id", "component", "window", "valid_from_utc", "valid_to_utc", "calendar", "price", "unit",
        pl.col("averaging_minutes").cast(pl.Int32), "billing_basis", pl.lit(market.currency).alias("currency"),
        "known_at_utc", pl.lit(source).alias("source"),
    )  # fmt: skip
