"""Frames that fit the contracts, small or large, for building the dbt project on.

Belongs here: a plain synthetic fleet and writing frames into a DuckDB file. Does not belong here: single rows that a
test is about; those stand in the test.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from energy_assets.contracts import TABLES

LOADED = datetime(2024, 1, 1, tzinfo=UTC)
ZONES = ("Europe/Paris", "Australia/Sydney", "America/New_York")


def meters(count: int) -> pl.DataFrame:
    """`count` meters of all kinds but machines, over three time zones, hourly, half-hourly and quarter-hourly."""
    number = np.arange(count)
    return pl.DataFrame(
        {
            "meter_id": [f"m{i:02d}" for i in number],
            "name": [f"Meter {i}" for i in number],
            "kind": [("household", "industrial", "building", "zone")[i % 4] for i in number],
            "timezone": [ZONES[i % 3] for i in number],
            "country": [("FR", "AU", "US")[i % 3] for i in number],
            "interval_minutes": [(15, 30, 60)[(i // 3) % 3] for i in number],
            "capacity_kw": 50.0,
            "tariff_id": "standard",
            "source": "synthetic",
        }
    )


def readings(fleet: pl.DataFrame, start: datetime, days: int, load_id: int = 1, seed: int = 1) -> pl.DataFrame:
    """Readings of the fleet from `start`: a daily shape with noise, known an hour after each interval's end."""
    random = np.random.default_rng(seed)
    frames = []
    for meter_id, minutes in fleet.select("meter_id", "interval_minutes").iter_rows():
        size = days * 24 * 60 // minutes
        stamps = pl.datetime_range(
            start, start + timedelta(minutes=minutes * (size - 1)), f"{minutes}m", eager=True, time_zone="UTC"
        )
        shape = 5 + 3 * np.sin(np.arange(size) * 2 * np.pi * minutes / 1440) + random.normal(0, 0.3, size)
        frames.append(
            pl.DataFrame({"interval_start_utc": stamps, "energy_kwh": np.round(shape * minutes / 60, 3)}).with_columns(
                meter_id=pl.lit(meter_id), interval_end_utc=pl.col("interval_start_utc").dt.offset_by(f"{minutes}m")
            )
        )
    return pl.concat(frames).with_columns(
        direction=pl.lit("import"),
        known_at_utc=pl.col("interval_end_utc").dt.offset_by("1h"),
        quality=pl.lit("measured"),
        source=pl.lit("synthetic"),
        load_id=pl.lit(load_id, pl.Int64),
        file_sha256=pl.lit("0" * 64),
        file_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
        loaded_at_utc=pl.lit(LOADED),
    )


def weather(start: datetime, days: int, load_id: int = 1, places: int = 3) -> pl.DataFrame:
    """Hourly forecasts issued daily at 03:00 UTC for the next 60 hours, and observations known an hour later."""
    hours = pl.DataFrame(
        {"valid_at_utc": pl.datetime_range(start, start + timedelta(days=days), "1h", eager=True, time_zone="UTC")}
    )
    observed = hours.with_columns(
        issued_at_utc="valid_at_utc", known_at_utc=pl.col("valid_at_utc").dt.offset_by("1h"), is_forecast=False
    )
    forecast = (
        hours.join(pl.DataFrame({"back": [0, 1, 2]}), how="cross")
        .with_columns(
            issued_at_utc=pl.col("valid_at_utc").dt.truncate("1d").dt.offset_by("3h") - pl.duration(days="back")
        )
        .filter(pl.col("issued_at_utc") < pl.col("valid_at_utc"))
        .select("valid_at_utc", "issued_at_utc", known_at_utc=pl.col("issued_at_utc"), is_forecast=pl.lit(True))
    )
    shape = 12 + 8 * (pl.col("valid_at_utc").dt.epoch("s") * 2 * np.pi / 86_400).sin()
    located = pl.DataFrame({"location_id": [("paris", "sydney", "boston")[i % 3] for i in range(places)]})
    return (
        pl.concat([observed.select(forecast.columns), forecast])
        .join(located, how="cross")
        .with_columns(
            temperature_c=(shape + pl.col("is_forecast") * 0.5).round(1),
            relative_humidity_pct=60.0,
            wind_speed_ms=4.0,
            cloud_cover_pct=50.0,
            precipitation_mm=0.0,
            solar_irradiance_wm2=100.0,
            issue_basis=pl.lit("reported"),
            source=pl.lit("synthetic"),
            load_id=pl.lit(load_id, pl.Int64),
            loaded_at_utc=pl.lit(LOADED),
        )
    )


