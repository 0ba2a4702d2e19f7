"""From what is known at an issue time to a plan per meter.

Belongs here: putting a meter's day together for the programme, and solving all meters. Does not belong here: how a day
is cut into intervals (`site_days.py`), the programme itself, sentences (`advice.py`), what came of it (`savings.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

import numpy as np
import polars as pl

from energy_assets.flexibility.blocks import Battery, Floats, Load, Run
from energy_assets.flexibility.clock import in_window, on_calendar
from energy_assets.flexibility.incumbents import demand_charges
from energy_assets.flexibility.programme import DemandCharge, Plan, SiteDay, solve
from energy_assets.flexibility.savings import bill
from energy_assets.flexibility.site_days import day_intervals, demand_paths, load_intervals, within_hour_ratios
from energy_assets.flexibility.tariffs import demand_prices, energy_prices

WORTH = 1e-3  # share of the day's bill that a plan has to save
COST_PATHS = 10  # that the demand charge is averaged over; `docs/load-shifting.md` has the figures that chose it


@dataclass(frozen=True)
class KnownForAdvice:
    """What was known at an issue time, all meters.

    meters: meter_id, site_id, tariff_id, timezone, country, interval_minutes, capacity_kw, of those with a tariff.
    loads: rows of `raw.shiftable_loads`. tariffs: rows of `raw.tariffs`.
    days: country, local_date, is_workday.
    scenarios: rows of `forecasts.demand_scenarios`, incumbents: rows of `flexibility.incumbent_peaks`, of the issue.
    parts: meter_id, interval_start_utc, power_kw of the quarter hours of the last weeks.
    """

    meters: pl.DataFrame
    loads: pl.DataFrame
    tariffs: pl.DataFrame
    days: pl.DataFrame
    scenarios: pl.DataFrame
    incumbents: pl.DataFrame
    parts: pl.DataFrame


@dataclass(frozen=True)
class MeterDay:
    """One meter's day: the programme's input, and what its rows are called."""

    meter: dict[str, Any]
    intervals: pl.DataFrame  # interval_start_utc, interval_end_utc, price, price_basis, currency
    load_ids: list[str]
    load_names: list[str]
    site: SiteDay
    incumbent_kw: float | None
    incumbent_by_interval: Floats  # NaN where no charge looks, or nothing is billed yet


def meter_days(known: KnownForAdvice, issued_at: datetime, *, cost_paths: int = COST_PATHS) -> list[MeterDay]:
    """The days of all meters that have loads, paths and prices, sorted by meter."""
    meters = known.meters.join(known.loads.select("meter_id").unique(), on="meter_id", how="semi").sort("meter_id")
    charges = demand_charges(meters, known.tariffs, issued_at)
    finest = charges.group_by("meter_id").agg(pl.col("averaging_minutes").min())
    intervals = day_intervals(known.scenarios, meters.join(finest, on="meter_id"), known.days)
    intervals = energy_prices(known.tariffs, intervals, issued_at)
    whole = pl.col("price").is_not_null().all().over("meter_id")
    intervals = intervals.filter(whole)
    ratios = within_hour_ratios(known.parts, meters, known.days)
    paths = demand_paths(known.scenarios, intervals, ratios)
    parts = {
        "interval": intervals.join(paths.select("meter_id").unique(), on="meter_id", how="semi"),
        "path": paths,
        "load": load_intervals(known.loads, intervals),
        "charge": _billed(intervals, charges, known, issued_at),
    }
    split = {name: frame.partition_by("meter_id", as_dict=True, maintain_order=True) for name, frame in parts.items()}
    loads = known.loads.sort("shiftable_load_id").partition_by("meter_id", as_dict=True)
    rows = {row["meter_id"]: row for row in meters.iter_rows(named=True)}
    return [
        _meter_day(rows[str(key[0])], own, split["path"][key], split["load"].get(key), split["charge"].get(key),
                   loads[key], cost_paths)
        for key, own in split["interval"].items()
    ]  # fmt: skip


def planned(day: MeterDay) -> Plan:
    """The plan for a day; nothing is moved for less than a thousandth of the day's bill."""
    plan, site = solve(day.site), day.site
    usual = site.usual_kw
    before, after = (
        bill(site.rest_kw + kw.sum(axis=0), site.hours, site.price, site.charges).total for kw in (usual, plan.kw)
    )
    worth = float((before - after).mean()) > WORTH * abs(float(before.mean()))
    return plan if worth else Plan(usual, plan.status)


