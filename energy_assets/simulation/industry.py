"""Demand of industrial sites: shifts, days off, production levels, and the machines within.

Belongs here: when a site works and what its main meter sees. Does not belong here: the machines' sensors
(`machines.py`), which follow the same shifts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy_assets.simulation.calendar import LocalGrid
from energy_assets.simulation.noise import (
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

ONE_SHIFT, TWO_SHIFTS, THREE_SHIFTS = 0, 1, 2


@dataclass(frozen=True)
class Sites:
    """Lasting traits of industrial sites, arrays of shape (M,)."""

    seed: int
    ids: tuple[str, ...]  # meter ids of the main meters
    shifts: Ints
    process_kw: Floats
    base_kw: Floats
    saturday_share: Floats  # production on a working Saturday
    cooling_share_per_c: Floats
    heating_share_per_c: Floats
    machines_kw: Floats  # mean power of the metered machines while the site works

    @property
    def capacity_kw(self) -> Floats:
        """Agreed power of the grid connection, a little above the highest usual demand, in steps of 10 kW."""
        result: Floats = np.ceil((self.process_kw * 1.6 + self.base_kw + self.machines_kw * 1.2) / 10.0) * 10.0
        return result

    def part(self, ids: tuple[str, ...]) -> Sites:
        """Those of the sites that are named."""
        row = {name: number for number, name in enumerate(self.ids)}
        return sites(self.seed, ids, self.machines_kw[[row[name] for name in ids]])

    @property
    def usual_kw(self) -> Floats:
        """About the mean power."""
        return self.base_kw + 0.4 * (self.process_kw + self.machines_kw)


def sites(seed: int, ids: tuple[str, ...], machines_kw: Floats) -> Sites:
    """The traits of sites, each a function of the seed and its own id; `machines_kw` has shape (M,)."""

    def key(stream: str) -> Keys:
        return keys(seed, ids, f"site-{stream}")

    process = 250.0 * np.exp(0.5 * normal(key("process")))
    base = (process + machines_kw) * between(key("base"), 0.08, 0.2)
    return Sites(
        seed,
        ids,
        choice(key("shifts"), (0.35, 0.45, 0.2)),
        process,
        base,
        np.where(uniform(key("saturday")) < 0.3, 0.5, 0.0),
        between(key("cooling"), 0.002, 0.008),
        between(key("heating"), 0.003, 0.01),
        machines_kw,
    )


def activity(sites_: Sites, grid: LocalGrid) -> Floats:
    """How much of its process a site runs, 0 to about 1.2, shape (M, N): shifts, ramps, breaks, production level."""
    days = grid.days[None, :]

    def key(stream: str) -> Keys:
        return keys(sites_.seed, sites_.ids, f"site-{stream}")[:, None]

    weekly = 1.0 + 0.09 * smooth(keys(sites_.seed, sites_.ids, "site-orders"), grid.days * 86_400, 24.0 * 12)
    daily = np.clip(weekly * lognormal(normal(key("day"), days), 0.09), 0.6, 1.25)
    open_share = np.where(grid.off[None, :], 0.0, 1.0)
    works_saturday = (grid.weekday == 5) & ~grid.holiday
    open_share = np.where(works_saturday[None, :], sites_.saturday_share[:, None], open_share)
    bridged = grid.bridge[None, :] & (uniform(key("bridge"), days) < 0.6)
    stopped = uniform(key("stop"), days) < 0.012
    open_share = np.where(bridged | stopped, 0.15 * open_share, open_share) * daily
    delay = 0.15 * normal(key("delay"), days)
    continuous = sites_.shifts[:, None] == THREE_SHIFTS
    begin = (
        np.where(
            continuous,
            np.where(grid.previous_off[None, :], 5.5, -2.0),
            np.select([sites_.shifts[:, None] == ONE_SHIFT], [7.0], 5.7),
        )
        + delay
    )
    end = np.where(continuous, 26.0, np.select([sites_.shifts[:, None] == ONE_SHIFT], [16.6], 21.8)) + delay
    hour = grid.hour[None, :]
    ramp = np.clip((hour - grid.at(begin)) / 0.8, 0.0, 1.0) * np.clip((grid.at(end) - hour) / 0.6, 0.0, 1.0)
    # a continuous site finishes its night shift on the morning after the last working day
    tail = continuous & (grid.off & ~grid.previous_off)[None, :]
    night = grid.at(np.where(tail, daily, 0.0)) * np.clip((6.0 - hour) / 0.5, 0.0, 1.0)
    dip = np.exp(-0.5 * ((hour - 12.4) / 0.3) ** 2)
    lunch = np.where(continuous, 0.12, 0.4) * dip
    return np.maximum(grid.at(open_share) * ramp * (1.0 - lunch), night)


def site_kwh(sites_: Sites, grid: LocalGrid, temperature_c: Floats) -> Floats:
    """Energy of the main meters per interval, kWh, shape (M, N), the machines' expected energy included."""
    seed, ids = sites_.seed, sites_.ids
    running = activity(sites_, grid)
    batches = np.exp(0.13 * smooth(keys(seed, ids, "site-batch"), grid.seconds, 1.5))
    process = sites_.process_kw[:, None] * running * batches
    process = process * lognormal(jitter(keys(seed, ids, "site-chance"), grid.seconds), 0.1)
    climate = sites_.cooling_share_per_c[:, None] * np.maximum(temperature_c - 20.0, 0.0)
    climate = climate + sites_.heating_share_per_c[:, None] * np.maximum(13.0 - temperature_c, 0.0)
    building = sites_.process_kw[:, None] * climate * (0.25 + 0.75 * np.minimum(running, 1.0))
    base = sites_.base_kw[:, None] * (1.0 + 0.04 * smooth(keys(seed, ids, "site-base"), grid.seconds, 8.0))
    base = base * lognormal(jitter(keys(seed, ids, "site-base-chance"), grid.seconds), 0.02)
    kw = base + process + building + sites_.machines_kw[:, None] * running
    return np.asarray(kw * (grid.step_s / 3600.0), dtype=np.float64)
