"""The published data sets load with a description only, and every row of theirs is accounted for.

Accounting: a file's rows are those of which something went into a table (`loaded_rows`) and those rejected, together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from energy_assets.sources import Batch, find_files
from tests.real_data import REAL_DATA, needs_real_data
from tests.unit.sources.reading import read_path, source, utc

Reasons = dict[str, int]
EIA: dict[str, Any] = {
    "type": "meter_files",
    "kind": "zone",
    "timezone": "UTC",
    "timestamp_marks": "end",
    "unit": "MW",
    "meters": {"ERCO": {"timezone": "America/Chicago"}},
}
EIA_PATH = "eia930/balancing_authorities_12_2015-07_2018-06.parquet"


def load(path: str, **fields: Any) -> list[Batch]:
    """All files of a source; `read_path` holds each against the contracts and the accounting."""
    files = find_files(source(**{**fields, "path": str(REAL_DATA / path)}), Path("/"))
    return [read_path(file, **fields) for file in files]


def whole(batches: list[Batch], name: str) -> pl.DataFrame:
    return pl.concat(b.tables[name] for b in batches)


def rejected(batches: list[Batch]) -> Reasons:
    counts = pl.concat(b.rejected for b in batches).group_by("reason").len()
    return dict(counts.iter_rows())


@needs_real_data
def test_france() -> None:
    load_rows = load("france_entsoe/Total Load*.csv", type="entsoe_load", meter_id="FR", publisher="RTE")
    readings, forecasts = whole(load_rows, "raw.meter_readings"), whole(load_rows, "raw.published_forecasts")
    assert sum(b.rows for b in load_rows) == readings.height == forecasts.height == 26280
    assert rejected(load_rows) == {}
    assert readings["interval_start_utc"].n_unique() == 26280
    both = readings.join(forecasts, on=["meter_id", "interval_start_utc"], suffix="_rte").drop_nulls("energy_kwh")
    year = both.filter(pl.col("interval_start_utc").dt.year() == 2022)
    error = (year["energy_kwh_rte"] - year["energy_kwh"]).abs().mean()
    assert isinstance(error, float)
    assert round(error / 1000) == 914  # MW, as published with the data


@needs_real_data
def test_weather_of_france() -> None:
    weather = load("france_entsoe/weather_*.parquet", type="open_meteo")
    rows = whole(weather, "raw.weather")
    assert sum(b.rows for b in weather) == 262800
    assert rows.height == 262800 - 19440
    assert rejected(weather) == {"no_value": 19440, "absurd_value": 115}  # cloud cover of -1: a hole
    assert rows["valid_at_utc"].min() == utc("2021-03-23 00:00")
    assert rows["location_id"].n_unique() == 10
    mean_wind = rows["wind_speed_ms"].mean()
    assert isinstance(mean_wind, float)
    assert 2 < mean_wind < 6


@needs_real_data
def test_finland_over_eight_changes_of_the_clock() -> None:
    batches = load("finland_entsoe/Total Load*.csv", type="entsoe_load", meter_id="FI", timezone="Europe/Helsinki")
    readings = whole(batches, "raw.meter_readings").sort("interval_start_utc")
    assert sum(b.rows for b in batches) == 35068
    assert rejected(batches) == {"nonexistent_local_time": 4}
    steps = readings["interval_start_utc"].diff().drop_nulls().unique()
    assert [s.total_seconds() for s in steps] == [3600]
    assert readings["interval_start_utc"][0] == utc("2014-12-31 23:00")
    assert readings["quality"].value_counts().sort("quality")["count"].to_list() == [34999, 65]
    assert (readings["energy_kwh"].is_null() == (readings["quality"] == "missing")).all()


@needs_real_data
def test_eia() -> None:
    columns = {"meter_id": "region", "timestamp": "utc_timestamp"}
    raw = load(EIA_PATH, **EIA, columns=columns | {"value": "raw_demand_mw"})
    assert rejected(raw) == {"absurd_value": 5}
    readings = whole(raw, "raw.meter_readings")
    assert readings.height == 315355
    assert readings.filter(quality="missing").height == 10321
    assert readings["interval_start_utc"].min() == utc("2015-07-01 23:00")
    assert readings.filter(pl.col("energy_kwh") < 0).height > 0  # kept: judging them is not the reader's part
    zones = dict(raw[0].tables["raw.meters"].select("meter_id", "timezone").iter_rows())
    assert (len(zones), zones["ERCO"], zones["TVA"]) == (12, "America/Chicago", "UTC")
    cleaned = load(
        EIA_PATH,
        **EIA,
        columns=columns | {"value": "cleaned_demand_mw"},
        quality="corrected",
        known_from="2020-05-26T00:00:00Z",
    )
    assert whole(cleaned, "raw.meter_readings")["known_at_utc"].unique().to_list() == [utc("2020-05-26 00:00")]
    forecasts = load(
        EIA_PATH,
        type="forecast_files",
        columns=columns | {"value": "forecast_demand_mw"},
        publisher="EIA-930",
        timezone="UTC",
        timestamp_marks="end",
        unit="MW",
    )
    assert rejected(forecasts) == {"no_value": 7656}
    assert whole(forecasts, "raw.published_forecasts").height == 307704


@needs_real_data
def test_household_by_the_minute_and_by_the_hour_agree() -> None:
    minutes = load("uci_household/*.zip", type="uci_household")
    hours = load(
        "uci_household/*hourly.csv",
        type="meter_files",
        columns={"timestamp": "datetime", "value": "Global_active_power"},
        meter_id="hours",
        timezone="Europe/Paris",
        scale=1 / 60,
    )
    assert rejected(minutes) == {"nonexistent_local_time": 60}
    assert rejected(hours) == {"nonexistent_local_time": 4}
    fine = whole(minutes, "raw.meter_readings")
    assert fine.height == 260580
    assert fine["interval_start_utc"].is_sorted()
    assert fine.filter(quality="missing").height == 3771
    summed = fine.group_by(pl.col("interval_start_utc").dt.truncate("1h")).agg(
        pl.col("energy_kwh").sum().alias("fine"), pl.col("energy_kwh").count().alias("minutes")
    )
    both = summed.filter(minutes=60).join(whole(hours, "raw.meter_readings"), on="interval_start_utc")
    assert both.height > 4000
    agree = (both["fine"] - both["energy_kwh"]).abs() < 1e-3
    assert agree.mean() == 1.0


@needs_real_data
def test_steel_with_and_without_the_repair() -> None:
    fields: dict[str, Any] = {
        "type": "meter_files",
        "columns": {"timestamp": "date", "value": "Usage_kWh"},
        "datetime_format": "%d-%m-%Y %H:%M",
        "meter_id": "steel",
        "kind": "industrial",
        "timezone": "Asia/Seoul",
        "timestamp_marks": "end",
        "interval_minutes": 15,
    }
    repaired = load("steel_industry/*.csv", **fields, repair=["midnight_belongs_to_next_day"])
    readings = whole(repaired, "raw.meter_readings")
    assert readings.height == 35040
    assert readings["interval_start_utc"].is_sorted()
    assert readings.filter(quality="corrected").height == 365
    assert readings["interval_end_utc"].max() == utc("2018-12-31 15:00")
    as_it_is = whole(load("steel_industry/*.csv", **fields), "raw.meter_readings")
    assert not as_it_is["interval_start_utc"].is_sorted()


@needs_real_data
def test_buildings_and_homes() -> None:
    buildings = load(
        "lead_buildings/*.csv",
        type="meter_files",
        columns={"timestamp": "timestamp", "meter_id": "building_id", "value": "meter_reading"},
        timezone="America/New_York",
    )
    assert len(buildings) == 5
    assert rejected(buildings) == {"nonexistent_local_time": 5}
    assert whole(buildings, "raw.meter_readings").height == 43915
    homes = load(
        "smart_meters/*.gz",
        type="meter_files",
        columns={"timestamp": "reading_datetime", "meter_id": "customer_id", "value": "kwh"},
        timezone="Australia/Sydney",
        interval_minutes=30,
        kind="household",
    )
    assert rejected(homes) == {"nonexistent_local_time": 36}
    assert whole(homes, "raw.meter_readings").height == 293874 - 36
    assert homes[0].tables["raw.meters"].height == 10
