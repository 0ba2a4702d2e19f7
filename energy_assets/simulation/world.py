"""The simulator's one way in: everything that became known within a window of time.

Belongs here: putting the parts of the world together. Does not belong here: what any member of the fleet does, or when
it is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import polars as pl

from energy_assets.config import Market, Simulation
from energy_assets.contracts import table
from energy_assets.simulation import faults, sensors
from energy_assets.simulation.buildings import building_kwh, buildings
from energy_assets.simulation.calendar import LocalGrid
from energy_assets.simulation.dynamic_prices import dynamic_prices
from energy_assets.simulation.fleet import HOME_MINUTES, SITE_MINUTES, ZONE_MINUTES, fleet, master_data
from energy_assets.simulation.households import home_kwh, homes
from energy_assets.simulation.industry import site_kwh
from energy_assets.simulation.noise import Floats
from energy_assets.simulation.publishing import Lags, fixed_lags, household_lags, published, readings
from energy_assets.simulation.shiftable import usual_kwh
from energy_assets.simulation.span import Span
from energy_assets.simulation.weather_service import weather_rows
from energy_assets.simulation.zones import PUBLISHER, operator_forecast, zone_kwh
from energy_assets.sources import Batch

_BLOCK = 500_000  # readings made at a time, so that memory does not grow with the fleet
_FORECAST_DAYS = 3  # days after the window that a published forecast may reach
TABLES = (
    "raw.meters", "raw.weather_locations", "raw.meter_locations", "raw.shiftable_loads", "raw.tariffs",
    "raw.meter_readings", "raw.weather", "raw.published_forecasts", "raw.telemetry", "raw.simulated_faults",
)  # fmt: skip


@dataclass(frozen=True)
class _Group:
    """Meters that report alike, and their energy per interval, (M, N)."""

    ids: tuple[str, ...]
    grid: LocalGrid
    kwh: Floats
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
    found["raw.tariffs"].append(dynamic_prices(span))
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
    stamps: dict[str, str | int] = {
        "source": source.name,
        "file_sha256": description_sha256(source, market),
        "file_row": 0,
    }
    tables = {name: _shaped(name, found.get(name, []), stamps) for name in TABLES}
    return Batch(rows=sum(frame.height for frame in tables.values()), tables=tables)


def description_sha256(source: Simulation, market: Market) -> str:
    """Checksum of everything that the simulated world follows from."""
    described = {"source": source.model_dump(mode="json"), "market": market.model_dump(mode="json")}
    return sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _groups(span: Span) -> Iterator[_Group]:
    members, seed = span.members, span.members.source.seed
    grid = span.grid(HOME_MINUTES)
    for ids in _blocks(members.homes.ids, grid):
        some = homes(seed, ids)
        kwh = home_kwh(some, grid, *_weather(span, ids, grid), span.daylight(grid, members.place_of(ids)))
        yield _Group(ids, grid, kwh, some.usual_kw, household_lags(seed, ids), faults.METERS)
    loads = members.shiftable_loads
    grid = span.grid(SITE_MINUTES)
    for ids in _blocks(members.sites.ids, grid):
        working = members.sites.part(ids)
        kwh = site_kwh(working, grid, span.temperature(grid, members.place_of(ids)))
        kwh = kwh + usual_kwh(loads, seed, ids, grid)
        yield _Group(ids, grid, kwh, working.usual_kw, fixed_lags(ids, 15), faults.METERS)
    for minutes in sorted(set(members.building_minutes().tolist())):
        grid = span.grid(minutes)
        chosen = members.building_minutes() == minutes
        names = tuple(name for name, wanted in zip(members.buildings.ids, chosen, strict=True) if wanted)
        for ids in _blocks(names, grid):
            used = buildings(seed, ids)
            kwh = building_kwh(used, grid, *_weather(span, ids, grid)) + usual_kwh(loads, seed, ids, grid)
            yield _Group(ids, grid, kwh, used.usual_kw, fixed_lags(ids, 30), faults.METERS)
    if members.zones.ids:
        grid = span.grid(ZONE_MINUTES)
        kwh = _zone_kwh(span, grid)
        yield _Group(
            members.zones.ids, grid, kwh, members.zones.usual_kw, fixed_lags(members.zones.ids, 60), faults.ZONES
        )


def _reported(span: Span, group: _Group) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the meters report, faults included, and the truth about those."""
    source, grid = span.members.source, group.grid
    days = span.end_day - span.first_day
    drawn = faults.draw(
        source.seed, group.ids, group.plan, source.fault_rate_per_meter_month, span.first_day, days, grid.step_s
    )
    values = group.kwh.reshape(len(group.ids), days, grid.per_day)
    reported, missing, twice = faults.distort(values, group.usual_kw * (grid.step_s / 3600.0), drawn)
    faulty = drawn.faulty((len(group.ids), days))
    told = readings(
        source.seed, group.ids, grid, span.zone, reported, missing, twice, faulty, group.lags, span.window
    ).with_columns(pl.lit("import").alias("direction"))
    return told, faults.told(drawn.rows, span.window.after, span.window.until, span.window.start)


def _operator(span: Span) -> pl.DataFrame:
    zones = span.members.zones
    grid = span.grid(ZONE_MINUTES, extra_days=_FORECAST_DAYS)
    kwh = operator_forecast(zones, _zone_kwh(span, grid), grid)
    return published(zones.ids, PUBLISHER, grid, span.zone, kwh, span.window)


def _zone_kwh(span: Span, grid: LocalGrid) -> Floats:
    zones = span.members.zones
    return zone_kwh(
        zones, grid, *_weather(span, zones.ids, grid), span.daylight(grid, span.members.place_of(zones.ids))
    )


def _weather(span: Span, ids: tuple[str, ...], grid: LocalGrid) -> tuple[Floats, Floats]:
    place = span.members.place_of(ids)
    return span.temperature(grid, place), span.felt(grid, place)


def _blocks(ids: tuple[str, ...], grid: LocalGrid) -> Iterator[tuple[str, ...]]:
    size = max(1, _BLOCK // grid.seconds.size)
    return (ids[first : first + size] for first in range(0, len(ids), size))


def _shaped(name: str, frames: list[pl.DataFrame], stamps: dict[str, str | int]) -> pl.DataFrame:
    """The frames as one with the contract's columns, without those that the loader adds."""
    contract = table(name)
    wanted = [column for column in contract.columns if column.name not in ("load_id", "loaded_at_utc")]
    if not frames:
        return contract.empty().select(column.name for column in wanted)
    whole = pl.concat(frames)
    return whole.select(
        pl.col(c.name) if c.name in whole.columns else pl.lit(stamps[c.name]).cast(c.polars_type).alias(c.name)
        for c in wanted
    )