def telemetry(machines: list[str], start: datetime, rows: int, load_id: int = 1) -> pl.DataFrame:
    """`rows` observations of each machine every ten seconds, known a minute later."""
    stamps = pl.datetime_range(start, start + timedelta(seconds=10 * (rows - 1)), "10s", eager=True, time_zone="UTC")
    return (
        pl.DataFrame({"observed_at_utc": stamps, "step": np.arange(rows)})
        .join(pl.DataFrame({"machine_id": machines}), how="cross")
        .select(
            "machine_id",
            "observed_at_utc",
            temperature_c=40 + (pl.col("step") % 50) / 10,
            vibration_ms2=1 + (pl.col("step") % 7) / 10,
            pressure_bar=pl.lit(6.0),
            power_w=2000.0 + pl.col("step") % 100,
            known_at_utc=pl.col("observed_at_utc").dt.offset_by("1m"),
            source=pl.lit("synthetic"),
            load_id=pl.lit(load_id, pl.Int64),
        )
    )


def fleet(
    start: datetime, days: int, count: int = 6, machines: int = 2, telemetry_rows: int = 2000
) -> dict[str, pl.DataFrame]:
    """A whole warehouse's input, by qualified table name."""
    names = [f"machine{i}" for i in range(machines)]
    metered = meters(count)
    machine_meters = pl.DataFrame(
        {
            "meter_id": names,
            "name": names,
            "kind": "machine",
            "timezone": ZONES[0],
            "country": "FR",
            "interval_minutes": 15,
            "source": "synthetic",
        },
        schema_overrides={"meter_id": pl.String, "name": pl.String},
    )
    end = start + timedelta(days=days)
    return {
        "raw.meters": pl.concat([metered, machine_meters], how="diagonal_relaxed"),
        "raw.weather_locations": pl.DataFrame(
            {"location_id": ["paris", "sydney", "boston"], "country": ["FR", "AU", "US"], "source": "synthetic"}
        ),
        "raw.holidays": pl.DataFrame(
            {
                "country": ["FR", "FR", "AU"],
                "local_date": [date(2024, 1, 1), date(2024, 5, 9), date(2024, 1, 26)],
                "holiday_name": ["New Year", "Ascension", "Australia Day"],
            }
        ),
        "raw.meter_readings": readings(metered, start, days),
        "raw.weather": weather(start, days + 2),
        "raw.telemetry": telemetry(names, end - timedelta(seconds=10 * telemetry_rows), telemetry_rows),
        "raw.tariffs": pl.DataFrame(
            {
                "tariff_id": "standard",
                "component": "demand",
                "window": "all",
                "valid_from_utc": start,
                "calendar": "all",
                "price": 9.5,
                "unit": "kW_month",
                "currency": "EUR",
                "known_at_utc": start,
                "source": "synthetic",
                "load_id": 1,
            }
        ),
    }


def create(path: Path) -> None:
    """An empty warehouse with every table of the contracts."""
    with duckdb.connect(str(path), config={"storage_compatibility_version": "v1.4.0"}) as connection:
        for table in TABLES.values():
            for statement in table.ddl():
                connection.execute(statement)


