"""Who belongs to the fleet: ids, traits, places, and the master data that says so.

Belongs here: composition. Does not belong here: what its members do (`households.py` and its like).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from energy_assets.config import Market, Simulation
from energy_assets.simulation.buildings import Buildings, buildings
from energy_assets.simulation.households import Homes, homes
from energy_assets.simulation.industry import Sites, sites
from energy_assets.simulation.machines import Machines, machines
from energy_assets.simulation.noise import Floats, Ints
from energy_assets.simulation.places import Places, places
from energy_assets.simulation.shiftable import shiftable_loads
from energy_assets.simulation.tariffs import BUILDING, INDUSTRY, home_tariffs, tariffs
from energy_assets.simulation.zones import Zones, zones

HOME_MINUTES, SITE_MINUTES, ZONE_MINUTES = 30, 15, 60


@dataclass(frozen=True)
class Fleet:
    """Everyone who draws power, and where they stand. A member's traits depend on the seed and its own id only."""

    source: Simulation
    market: Market
    places: Places
    homes: Homes
    sites: Sites
    machines: Machines
    buildings: Buildings
    zones: Zones

    @property
    def machine_site(self) -> Ints:
        """Row of the site that each machine stands at."""
        return np.repeat(np.arange(self.source.industrial_sites), self.source.machines_per_site)

    @property
    def shiftable_loads(self) -> pl.DataFrame:
        """Rows of raw.shiftable_loads."""
        return shiftable_loads(
            self.source.seed, self.source.name, self.homes.ids, (self.sites.ids, self.sites.process_kw),
            (self.buildings.ids, self.buildings.plug_kw),
        )  # fmt: skip

    def place_of(self, ids: tuple[str, ...]) -> Ints:
        """Row of the place of each meter: by turns over the places, by the number in its id."""
        numbers = np.array([int(name.split("_")[1]) for name in ids], dtype=np.int64)
        return (numbers - 1) % len(self.places.ids)

    def building_minutes(self) -> Ints:
        """Interval of each building's meter: 15 minutes for the odd ones, 60 for the even."""
        return np.where(np.arange(len(self.buildings.ids)) % 2 == 0, 15, 60)


def fleet(source: Simulation, market: Market) -> Fleet:
    """The fleet that a source describes."""
    seed = source.seed
    site_names = _names("industrial", source.industrial_sites, 2)
    machine_names = tuple(
        f"machine_{site:02d}_{number}"
        for site in range(1, source.industrial_sites + 1)
        for number in range(1, source.machines_per_site + 1)
    )
    working = machines(seed, machine_names)
    machines_kw = np.zeros(source.industrial_sites)
    np.add.at(machines_kw, np.repeat(np.arange(source.industrial_sites), source.machines_per_site), working.mean_kw)
    return Fleet(
        source,
        market,
        places(seed, source.locations, market.timezone),
        homes(seed, _names("household", source.households, 3)),
        sites(seed, site_names, machines_kw),
        working,
        buildings(seed, _names("building", source.buildings, 2)),
        zones(seed, _names("zone", source.zones, 2)),
    )


def master_data(members: Fleet) -> dict[str, pl.DataFrame]:
    """raw.meters, raw.weather_locations, raw.meter_locations, raw.tariffs and raw.shiftable_loads."""
    name = members.source.name
    meters = _meters(members).with_columns(source=pl.lit(name))
    standing = meters.filter(pl.col("kind") != "machine")["meter_id"]
    where = pl.Series(members.places.ids, dtype=pl.String).gather(members.place_of(tuple(standing)))
    return {
        "raw.meters": meters,
        "raw.weather_locations": pl.DataFrame(
            {
                "location_id": pl.Series(members.places.ids, dtype=pl.String),
                "country": pl.Series([members.market.country] * len(members.places.ids), dtype=pl.String),
                "latitude": members.places.latitude,
                "longitude": members.places.longitude,
                "source": pl.Series([name] * len(members.places.ids), dtype=pl.String),
            }
        ),
        "raw.meter_locations": pl.DataFrame({"meter_id": standing, "location_id": where}),
        "raw.tariffs": tariffs(members.market, name, meters["tariff_id"].drop_nulls().unique().to_list()),
        "raw.shiftable_loads": members.shiftable_loads,
    }


def _names(kind: str, count: int, digits: int) -> tuple[str, ...]:
    return tuple(f"{kind}_{number:0{digits}d}" for number in range(1, count + 1))


def _meters(members: Fleet) -> pl.DataFrame:
    site_ids = [f"site_{name.split('_')[1]}" for name in members.sites.ids]
    machine_site = members.machine_site
    groups = [
        _group(members, members.homes.ids, "household", "Household", HOME_MINUTES, members.homes.capacity_kw, None)
        .with_columns(pl.Series("tariff_id", home_tariffs(members.homes.ids), dtype=pl.String)),
        _group(members, members.sites.ids, "industrial", "Industry", SITE_MINUTES, members.sites.capacity_kw, INDUSTRY)
        .with_columns(pl.Series("site_id", site_ids, dtype=pl.String)),
        _group(members, members.buildings.ids, "building", "Building", 15, members.buildings.capacity_kw, BUILDING)
        .with_columns(
            pl.col("meter_id").alias("site_id"),
            pl.Series("interval_minutes", members.building_minutes(), dtype=pl.Int32),
        ),
        _group(members, members.zones.ids, "zone", "Grid zone", ZONE_MINUTES, members.zones.capacity_kw, None),
        _group(members, members.machines.ids, "machine", "Machine", 15, np.ceil(members.machines.rated_kw * 1.5), None)
        .with_columns(
            pl.Series("site_id", site_ids, dtype=pl.String).gather(machine_site),
            pl.Series("parent_meter_id", members.sites.ids, dtype=pl.String).gather(machine_site),
        ),
    ]  # fmt: skip
    return pl.concat(groups)


def _group(
    members: Fleet, ids: tuple[str, ...], kind: str, title: str, minutes: int, capacity_kw: Floats, tariff: str | None
) -> pl.DataFrame:
    place = members.place_of(ids)
    number = pl.col("meter_id").str.strip_prefix(f"{kind}_").str.replace_all("_", ".", literal=True)
    return pl.DataFrame({"meter_id": pl.Series(ids, dtype=pl.String)}).select(
        "meter_id",
        pl.lit(None, dtype=pl.String).alias("site_id"),
        pl.lit(None, dtype=pl.String).alias("parent_meter_id"),
        pl.format("{} {}", pl.lit(title), number).alias("name"),
        pl.lit(kind).alias("kind"),
        pl.lit(members.market.timezone).alias("timezone"),
        pl.lit(members.market.country, dtype=pl.String).alias("country"),
        pl.Series("latitude", members.places.latitude[place]),
        pl.Series("longitude", members.places.longitude[place]),
        pl.lit(minutes, dtype=pl.Int32).alias("interval_minutes"),
        pl.Series("capacity_kw", capacity_kw, dtype=pl.Float64),
        pl.lit(tariff, dtype=pl.String).alias("tariff_id"),
    )
