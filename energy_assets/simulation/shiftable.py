"""Loads of the fleet that can wait, and what they draw when nobody moves them.

Belongs here: rows of raw.shiftable_loads, the same at every call, and their usual runs, which are part of what the
meters see. Does not belong here: prices (`tariffs.py`), advice on moving them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from energy_assets.simulation.calendar import LocalGrid
from energy_assets.simulation.noise import Floats, between, choice, keys, lognormal, normal, uniform
from energy_assets.simulation.tariffs import DYNAMIC, home_tariffs

SCHEMA: dict[str, Any] = {
    "shiftable_load_id": pl.String, "meter_id": pl.String, "name": pl.String, "power_kw": pl.Float64,
    "energy_kwh": pl.Float64, "duration_minutes": pl.Int32, "earliest_local": pl.String, "latest_local": pl.String,
    "interruptible": pl.Boolean, "minimum_on_minutes": pl.Int32, "usual_start_local": pl.String, "calendar": pl.String,
    "rebound_share": pl.Float64, "maximum_shift_minutes": pl.Int32, "capacity_kwh": pl.Float64,
    "efficiency": pl.Float64, "minimum_charge_share": pl.Float64, "maximum_charge_share": pl.Float64,
}  # fmt: skip


def shiftable_loads(
    seed: int,
    source: str,
    homes: Sequence[str],
    sites: tuple[Sequence[str], Floats],
    buildings: tuple[Sequence[str], Floats],
) -> pl.DataFrame:
    """Rows of raw.shiftable_loads: a kiln and a compressor per site; a cold store per building, cars and a battery at
    some; a battery at homes that pay by the hour.

    `sites` and `buildings` come with the process and plug loads in kW that the sizes are taken from.
    """
    frames = [_industry(seed, *sites), _buildings(seed, *buildings), _homes(homes)]
    columns = [pl.col(name).cast(kind) for name, kind in SCHEMA.items()]
    whole = pl.concat([f for f in frames if f.height] or [pl.DataFrame(schema=SCHEMA)], how="diagonal_relaxed")
    absent = [pl.lit(None).alias(name) for name in SCHEMA if name not in whole.columns]
    return whole.with_columns(absent).select(columns).with_columns(source=pl.lit(source))


def usual_kwh(loads: pl.DataFrame, seed: int, ids: Sequence[str], grid: LocalGrid) -> Floats:
    """Energy of the usual runs per meter and interval, kWh, shape (M, N); their power differs a little by day."""
    row = {name: number for number, name in enumerate(ids)}
    runs = loads.filter(pl.col("meter_id").is_in(list(ids)), pl.col("usual_start_local").is_not_null())
    total = np.zeros((len(ids), grid.seconds.size))
    if runs.is_empty():
        return total
    clock = pl.col("usual_start_local")
    begin = runs.select(
        clock.str.slice(0, 2).cast(pl.Float64) + clock.str.slice(3, 2).cast(pl.Float64) / 60
    ).to_series().to_numpy()[:, None]  # fmt: skip
    end = begin + runs["duration_minutes"].to_numpy()[:, None] / 60.0
    half = grid.step_s / 7200.0
    hour = grid.hour[None, :]
    overlap = np.clip(np.minimum(end, hour + half) - np.maximum(begin, hour - half), 0.0, None)
    runs_on = np.where((runs["calendar"] == "workdays").to_numpy()[:, None], ~grid.off[None, :], True)
    level = lognormal(normal(keys(seed, runs["shiftable_load_id"].to_list(), "run")[:, None], grid.days[None, :]), 0.04)
    kwh = runs["power_kw"].to_numpy()[:, None] * overlap * grid.at(runs_on * level)
    np.add.at(total, [row[name] for name in runs["meter_id"]], kwh)
    return total


def _industry(seed: int, ids: Sequence[str], process_kw: Floats) -> pl.DataFrame:
    kiln = (0.16 * process_kw * between(keys(seed, ids, "kiln"), 0.8, 1.2)).round(0)
    air = (0.08 * process_kw * between(keys(seed, ids, "air"), 0.8, 1.2)).round(0)
    # some kilns need people around, others fire alone at night
    alone = uniform(keys(seed, ids, "kiln-alone")) < 0.5
    start = choice(keys(seed, ids, "kiln-start"), (0.25, 0.25, 0.25, 0.25))
    meter = pl.Series("meter_id", ids, dtype=pl.String)
    kilns = pl.DataFrame({"meter_id": meter, "power_kw": kiln, "alone": alone, "start": start}).select(
        "meter_id", "power_kw", shiftable_load_id=pl.col("meter_id") + "_kiln", name=pl.lit("Kiln firing"),
        energy_kwh=4.0 * pl.col("power_kw"), duration_minutes=240,
        earliest_local=pl.when("alone").then(pl.lit("00:00")).otherwise(pl.lit("05:00")),
        latest_local=pl.when("alone").then(pl.lit("24:00")).otherwise(pl.lit("22:00")),
        interruptible=False, minimum_on_minutes=240,
        usual_start_local=pl.col("start").replace_strict({0: "07:30", 1: "09:00", 2: "10:30", 3: "13:00"}),
        calendar=pl.lit("workdays"), rebound_share=0.0,
    )  # fmt: skip
    compressors = pl.DataFrame({"meter_id": meter, "power_kw": air}).select(
        "meter_id", "power_kw", shiftable_load_id=pl.col("meter_id") + "_compressor",
        name=pl.lit("Compressed-air storage"), energy_kwh=3.0 * pl.col("power_kw"), duration_minutes=180,
        earliest_local=pl.lit("05:00"), latest_local=pl.lit("23:00"), interruptible=True, minimum_on_minutes=30,
        usual_start_local=pl.lit("10:00"), calendar=pl.lit("workdays"), rebound_share=0.03, maximum_shift_minutes=300,
    )  # fmt: skip
    return pl.concat([kilns, compressors], how="diagonal_relaxed").sort("shiftable_load_id", descending=True)


def _buildings(seed: int, ids: Sequence[str], plug_kw: Floats) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "meter_id": pl.Series(ids, dtype=pl.String),
            "cold": (0.2 * plug_kw).round(0),
            "cars": (2.0 + np.floor(4.0 * uniform(keys(seed, ids, "cars")))) * 7.4,
            "with_cars": uniform(keys(seed, ids, "has-cars")) < 0.6,
            "battery": (0.25 * plug_kw).round(0),
            "with_battery": uniform(keys(seed, ids, "has-battery")) < 0.35,
        }
    )
    cold = frame.select(
        "meter_id", power_kw="cold", shiftable_load_id=pl.col("meter_id") + "_cold_store", name=pl.lit("Cold store"),
        energy_kwh=2.0 * pl.col("cold"), duration_minutes=120, earliest_local=pl.lit("04:00"),
        latest_local=pl.lit("20:00"), interruptible=True, minimum_on_minutes=30, usual_start_local=pl.lit("13:00"),
        calendar=pl.lit("all"), rebound_share=0.05, maximum_shift_minutes=420,
    )  # fmt: skip
    cars = frame.filter("with_cars").select(
        "meter_id", power_kw="cars", shiftable_load_id=pl.col("meter_id") + "_cars", name=pl.lit("Car fleet"),
        energy_kwh=3.0 * pl.col("cars"), duration_minutes=180, earliest_local=pl.lit("08:00"),
        latest_local=pl.lit("18:00"), interruptible=True, minimum_on_minutes=15, usual_start_local=pl.lit("08:30"),
        calendar=pl.lit("workdays"), rebound_share=0.0,
    )  # fmt: skip
    batteries = _batteries(frame.filter("with_battery").select("meter_id", power_kw="battery"), hours=2.0)
    return pl.concat([cold, cars, batteries], how="diagonal_relaxed").sort("shiftable_load_id")


def _homes(ids: Sequence[str]) -> pl.DataFrame:
    chosen = [name for name, tariff in zip(ids, home_tariffs(ids), strict=True) if tariff == DYNAMIC]
    return _batteries(pl.DataFrame({"meter_id": pl.Series(chosen, dtype=pl.String), "power_kw": 2.5}), hours=2.4)


def _batteries(frame: pl.DataFrame, hours: float) -> pl.DataFrame:
    return frame.select(
        "meter_id", pl.col("power_kw").cast(pl.Float64), shiftable_load_id=pl.col("meter_id") + "_battery",
        name=pl.lit("Battery"), earliest_local=pl.lit("00:00"), latest_local=pl.lit("24:00"), interruptible=True,
        minimum_on_minutes=15, calendar=pl.lit("all"), rebound_share=0.0, capacity_kwh=hours * pl.col("power_kw"),
        efficiency=0.9, minimum_charge_share=0.1, maximum_charge_share=0.9,
    )  # fmt: skip
