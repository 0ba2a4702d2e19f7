"""Demand of buildings: opening hours, people, heating and cooling.

Belongs here: what a building is used for and what it draws. Does not belong here: how its meter reports it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy_assets.simulation.calendar import LocalGrid
from energy_assets.simulation.noise import Floats, Ints, Keys, between, choice, jitter, keys, lognormal, normal, smooth

USES = ("office", "school", "shop", "hotel")
# opens, closes (local hours), share of use on Saturdays, on Sundays and holidays, when closed
_OPENS = np.array([7.4, 7.6, 8.8, 6.0])
_CLOSES = np.array([18.6, 16.8, 20.2, 23.0])
_SATURDAY = np.array([0.06, 0.04, 1.05, 1.0])
_SUNDAY = np.array([0.03, 0.02, 0.25, 0.95])
_NIGHT = np.array([0.04, 0.03, 0.06, 0.45])


@dataclass(frozen=True)
class Buildings:
    """Lasting traits of buildings, arrays of shape (M,)."""

    seed: int
    ids: tuple[str, ...]
    use: Ints
    plug_kw: Floats
    base_kw: Floats
    heating_kw_per_c: Floats
    cooling_kw_per_c: Floats

    @property
    def capacity_kw(self) -> Floats:
        """Agreed power of the connection in steps of 5 kW: full use on a cold or a hot day."""
        weather = np.maximum(self.heating_kw_per_c * 17.0, self.cooling_kw_per_c * 12.0)
        result: Floats = np.ceil((self.base_kw + self.plug_kw * 1.15 + weather) / 5.0) * 5.0
        return result

    @property
    def usual_kw(self) -> Floats:
        """About the mean power."""
        return self.base_kw + 0.4 * self.plug_kw


def buildings(seed: int, ids: tuple[str, ...]) -> Buildings:
    """The traits of buildings, each a function of the seed and its own id."""

    def key(stream: str) -> Keys:
        return keys(seed, ids, f"building-{stream}")

    plug = 90.0 * np.exp(0.55 * normal(key("plug")))
    return Buildings(
        seed,
        ids,
        choice(key("use"), (0.4, 0.2, 0.25, 0.15)),
        plug,
        plug * between(key("base"), 0.3, 0.75),
        plug * between(key("heating"), 0.008, 0.045),
        plug * between(key("cooling"), 0.012, 0.05),
    )


def building_kwh(buildings_: Buildings, grid: LocalGrid, temperature_c: Floats, felt_c: Floats) -> Floats:
    """Energy per interval, kWh, shape (M, N); the weather arrays have the same shape."""
    seed, ids, use = buildings_.seed, buildings_.ids, buildings_.use[:, None]
    days = grid.days[None, :]

    def key(stream: str) -> Keys:
        return keys(seed, ids, f"building-{stream}")[:, None]

    sunday = ((grid.weekday == 6) | grid.holiday)[None, :]
    saturday = (grid.weekday == 5)[None, :] & ~sunday
    share = np.select(
        [sunday, saturday, grid.bridge[None, :]], [_SUNDAY[use], _SATURDAY[use], np.where(use < 2, 0.6, 1.0)], 1.0
    )
    share = share * lognormal(normal(key("day"), days), 0.06)
    shift = between(key("hours"), -0.6, 0.6) + 0.1 * normal(key("hours-day"), days)
    hour = grid.hour[None, :]
    opens, closes = grid.at(_OPENS[use] + shift), grid.at(_CLOSES[use] + shift)
    inside = np.clip((hour - opens) / 1.6, 0.0, 1.0) * np.clip((closes - hour) / 1.8, 0.0, 1.0)
    busy = 0.8 + 0.2 * np.exp(-0.5 * ((hour - 0.5 * (opens + closes)) / 2.8) ** 2)
    people = np.maximum(grid.at(share) * inside * busy, _NIGHT[use])
    conditioned = np.clip((hour - opens + 2.0) / 1.0, 0.0, 1.0) * np.clip((closes - hour) / 1.0, 0.0, 1.0)
    conditioned = 0.3 + 0.7 * conditioned * np.minimum(grid.at(share), 1.0)
    kw = (
        buildings_.plug_kw[:, None]
        * people
        * (1.0 + 0.06 * smooth(keys(seed, ids, "building-plug-slow"), grid.seconds, 3.0))
    )
    kw = kw + buildings_.heating_kw_per_c[:, None] * np.maximum(15.0 - felt_c, 0.0) * conditioned
    kw = (
        kw + buildings_.cooling_kw_per_c[:, None] * np.maximum(0.5 * (temperature_c + felt_c) - 18.0, 0.0) * conditioned
    )
    kw = kw + buildings_.base_kw[:, None] * (1.0 + 0.05 * smooth(keys(seed, ids, "building-base"), grid.seconds, 100.0))
    kw = kw * lognormal(jitter(keys(seed, ids, "building-chance"), grid.seconds), 0.025)
    return np.asarray(kw * (grid.step_s / 3600.0), dtype=np.float64)
