"""What the fleet pays, and which of its loads can wait.

Belongs here: tariffs and shiftable loads, the same at every call. Does not belong here: advice on moving them.
Price levels are plain round figures of a European market, not those of a supplier.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from energy_assets.config.models import Market
from energy_assets.simulation.calendar import local_instants
from energy_assets.simulation.noise import Floats, between, keys, uniform
from energy_assets.simulation.publishing import instants

HOME, INDUSTRY, BUILDING = "home_two_price", "industrial_time_of_use", "building_time_of_use"

# tariff, component, window, calendar, price, unit
_PRICES = (
    (HOME, "energy", "06:00-22:00", "all", 0.27, "kWh"),
    (HOME, "energy", "22:00-06:00", "all", 0.207, "kWh"),
    (INDUSTRY, "energy", "06:00-22:00", "workdays", 0.162, "kWh"),
    (INDUSTRY, "energy", "22:00-06:00", "workdays", 0.108, "kWh"),
    (INDUSTRY, "energy", "all", "weekends_and_holidays", 0.098, "kWh"),
    (INDUSTRY, "demand", "all", "all", 11.5, "kW_month"),
    (BUILDING, "energy", "07:00-21:00", "workdays", 0.189, "kWh"),
    (BUILDING, "energy", "21:00-07:00", "workdays", 0.131, "kWh"),
    (BUILDING, "energy", "all", "weekends_and_holidays", 0.126, "kWh"),
    (BUILDING, "demand", "all", "all", 8.0, "kW_month"),
)


def tariffs(market: Market, source: str) -> pl.DataFrame:
    """Rows of raw.tariffs, valid from the market's first day."""
    first = market.history_start.toordinal() - 719_163
    valid_from = instants(local_instants(np.array([first, first - 30]), 0, market.timezone))
    names = ("tariff_id", "component", "window", "calendar", "price", "unit")
    return pl.DataFrame(_PRICES, schema=names, orient="row").select(
        "tariff_id", "component", "window",
        pl.lit(valid_from[0]).alias("valid_from_utc"),
        pl.lit(None, dtype=valid_from.dtype).alias("valid_to_utc"),
        "calendar", "price", "unit",
        pl.lit(market.currency).alias("currency"),
        pl.lit(valid_from[1]).alias("known_at_utc"),
        pl.lit(source).alias("source"),
    )  # fmt: skip


def shiftable_loads(
    seed: int,
    source: str,
    site_meters: Sequence[str],
    site_kw: Floats,
    building_meters: Sequence[str],
    building_kw: Floats,
) -> pl.DataFrame:
    """Rows of raw.shiftable_loads: a kiln and a compressor per site, pre-cooling per building, cars at some.

    `site_kw` and `building_kw` are the process and plug loads that the sizes are taken from, shapes (M,).
    """
    kiln = (0.16 * site_kw * between(keys(seed, site_meters, "kiln"), 0.8, 1.2)).round(0)
    compressor = (0.08 * site_kw * between(keys(seed, site_meters, "air"), 0.8, 1.2)).round(0)
    cooling = (0.2 * building_kw).round(0)
    cars = (2.0 + np.floor(4.0 * uniform(keys(seed, building_meters, "cars")))) * 7.4
    with_cars = uniform(keys(seed, building_meters, "has-cars")) < 0.6
    rows = [
        row
        for meter, kiln_kw, air_kw in zip(site_meters, kiln.tolist(), compressor.tolist(), strict=True)
        for row in (
            (f"{meter}_kiln", meter, "Kiln firing", kiln_kw, kiln_kw * 4.0, 240, "05:00", "22:00", False, 240),
            (
                f"{meter}_compressor",
                meter,
                "Compressed-air storage",
                air_kw,
                air_kw * 3.0,
                180,
                "06:00",
                "22:00",
                True,
                30,
            ),
        )
    ]
    for meter, cool_kw, car_kw, has_cars in zip(
        building_meters, cooling.tolist(), cars.tolist(), with_cars.tolist(), strict=True
    ):
        rows.append(
            (f"{meter}_precooling", meter, "Pre-cooling", cool_kw, cool_kw * 2.0, 120, "04:00", "16:00", True, 30)
        )
        if has_cars:
            rows.append((f"{meter}_cars", meter, "Car fleet", car_kw, car_kw * 3.0, 180, "08:00", "18:00", True, 15))
    schema = {
        "shiftable_load_id": pl.String, "meter_id": pl.String, "name": pl.String, "power_kw": pl.Float64,
        "energy_kwh": pl.Float64, "duration_minutes": pl.Int32, "earliest_local": pl.String, "latest_local": pl.String,
        "interruptible": pl.Boolean, "minimum_on_minutes": pl.Int32,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(source=pl.lit(source))
