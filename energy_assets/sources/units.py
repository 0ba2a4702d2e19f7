"""Energy per interval from whatever a publisher writes, and what no meter can have measured.

Power is understood as the mean over the interval: kWh = kW x hours.
"""

from __future__ import annotations

import polars as pl

KILO = {"Wh": 1e-3, "kWh": 1.0, "MWh": 1e3, "W": 1e-3, "kW": 1.0, "MW": 1e3}
POWER_UNITS = frozenset({"W", "kW", "MW"})
WIND_TO_MS = {
    "m/s": 1.0,
    "ms": 1.0,
    "km/h": 1 / 3.6,
    "kmh": 1 / 3.6,
    "kn": 1852 / 3600,
    "mph": 0.44704,
    "mp/h": 0.44704,
}

# Beyond what can be: no single site draws 100 GW. Zones get ten times that: France has stood above 100 GW, and whole
# countries are metered as one zone.
HIGHEST_KW = 1e8
HIGHEST_ZONE_KW = 1e9


def to_kwh(value: pl.Expr, unit: str, minutes: pl.Expr | int, scale: float = 1.0) -> pl.Expr:
    """Energy in kWh over an interval of `minutes` from `value` * `scale` in `unit`.

    >>> pl.select(to_kwh(pl.lit(60.0), "MW", 15)).item()
    15000.0
    """
    energy = value * (scale * KILO[unit])
    if unit not in POWER_UNITS:
        return energy
    return energy * ((minutes if isinstance(minutes, pl.Expr) else pl.lit(minutes)) / 60)


def is_absurd(energy_kwh: pl.Expr, minutes: pl.Expr | int, kind: str) -> pl.Expr:
    """Whether the mean power of an interval is beyond anything a meter of this kind can have measured."""
    hours = (minutes if isinstance(minutes, pl.Expr) else pl.lit(minutes)) / 60
    return energy_kwh.abs() > hours * (HIGHEST_ZONE_KW if kind == "zone" else HIGHEST_KW)


def temperature_c(value: pl.Expr, unit: str) -> pl.Expr:
    """Degrees Celsius from C, F or K."""
    if unit == "F":
        return (value - 32) / 1.8
    return value - 273.15 if unit == "K" else value
