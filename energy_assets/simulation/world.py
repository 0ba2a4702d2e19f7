"""The simulator's one way in: everything that became known within a window of time.

Belongs here: putting the parts of the world together. Does not belong here: what any member of the fleet does, or when
it is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import numpy as np
import polars as pl

from energy_assets.config import Market, Simulation
from energy_assets.contracts import table
from energy_assets.simulation import faults, sensors
from energy_assets.simulation.buildings import building_kwh, buildings
from energy_assets.simulation.calendar import LocalGrid
from energy_assets.simulation.fleet import HOME_MINUTES, SITE_MINUTES, ZONE_MINUTES, fleet, master_data
from energy_assets.simulation.forecasts import weather_rows
from energy_assets.simulation.households import home_kwh, homes
from energy_assets.simulation.industry import site_kwh
from energy_assets.simulation.noise import Floats
from energy_assets.simulation.publishing import Lags, fixed_lags, household_lags, published, readings
from energy_assets.simulation.span import Span
from energy_assets.simulation.zones import PUBLISHER, operator_forecast, zone_kwh
from energy_assets.sources.base import Batch

_BLOCK = 500_000  # readings made at a time, so that memory does not grow with the fleet
_FORECAST_DAYS = 3  # days after the window that a published forecast may reach
TABLES = (
    "raw.meters", "raw.weather_locations", "raw.meter_locations", "raw.tariffs", "raw.shiftable_loads",
    "raw.meter_readings", "raw.weather", "raw.published_forecasts", "raw.telemetry", "raw.simulated_faults",
)  # fmt: skip


@dataclass(frozen=True)
class _Group:
    """Meters that report alike. `kwh` maps a grid to their energy, (M, N)."""

    ids: tuple[str, ...]
    grid: LocalGrid
    kwh: Callable[[], Floats]
    usual_kw: Floats
    lags: Lags
    plan: faults.FaultPlan


def simulate(source: Simulation, market: Market, *, known_after: datetime | None, known_until: datetime) -> Batch:
    """All rows that became known after `known_after` and no later than `known_until`.

    With `known_after` None history begins at the market's local midnight `source.history_days` before the day of
    `known_until`, telemetry `source.telemetry_days` before. A row's values depend on the seed, its entity and its time
    alone, so windows that follow each other give the same rows as one window over both. A fault is told with the
    window that holds its start; master data come with every call.

    Raises:
        ValueError: a time is naive, or the window ends before it begins.
    """
    if known_until.tzinfo is None or (known_after is not None and known_after.tzinfo is None):
        raise ValueError("known_after and known_until need a time zone")
    if known_after is not None and known_after > known_until:
        raise ValueError(f"known_after {known_after.isoformat()} is later than known_until {known_until.isoformat()}")
    members = fleet(source, market)
    span = Span(members, known_after, known_until)
    found: dict[str, list[pl.DataFrame]] = {name: [frame] for name, frame in master_data(members).items()}
    for group in _groups(span):
        told, truth = _reported(span, group)
        found.setdefault("raw.meter_readings", []).append(told)
        found.setdefault("raw.simulated_faults", []).append(truth)
    if members.zones.ids:
        found["raw.published_forecasts"] = [_operator(span)]
    found["raw.weather"] = [weather_rows(span)]
    if members.machines.ids:
        observed, truth = sensors.telemetry_rows(span)
        found["raw.telemetry"] = [observed]
        found.setdefault("raw.simulated_faults", []).append(truth)
    stamps = {"source": source.name, "file_sha256": description_sha256(source, market), "file_row": 0}
    tables = {name: _shaped(name, found.get(name, []), stamps) for name in TABLES}
    return Batch(rows=sum(frame.height for frame in tables.values()), tables=tables)


def description_sha256(source: Simulation, market: Market) -> str:
    """Checksum of everything that the simulated world follows from."""
    text = json.dumps({"source": source.model_dump(mode="json"), "market": market.model_dump(mode="json")}, sort_keys=True)
    return sha256(text.encode()).hexdigest()


def _groups(span: Span) -> Iterator[_Group]:
    members, seed = span.members, span.members.source.seed
    for ids in _blocks(members.homes.ids, span.grid(HOME_MINUTES)):
        grid = span.grid(HOME_MINUTES)
        yield _Group(
            ids, grid, lambda ids=ids, grid=grid: home_kwh(homes(seed, ids), grid, *_weather(span, ids, grid)),
            homes(seed, ids).usual_kw, household_lags(seed, ids), faults.METERS,
        )  # fmt: skip
    if members.sites.ids:
        grid, place = span.grid(SITE_MINUTES), members.place_of(members.sites.ids)
        yield _Group(
            members.sites.ids, grid, lambda: site_kwh(members.sites, grid, span.temperature(grid, place)),
            members.sites.usual_kw, fixed_lags(members.sites.ids, 15), faults.METERS,
        )  # fmt: skip