def _billed(intervals: pl.DataFrame, charges: pl.DataFrame, known: KnownForAdvice, issued_at: datetime) -> pl.DataFrame:
    """meter_id, demand_window, price_per_kw, incumbent_kw, interval_start_utc, billed: of each charge all intervals."""
    prices = demand_prices(known.tariffs, issued_at)
    incumbents = known.incumbents.select("meter_id", "demand_window", "billing_period", "incumbent_peak_kw")
    period = pl.col("local_time").dt.strftime("%Y-%m")
    return (
        intervals.select("meter_id", "interval_start_utc", "local_time", "is_workday", billing_period=period)
        .join(charges.select("meter_id", "tariff_id", "window", "calendar", "demand_window"), on="meter_id")
        .join(prices, on=["tariff_id", "demand_window"])
        .join(incumbents, on=["meter_id", "demand_window", "billing_period"], how="left")
        .select(
            "meter_id",
            "demand_window",
            "price_per_kw",
            "incumbent_peak_kw",
            "interval_start_utc",
            billed=in_window(pl.col("window"), pl.col("local_time"))
            & on_calendar(pl.col("calendar"), pl.col("is_workday")),
        )
        .sort("meter_id", "demand_window", "interval_start_utc")
    )


def _meter_day(
    meter: dict[str, Any],
    intervals: pl.DataFrame,
    paths: pl.DataFrame,
    day_loads: pl.DataFrame | None,
    charges: pl.DataFrame | None,
    loads: pl.DataFrame,
    cost_paths: int,
) -> MeterDay:
    count, step = intervals.height, int(intervals["step_minutes"][0])
    demand = paths["demand_kw"].to_numpy().reshape(-1, count)
    by_load = {} if day_loads is None else day_loads.partition_by("shiftable_load_id", as_dict=True)
    found = [
        (row, _load(row, by_load[row["shiftable_load_id"],], step))
        for row in loads.iter_rows(named=True)
        if (row["shiftable_load_id"],) in by_load
    ]
    usual = np.sum([np.zeros(count), *(load.usual_kw for _, load in found if isinstance(load, Run))], axis=0)
    rest = np.maximum(demand - usual, 0.0)
    billed, kept, by_interval = [], [], np.full(count, np.nan)
    for charge in [] if charges is None else charges.partition_by("demand_window", maintain_order=True):
        mask, incumbent = charge["billed"].to_numpy(), charge["incumbent_peak_kw"][0]
        billed.append(DemandCharge(float(charge["price_per_kw"][0]), mask, float(incumbent or 0.0)))
        if incumbent is not None:
            kept.append(float(incumbent))
            by_interval[mask] = np.fmax(by_interval[mask], incumbent)
    return MeterDay(
        meter,
        intervals,
        [row["shiftable_load_id"] for row, _ in found],
        [row["name"] for row, _ in found],
        SiteDay(
            step / 60.0,
            intervals["price"].to_numpy(),
            rest,
            [load for _, load in found],
            billed,
            _representatives(rest + usual, cost_paths),
            float(meter["capacity_kw"] or 0.0),
        ),
        max(kept, default=None),
        by_interval,
    )


def _load(row: dict[str, Any], at: pl.DataFrame, step: int) -> Load:
    if row["capacity_kwh"] is not None:
        return Battery(
            row["power_kw"],
            row["capacity_kwh"],
            row["efficiency"],
            row["minimum_charge_share"],
            row["maximum_charge_share"],
        )
    intervals = ceil(row["duration_minutes"] / step)
    on = ceil(row["minimum_on_minutes"] / step) if row["interruptible"] else intervals
    return Run(
        row["energy_kwh"] / (intervals * step / 60.0),
        intervals,
        min(on, intervals),
        at["allowed"].to_numpy(),
        at["usual_kw"].to_numpy(),
        row["rebound_share"],
    )


def _representatives(paths: Floats, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Paths at equidistant ranks of the day's peak: the middle one of each of `count` groups."""
    order = np.argsort(paths.max(axis=1), kind="stable")
    ranks = ((np.arange(min(count, len(order))) + 0.5) * len(order) / min(count, len(order))).astype(np.int64)
    return np.asarray(order[ranks], dtype=np.int64)
