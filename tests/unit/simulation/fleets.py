"""Simulated fleets that the tests share, made once per process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import polars as pl

from energy_assets.config import Market, Simulation
from energy_assets.contracts import table
from energy_assets.simulation import simulate
from energy_assets.simulation.calendar import local_day, local_instants
from energy_assets.sources.base import Batch

FRANCE = Market(timezone="Europe/Paris", country="FR")
SMALL = Simulation(
    name="fleet", type="simulation", households=5, industrial_sites=2, machines_per_site=1, buildings=2, zones=1,
    locations=2, history_days=40, telemetry_days=2, fault_rate_per_meter_month=4.0,
)  # fmt: skip
UNTIL = datetime(2025, 4, 10, 7, 20, tzinfo=UTC)  # history holds a short day


def between(after: datetime | None, until: datetime, source: Simulation = SMALL, market: Market = FRANCE) -> Batch:
    """One call of the simulator."""
    return simulate(source, market, known_after=after, known_until=until)


@cache
def small() -> Batch:
    """The small fleet's history up to `UNTIL`."""
    return between(None, UNTIL)


@cache
def year(seed: int = 1) -> dict[str, pl.DataFrame]:
    """Two years without faults: latest readings per hour, with local time."""
    source = Simulation(
        name="fleet", type="simulation", seed=seed, households=20, industrial_sites=8, machines_per_site=1,
        buildings=12, zones=3, locations=2, history_days=730, telemetry_days=1, fault_rate_per_meter_month=0,
    )  # fmt: skip
    tables = between(None, UNTIL, source).tables
    readings = latest(tables["raw.meter_readings"]).filter(pl.col("interval_start_utc") < UNTIL - timedelta(days=8))
    hourly = readings.group_by("meter_id", pl.col("interval_start_utc").dt.truncate("1h").alias("utc")).agg(
        pl.col("energy_kwh").sum()
    )
    return tables | {"hourly": hourly.with_columns(local=pl.col("utc").dt.convert_time_zone("Europe/Paris"))}


def latest(readings: pl.DataFrame) -> pl.DataFrame:
    """The newest version of each reading."""
    return readings.sort("known_at_utc").unique(["meter_id", "interval_start_utc"], keep="last", maintain_order=True)


def loaded(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame as the loader would write it, held against its contract."""
    contract = table(name)
    added = {"load_id": pl.lit(1, dtype=pl.Int64), "loaded_at_utc": pl.lit(UNTIL).cast(pl.Datetime("us", "UTC"))}
    return contract.conform(
        frame.with_columns(value.alias(column) for column, value in added.items() if column in contract.by_name)
    )


def midnight(moment: datetime, days_before: int) -> datetime:
    """The market's local midnight some days before that of an instant."""
    day = local_day(moment, FRANCE.timezone) - days_before
    return datetime.fromtimestamp(int(local_instants(pl.Series([day]).to_numpy(), 0, FRANCE.timezone)[0]), tz=UTC)
