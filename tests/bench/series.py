"""Readings of the published data sets and of a simulated fleet without faults, for measuring detectors.

Belongs here: reading them, and hours out of readings as they were known at an instant. Does not belong here: faults.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from energy_assets import simulation
from energy_assets.config import Market, Simulation
from energy_assets.config.sources import AnySource
from energy_assets.simulation.injection import with_local
from energy_assets.sources import find_files, read, source_file
from energy_assets.sources.public_holidays import public_holidays
from tests.real_data import REAL_DATA

MARKET = Market(timezone="Europe/Paris", country="FR")
HISTORY_DAYS = 104  # that rules see
SEASONS_DAYS = 400  # that what is out of character is compared with, where there are so many
READINGS = [
    "meter_id",
    "interval_start_utc",
    "interval_end_utc",
    "known_at_utc",
    "energy_kwh",
    "quality",
    "load_id",
    "file_row",
]
_HOUR = ["meter_id", "interval_start_utc"]
_FILES: dict[str, dict[str, Any]] = {
    "France": {"type": "entsoe_load", "path": "france_entsoe/Total Load*.csv", "meter_id": "FR"},
    "Finland": {
        "type": "entsoe_load", "path": "finland_entsoe/Total Load*.csv", "meter_id": "FI", "country": "FI",
        "timezone": "Europe/Helsinki",
    },
    "US authorities": {
        "type": "meter_files", "path": "eia930/*.parquet", "kind": "zone", "timezone": "UTC", "timestamp_marks": "end",
        "columns": {"meter_id": "region", "timestamp": "utc_timestamp", "value": "raw_demand_mw"}, "unit": "MW",
        "meter_timezone": "America/New_York", "country": "US",
    },
    "steel works": {
        "type": "meter_files", "path": "steel_industry/Steel_industry_data.csv", "meter_id": "steel",
        "columns": {"timestamp": "date", "value": "Usage_kWh"}, "datetime_format": "%d-%m-%Y %H:%M",
        "kind": "industrial",
        "timezone": "Asia/Seoul", "country": "KR", "timestamp_marks": "end", "interval_minutes": 15,
        "repair": ["midnight_belongs_to_next_day"],
    },
    "household": {
        "type": "meter_files", "path": "uci_household/household_power_consumption_hourly.csv", "meter_id": "uci",
        "columns": {"timestamp": "datetime", "value": "Global_active_power"}, "kind": "household", "scale": 1 / 60,
    },
    "LEAD buildings": {
        "type": "meter_files", "path": "lead_buildings/building_*.csv", "timezone": "America/New_York", "country": "US",
        "columns": {"meter_id": "building_id", "timestamp": "timestamp", "value": "meter_reading"},
    },
    "homes": {
        "type": "meter_files", "path": "smart_meters/smart_meter10.csv.gz", "kind": "household", "interval_minutes": 30,
        "columns": {"meter_id": "customer_id", "timestamp": "reading_datetime", "value": "kwh"},
        "timezone": "Australia/Sydney", "country": "AU-NSW",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Series:
    """Readings of some meters up to `until`, with up to 400 days before `since`."""

    name: str
    readings: pl.DataFrame
    meters: pl.DataFrame
    since: datetime
    until: datetime

    def copies(self, times: int) -> Series:
        """Every meter so many times, under ids of their own: more faults into few series."""
        if times == 1:
            return self
        return Series(
            self.name,
            pl.concat(self.readings.with_columns(pl.col("meter_id") + f"#{i}") for i in range(times)),
            pl.concat(self.meters.with_columns(pl.col("meter_id") + f"#{i}") for i in range(times)),
            self.since,
            self.until,
        )


def published(name: str, since: datetime, days: int, **other: Any) -> Series:
    """Some days of a published data set; `other` replaces fields of its description."""
    fields = {"name": "series", **_FILES[name], **other}
    source = TypeAdapter(AnySource).validate_python({**fields, "path": str(REAL_DATA / fields["path"])})
    received = datetime(2026, 1, 1, tzinfo=UTC)
    batches = [read(source, source_file(path), MARKET, received) for path in find_files(source, REAL_DATA)]
    readings = pl.concat(
        batch.tables["raw.meter_readings"].with_columns(load_id=pl.lit(number))
        for number, batch in enumerate(batches, 1)
    )
    meters = pl.concat(batch.tables["raw.meters"] for batch in batches).unique("meter_id", keep="first")
    return _cut(name, readings, meters, since, days)


def simulated(name: str, seed: int, since: datetime, days: int, **fleet: int) -> Series:
    """A fleet that makes no faults."""
    source = Simulation(
        name="fleet", type="simulation", seed=seed, history_days=SEASONS_DAYS + days, machines_per_site=0,
        fault_rate_per_meter_month=0, **fleet,
    )  # fmt: skip
    until = since + timedelta(days=days)
    batch = simulation.simulate(source, MARKET, known_after=None, known_until=until)
    readings = batch.tables["raw.meter_readings"].with_columns(load_id=pl.lit(1))
    return _cut(name, readings, batch.tables["raw.meters"], since, days)


def hours(
    readings: pl.DataFrame, meters: pl.DataFrame, decided: pl.DataFrame, issued_at: datetime, days: int = HISTORY_DAYS
) -> pl.DataFrame:
    """The last `days` of hours that `detect` takes, as known at the issue time, by the rules of the marts.

    `decided` holds meter_id, interval_start_utc, action and value_kwh of what is set aside or imputed.
    """
    known = readings.filter(
        pl.col("known_at_utc") <= issued_at,
        pl.col("interval_start_utc") >= issued_at - timedelta(days=days),
        pl.col("interval_end_utc") <= issued_at,
    )
    length = pl.col("interval_end_utc") - pl.col("interval_start_utc")
    measured = (
        known.sort("known_at_utc")
        .unique(_HOUR, keep="last", maintain_order=True)
        .group_by("meter_id", interval_start_utc=pl.col("interval_start_utc").dt.truncate("1h"))
        .agg(
            demand_reported_kwh=pl.when(pl.col("energy_kwh").count() > 0).then(pl.col("energy_kwh").sum()),
            least=pl.col("energy_kwh").min(),
            coverage=length.filter(pl.col("energy_kwh").is_not_null()).sum().dt.total_seconds() / 3600.0,
            known_at_utc=pl.col("known_at_utc").max(),
            quality=pl.col("quality").filter(pl.col("quality") == "estimated").first(),
        )
    )
    spine = (
        measured.group_by("meter_id")
        .agg(first=pl.col("interval_start_utc").min(), last=pl.col("interval_start_utc").max())
        .with_columns(interval_start_utc=pl.datetime_ranges("first", "last", "1h"))
        .explode("interval_start_utc")
        .select(_HOUR)
    )
    rows = spine.join(measured, on=_HOUR, how="left").join(decided, on=_HOUR, how="left").sort(_HOUR)
    clean = (
        pl.when(pl.col("action") == "impute")
        .then("value_kwh")
        .when(pl.col("action").is_null() & (pl.col("least") >= 0) & (pl.col("coverage") >= 0.5))
        .then(pl.col("demand_reported_kwh") / pl.min_horizontal("coverage", 1.0))
    )
    rows = with_local(rows, meters).with_columns(
        interval_end_utc=pl.col("interval_start_utc") + timedelta(hours=1),
        local_date=pl.col("local").dt.date(),
        local_hour=pl.col("local").dt.hour().cast(pl.Int32),
        demand_kwh=clean,
    )
    days_off = public_holidays(meters["country"].drop_nulls().unique(), range(issued_at.year - 2, issued_at.year + 1))
    return (
        rows.join(meters.select("meter_id", "country"), on="meter_id", how="left")
        .join(days_off.with_columns(is_holiday=True), on=["country", "local_date"], how="left")
        .with_columns(pl.col("is_holiday").fill_null(value=False))
        .drop("least", "coverage", "action", "value_kwh", "local", "holiday_name", "country")
        .sort(_HOUR)
    )


def _cut(name: str, readings: pl.DataFrame, meters: pl.DataFrame, since: datetime, days: int) -> Series:
    until = since + timedelta(days=days)
    start = pl.col("interval_start_utc")
    rows = readings.filter(
        start >= since - timedelta(days=SEASONS_DAYS), start < until, pl.col("energy_kwh").is_not_null()
    )
    rows = rows.sort("known_at_utc").unique(_HOUR, keep="first", maintain_order=True).sort(_HOUR)  # before corrections
    present = rows.filter(start >= since)["meter_id"].unique().sort()
    kept = pl.col("meter_id").is_in(present.implode())
    return Series(name, rows.filter(kept).select(READINGS), meters.filter(kept), since, until)
