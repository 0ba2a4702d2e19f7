"""Demand of a bidding zone, and its operator's own day-ahead forecast of it.

Belongs here: millions of consumers seen from far away. Does not belong here: any one of them.
The daily shapes and the response to temperature are those of a continental European zone with electric heating
(about 4 % of mean load per degree below 15 C).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy_assets.simulation.calendar import LocalGrid
from energy_assets.simulation.noise import Floats, Keys, between, jitter, keys, smooth

PUBLISHER = "Simulated TSO"

# load by local hour relative to the working day's mean, without heating and lighting
_WORKDAY = np.array([
    0.930, 0.875, 0.845, 0.800, 0.780, 0.815, 0.905, 1.005, 1.065, 1.095, 1.107, 1.118,
    1.135, 1.112, 1.090, 1.060, 1.033, 1.030, 1.063, 1.080, 1.032, 0.985, 0.993, 0.998,
])  # fmt: skip
_SUNDAY = np.array([
    0.890, 0.837, 0.798, 0.744, 0.710, 0.706, 0.716, 0.737, 0.780, 0.838, 0.884, 0.919,
    0.961, 0.929, 0.884, 0.853, 0.832, 0.842, 0.892, 0.933, 0.918, 0.897, 0.915, 0.923,
])  # fmt: skip
_SATURDAY = np.array([
    0.930, 0.871, 0.832, 0.776, 0.744, 0.747, 0.773, 0.809, 0.862, 0.917, 0.948, 0.968,
    1.006, 0.979, 0.941, 0.911, 0.886, 0.891, 0.925, 0.948, 0.922, 0.894, 0.920, 0.940,
])  # fmt: skip


@dataclass(frozen=True)
class Zones:
    """Lasting traits of zones, arrays of shape (M,)."""

    seed: int
    ids: tuple[str, ...]
    base_kw: Floats
    heating_share_per_c: Floats
    cooling_share_per_c: Floats

    @property
    def capacity_kw(self) -> Floats:
        """About the highest demand of a cold winter, in steps of 10 MW."""
        result: Floats = np.ceil(self.base_kw * (1.1 + 16.0 * self.heating_share_per_c) / 1e4) * 1e4
        return result

    @property
    def usual_kw(self) -> Floats:
        """About the mean power."""
        return self.base_kw


def zones(seed: int, ids: tuple[str, ...]) -> Zones:
    """The traits of zones, each a function of the seed and its own id."""

    def key(stream: str) -> Keys:
        return keys(seed, ids, f"zone-{stream}")

    return Zones(
        seed,
        ids,
        1e6 * between(key("size"), 1.2, 3.6),
        between(key("heating"), 0.034, 0.046),
        between(key("cooling"), 0.008, 0.018),
    )


def zone_kwh(zones_: Zones, grid: LocalGrid, temperature_c: Floats, felt_c: Floats, daylight_wm2: Floats) -> Floats:
    """Energy per interval, kWh, shape (M, N); the weather arrays have the same shape."""
    sunday = (grid.weekday == 6) | grid.holiday
    shapes = [_clock(shape, grid.hour) for shape in (_SUNDAY, _SATURDAY, _WORKDAY)]
    shape = np.select([sunday[grid.day_index], (grid.weekday == 5)[grid.day_index]], shapes[:2], shapes[2])
    shape = shape * (1.0 - 0.04 * grid.at(grid.bridge.astype(np.float64)))
    season = grid.season()
    holiday_month = np.exp(-0.5 * ((season - 0.617) / 0.028) ** 2)  # mid-August
    year_end = np.exp(-0.5 * ((season + 0.5) % 1.0 - 0.494) ** 2 / 0.011**2)  # the days around the turn of the year
    shape = shape * (1.0 - 0.1 * holiday_month - 0.06 * year_end)
    dark = np.clip(1.0 - daylight_wm2 / 90.0, 0.0, 1.0)
    lights = 0.055 * dark * np.exp(-0.5 * ((grid.hour - 19.0) / 1.9) ** 2)[None, :]
    heat = zones_.heating_share_per_c[:, None] * np.maximum(15.0 - felt_c, 0.0)
    heat = heat * (0.9 + 0.14 * shapes[2])[None, :]
    cool = zones_.cooling_share_per_c[:, None] * np.maximum(0.6 * temperature_c + 0.4 * felt_c - 20.0, 0.0)
    slow = 0.009 * smooth(keys(zones_.seed, zones_.ids, "zone-slow"), grid.seconds, 72.0)
    quick = 0.006 * smooth(keys(zones_.seed, zones_.ids, "zone-quick"), grid.seconds, 7.0)
    chance = 0.0025 * jitter(keys(zones_.seed, zones_.ids, "zone-chance"), grid.seconds)
    kw = zones_.base_kw[:, None] * (0.88 * shape[None, :] + lights + heat + cool) * (1.0 + slow + quick + chance)
    return np.asarray(kw * (grid.step_s / 3600.0), dtype=np.float64)


def operator_forecast(zones_: Zones, kwh: Floats, grid: LocalGrid) -> Floats:
    """The operator's forecast of `kwh` (M, N), one per local day, off by about 2.3 % of the load on average.

    The error is drawn, not modelled: a bias of the day and a slow wander within it, each normal.
    """
    days = keys(zones_.seed, zones_.ids, "zone-operator-day")
    bias = 0.016 * grid.at(smooth(days, grid.days * 86_400, 30.0))
    wander = 0.023 * smooth(keys(zones_.seed, zones_.ids, "zone-operator-hour"), grid.seconds, 5.0)
    return kwh * (1.0 + bias + wander)


def _clock(shape: Floats, hour: Floats) -> Floats:
    """A daily shape of 24 hourly means at local hours, joined by straight lines through the hours' middles."""
    place = hour - 0.5
    left = np.floor(place).astype(np.int64)
    share = place - left
    return (1.0 - share) * shape[left % 24] + share * shape[(left + 1) % 24]