def append(path: Path, frames: dict[str, pl.DataFrame]) -> None:
    """Rows into their tables, held against the contracts."""
    with duckdb.connect(str(path), config={"storage_compatibility_version": "v1.4.0"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, frame in frames.items():
            connection.register("incoming", TABLES[name].conform(frame).to_arrow())
            connection.execute(f"INSERT INTO {name} SELECT * FROM incoming")
            connection.unregister("incoming")


def outputs(issued_at: datetime, meter_id: str) -> dict[str, pl.DataFrame]:
    """What Python would have written about one meter's next day: a forecast, its score, a peak, an anomaly."""
    start = issued_at.replace(hour=0) + timedelta(days=1)
    hours = pl.DataFrame(
        {"interval_start_utc": pl.datetime_range(start, start + timedelta(hours=23), "1h", eager=True, time_zone="UTC")}
    )
    levels = pl.DataFrame({"quantile": [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]})
    ends = pl.col("interval_start_utc").dt.offset_by("1h")
    return {
        "forecasts.model_versions": pl.DataFrame(
            {
                "model_version": "v1",
                "model_name": "trees_household",
                "kind": "household",
                "role": "champion",
                "trained_at_utc": issued_at,
                "train_start_utc": issued_at - timedelta(days=30),
                "train_end_utc": issued_at,
                "features": "[]",
                "params": "{}",
                "metrics": "{}",
                "artefact": "models/trees/v1",
                "sha256": "0" * 64,
                "decision": "first",
                "decided_because": "no other",
                "dagster_run_id": "run",
            }
        ),
        "forecasts.demand_forecasts": hours.join(levels, how="cross").with_columns(
            interval_end_utc=ends,
            meter_id=pl.lit(meter_id),
            issued_at_utc=pl.lit(issued_at),
            model_version=pl.lit("v1"),
            revision=0,
            lead_minutes=(pl.col("interval_start_utc") - issued_at).dt.total_minutes(),
            demand_kwh=5 + pl.col("quantile"),
            quality=pl.lit("primary"),
            dagster_run_id=pl.lit("run"),
        ),
        "raw.published_forecasts": hours.select(
            "interval_start_utc",
            meter_id=pl.lit(meter_id),
            publisher=pl.lit("operator"),
            known_at_utc=pl.lit(issued_at),
            interval_end_utc=ends,
            energy_kwh=5.0,
            source=pl.lit("synthetic"),
            load_id=pl.lit(1, pl.Int64),
            loaded_at_utc=pl.lit(LOADED),
        ),
        "monitoring.forecast_scores": pl.DataFrame(
            {
                "meter_id": meter_id,
                "issued_at_utc": issued_at,
                "lead_bucket": "all",
                "model_version": "v1",
                "metric": ["mae", "wape", "coverage_80"],
                "baseline_name": "same_hour_last_week",
                "local_date": start.date(),
                "issue_basis": "reported",
                "value": [0.5, 0.1, 0.8],
                "n": 24,
                "baseline_value": [1.0, 0.2, None],
                "skill": [0.5, 0.5, None],
            }
        ),
        "flexibility.demand_peaks": pl.DataFrame(
            {
                "peak_id": "p1",
                "meter_id": meter_id,
                "issued_at_utc": issued_at,
                "model_version": "v1",
                "window_start_utc": start,
                "window_end_utc": start + timedelta(hours=2),
                "lead_minutes": 960,
                "peak_hour_utc": start,
                "threshold_kw": 6.0,
                "threshold_basis": "capacity",
                "threshold_meter_id": meter_id,
                "demand_window": "all",
                "averaging_minutes": 60,
                "probability": 0.4,
                "peak_p10_kw": 5.0,
                "peak_p50_kw": 5.5,
                "peak_p90_kw": 6.0,
                "level": 1,
                "billing_period": "2024-04",
            }
        ),
        "monitoring.demand_anomalies": pl.DataFrame(
            {
                "anomaly_id": "a1",
                "meter_id": meter_id,
                "start_utc": issued_at - timedelta(days=3),
                "end_utc": issued_at - timedelta(days=3) + timedelta(hours=2),
                "kind": "spike",
                "detector": "rule",
                "score": 9.0,
                "threshold": 5.0,
                "severity": "high",
                "detected_at_utc": issued_at,
                "action": "none",
                "message": "twice the usual",
            }
        ),
        "raw.feedback": pl.DataFrame(
            {
                "feedback_id": ["f1", "f2"],
                "target_type": "anomaly",
                "target_id": "a1",
                "meter_id": meter_id,
                "verdict": ["unsure", "incorrect"],
                "reason": [None, "a holiday"],
                "author": "someone",
                "given_at_utc": issued_at,
                "known_at_utc": issued_at,
                "supersedes_id": [None, "f1"],
                "use_for_training": False,
                "load_id": 1,
            }
        ),
    }
