"""Demand of homes: habits, appliances, heating and a good deal of chance.

Belongs here: what a household is like and what it uses. Does not belong here: how its meter reports it.
Magnitudes are those of published smart-meter trials: means of 0.2 to 1 kW, load factors of 0.05 to 0.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy_assets.simulation.calendar import LocalGrid
from energy_assets.simulation.noise import (
    Bools,
    Floats,
    Ints,
    Keys,
    between,
    choice,
    jitter,
    keys,
    lognormal,
    normal,
    smooth,
    uniform,
)  # fmt: skip

WORKERS, FAMILY, RETIRED = 0, 1, 2

# name, power kW, hours, local start, spread of the start in hours, chance on working days, chance on days off
_APPLIANCES = (
    ("washing", 0.75, 1.4, 15.5, 2.6, 0.28, 0.5),
    ("dishwasher", 0.85, 1.3, 20.6, 1.0, 0.5, 0.55),
    ("supper", 1.1, 0.7, 18.9, 1.1, 0.7, 0.7),
    ("lunch", 0.9, 0.6, 12.5, 0.6, 0.25, 0.65),
    ("dryer", 1.8, 0.9, 17.5, 2.2, 0.12, 0.22),
)


@dataclass(frozen=True)
class Homes:
    """Lasting traits of households, arrays of shape (M,)."""

    seed: int
    ids: tuple[str, ...]
    persona: Ints
    size: Floats
    standby_kw: Floats
    wake_hour: Floats
    evening_hour: Floats
    heating_kw_per_c: Floats
    cooling_kw_per_c: Floats
    tank_kw: Floats
    tank_hour: Floats
    capacity_kw: Floats

    @property
    def usual_kw(self) -> Floats:
        """About the mean power."""
        return self.standby_kw + 0.3 * self.size


def homes(seed: int, ids: tuple[str, ...]) -> Homes:
    """The traits of households, each a function of the seed and its own id."""

    def key(stream: str) -> Keys:
        return keys(seed, ids, f"home-{stream}")

    size = lognormal(normal(key("size")), 0.3)
    heated = uniform(key("heated")) < 0.4
    heating = np.where(heated, between(key("heating"), 0.035, 0.1) * size, 0.0)
    tank = np.where(uniform(key("has-tank")) < 0.25, between(key("tank"), 1.2, 2.2), 0.0)
    cooling = np.where(uniform(key("cooled")) < 0.2, between(key("cooling"), 0.05, 0.12), 0.0)
    capacity = np.where(heating > 0.07, 12.0, np.where((heating > 0) | (tank > 0), 9.0, 6.0))
    return Homes(
        seed,
        ids,
        choice(key("persona"), (0.4, 0.35, 0.25)),
        size,
        between(key("standby"), 0.07, 0.17),
        6.9 + 0.8 * normal(key("wake")),
        19.0 + 1.0 * normal(key("evening")),
        heating,
        cooling,
        tank,
        between(key("tank-hour"), 22.0, 25.5) % 24.0,
        capacity,
    )


def home_kwh(homes_: Homes, grid: LocalGrid, temperature_c: Floats, felt_c: Floats, daylight_wm2: Floats) -> Floats:
    """Energy per interval, kWh, shape (M, N); the weather arrays have the same shape.

    Nobody draws more than the contracted capacity: the main switch would trip.
    """
    seed, ids = homes_.seed, homes_.ids
    days = grid.days[None, :]
    hour = grid.hour[None, :]
    off = grid.off[None, :]

    def key(stream: str) -> Keys:
        return keys(seed, ids, f"home-{stream}")[:, None]

    away = uniform(key("away"), days // 7) < 0.035
    level = lognormal(normal(key("day"), days), 0.18) * np.where(away, 0.04, 1.0)
    level_now = grid.at(level)
    wake = homes_.wake_hour[:, None] + np.where(off, 1.4, 0.0) + 0.25 * normal(key("wake-day"), days)
    evening = homes_.evening_hour[:, None] + 0.4 * normal(key("evening-day"), days)
    at_home = np.select(
        [off, homes_.persona[:, None] == RETIRED, homes_.persona[:, None] == FAMILY], [0.75, 0.8, 0.4], 0.12
    )
    morning_use = _bump(hour, grid.at(wake), 0.8)
    evening_use = _bump(hour, grid.at(evening), 1.7)
    day_use = np.where((hour > 9) & (hour < 17.5), grid.at(at_home), 0.0)
    dark = np.clip(1.0 - daylight_wm2 / 80.0, 0.0, 1.0)
    use = 0.26 * morning_use + 0.34 * evening_use + 0.32 * day_use + 0.12 * dark * np.maximum(morning_use, evening_use)
    drift = 1.0 + 0.12 * smooth(keys(seed, ids, "home-drift"), grid.seconds, 600.0)
    wobble = np.exp(0.35 * smooth(keys(seed, ids, "home-wobble"), grid.seconds, 1.5))
    kw = homes_.size[:, None] * use * level_now * drift * wobble
    kw = kw + homes_.standby_kw[:, None] * (1.0 + 0.18 * jitter(keys(seed, ids, "home-fridge"), grid.seconds))
    kw = kw + homes_.heating_kw_per_c[:, None] * np.maximum(16.0 - felt_c, 0.0) * _thermostat(hour) * np.where(
        grid.at(away.astype(np.float64)) > 0, 0.4, 1.0
    )
    kw = kw + homes_.cooling_kw_per_c[:, None] * np.maximum(temperature_c - 23.0, 0.0) * (0.4 + 0.6 * evening_use)
    energy = np.maximum(kw, 0.02) * (grid.step_s / 3600.0)
    energy = energy + _appliances(homes_, grid, away) + _tank(homes_, grid, away)
    energy = energy * lognormal(jitter(keys(seed, ids, "home-chance"), grid.seconds), 0.25)
    return np.minimum(energy, 0.98 * homes_.capacity_kw[:, None] * (grid.step_s / 3600.0))


def _appliances(homes_: Homes, grid: LocalGrid, away: Bools) -> Floats:
    total = np.zeros((len(homes_.ids), grid.seconds.size))
    days = grid.days[None, :]
    for name, power, hours, start, spread, on_workdays, on_days_off in _APPLIANCES:
        own = keys(homes_.seed, homes_.ids, f"home-{name}")[:, None]
        habit = keys(homes_.seed, homes_.ids, f"home-{name}-habit")[:, None]
        liking = between(habit, 0.5, 1.3) * np.where(grid.off, on_days_off, on_workdays)[None, :]
        runs = (uniform(own, days * 4) < liking) & ~away
        begin = start + 0.7 * spread * normal(habit, 1) + 0.6 * spread * normal(own, days * 4 + 1)
        length = hours * between(own, 0.7, 1.3, days * 4 + 2)
        kw = power * between(habit, 0.7, 1.3, 2) * runs
        total = total + _run_kwh(grid, begin, length, kw)
    return total


def _tank(homes_: Homes, grid: LocalGrid, away: Bools) -> Floats:
    """A hot-water tank that heats up when the cheap hours begin; longer in winter, when the mains are cold."""
    own = keys(homes_.seed, homes_.ids, "home-tank-day")[:, None]
    winter = 0.15 * np.cos(2 * np.pi * (grid.days / 365.25 - 0.05))[None, :]
    length = 1.8 * (1.0 + winter) * lognormal(normal(own, grid.days[None, :]), 0.2)
    return _run_kwh(grid, homes_.tank_hour[:, None] + 0.0 * length, length, homes_.tank_kw[:, None] * ~away)


def _run_kwh(grid: LocalGrid, begin_hour: Floats, length_hours: Floats, power_kw: Floats) -> Floats:
    """Energy that one run per local day adds to each interval, (M, N); arguments are per day, (M, D).

    A run past midnight is counted in the first hours of its own day, so that no other day needs to be known.
    """
    step = grid.step_s / 3600.0
    since = (grid.hour[None, :] - step / 2 - grid.at(begin_hour)) % 24.0
    length = grid.at(length_hours)
    overlap = np.clip(length - since, 0.0, step) + np.clip(np.minimum(since + step - 24.0, length), 0.0, step)
    result: Floats = grid.at(power_kw) * overlap
    return result


def _bump(hour: Floats, centre: Floats, width: float) -> Floats:
    distance: Floats = (hour - centre + 12.0) % 24.0 - 12.0
    result: Floats = np.exp(-0.5 * (distance / width) ** 2)
    return result


def _thermostat(hour: Floats) -> Floats:
    """Set-back at night."""
    return np.where((hour < 5.5) | (hour > 22.5), 0.7, 1.1)
