"""`python -m tests.bench.many_peaks [<meters>]`: paths and peaks of one issue for a thousand made-up meters, as JSON.

A third of them are billed by quarter hours; all belong to one zone. Without the warehouse: what fetching and writing
take depends on the disk.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from energy_assets import flexibility, forecasting
from energy_assets.contracts import table

ISSUED = datetime(2026, 3, 10, 8, tzinfo=UTC)
TARGET = ISSUED + timedelta(hours=15)
PAST_DAYS = 50


def main(count: int) -> None:
    """Makes the frames, then measures."""
    random = np.random.default_rng(1)
    meters = pl.DataFrame(
        {"meter_id": [f"m{i:05d}" for i in range(count)], "kind": ["zone"] + ["industrial"] * (count - 1)}
    ).with_columns(
        timezone=pl.lit("Europe/Paris"), country=pl.lit("FR"), parent_meter_id=pl.lit(None, dtype=pl.String),
        capacity_kw=pl.lit(14.0), tariff_id=pl.lit("t"), interval_minutes=pl.lit(15, dtype=pl.Int32),
    )  # fmt: skip
    tariffs = table("raw.tariffs").empty()
    hourly = _readings(meters, TARGET - timedelta(days=33), 33 * 24, 60, random)
    parts = _readings(meters.head(count // 3), TARGET - timedelta(days=33), 33 * 96, 15, random)
    season = [_readings(meters, start, 46 * 24, 60, random) for start in
              (TARGET - timedelta(days=365), TARGET - timedelta(days=47))]  # fmt: skip
    days = pl.DataFrame(schema={"country": pl.String, "local_date": pl.Date, "is_workday": pl.Boolean})
    past = [_forecasts(meters, ISSUED - timedelta(days=2 + d), random) for d in range(PAST_DAYS)]
    said = _forecasts(meters, ISSUED, random)

    before, began = os.times(), time.monotonic()
    weeks = [pl.concat(past[day : day + 7]) for day in range(0, PAST_DAYS, 7)]
    ranks = pl.concat(
        forecasting.past_ranks(week, week.filter(pl.col("quantile") == 0.5).drop("quantile")) for week in weeks
    )
    paths = forecasting.demand_scenarios(said, ranks)
    charges = flexibility.demand_charges(meters, tariffs, ISSUED).with_columns(
        averaging_minutes=pl.when(pl.col("meter_id").is_in(parts["meter_id"].unique().implode())).then(15).otherwise(60)
    )
    known = flexibility.Known(meters, days, charges, hourly, parts, pl.concat(season))
    flagged = flexibility.flag_peaks(known, said, paths, ISSUED, 0.95)
    wall, after = time.monotonic() - began, os.times()
    note = f"{count:,} meters, {paths.height:,} rows of paths, {flagged.windows.height:,} windows"
    said_cpu = sum(after[:2]) - sum(before[:2])
    sys.stdout.write(json.dumps({"wall_s": wall, "cpu_s": said_cpu, "note": note}) + "\n")


def _readings(
    meters: pl.DataFrame, start: datetime, count: int, minutes: int, random: np.random.Generator
) -> pl.DataFrame:
    step = timedelta(minutes=minutes)
    stamps = pl.DataFrame(
        {"interval_start_utc": pl.datetime_range(start, start + step * (count - 1), step, eager=True)}
    )
    rows = meters.select("meter_id").join(stamps, how="cross")
    return rows.with_columns(
        demand_kwh=pl.Series(random.normal(10, 2, rows.height)) * minutes / 60,
        interval_end_utc=pl.col("interval_start_utc") + step,
        known_at_utc=pl.col("interval_start_utc") + step,
        local_hour=pl.col("interval_start_utc").dt.convert_time_zone("Europe/Paris").dt.hour().cast(pl.Int32),
    )


def _forecasts(meters: pl.DataFrame, issued: datetime, random: np.random.Generator) -> pl.DataFrame:
    hours = _readings(meters, issued + timedelta(hours=15), 24, 60, random).drop("known_at_utc", "local_hour")
    spread = pl.DataFrame({"quantile": forecasting.QUANTILES, "more": np.linspace(-3, 3, len(forecasting.QUANTILES))})
    return hours.join(spread, how="cross").select(
        "meter_id", "interval_start_utc", "interval_end_utc", "quantile",
        demand_kwh=pl.col("demand_kwh") + pl.col("more"),
        issued_at_utc=pl.lit(issued, dtype=pl.Datetime("us", "UTC")), model_version=pl.lit("v"),
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
