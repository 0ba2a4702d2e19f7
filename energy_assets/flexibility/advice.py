"""Advice on load shifting: a row and a sentence per load to be moved.

Belongs here: rows of `flexibility.load_shift_advice`, `.load_shift_schedules` and `.load_shift_outlook`. Does not
belong here: planning, what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from energy_assets.contracts import table
from energy_assets.flexibility.blocks import Battery, Floats
from energy_assets.flexibility.planning import KnownForAdvice, MeterDay, meter_days, planned
from energy_assets.flexibility.programme import Plan
from energy_assets.flexibility.savings import bill, steps
from energy_assets.ids import hash_id

ADVICE, SCHEDULES, OUTLOOK = (
    table(f"flexibility.load_shift_{name}") for name in ("advice", "schedules", "outlook")
)  # fmt: skip
MOVED_KW = 1e-6


@dataclass(frozen=True)
class Advised:
    """Rows of the three tables for one issue."""

    advice: pl.DataFrame
    schedules: pl.DataFrame
    outlook: pl.DataFrame


def advise(known: KnownForAdvice, peaks: pl.DataFrame, issued_at: datetime) -> Advised:
    """Advice of one issue time for every meter that has a tariff and loads that can wait.

    Args:
        known: what was known.
        peaks: rows of `flexibility.demand_peaks` of the issue.
        issued_at: aware.

    A meter without paths of its demand, or without a price for some hour, has a row that says so.
    """
    at = issued_at.astimezone(UTC)
    version = dict(known.scenarios.select("meter_id", "model_version").unique().iter_rows())
    rows: list[dict[str, Any]] = []
    drawn: list[pl.DataFrame] = []
    outlook: list[pl.DataFrame] = []
    for day in meter_days(known, at):
        plan = planned(day)
        shared = {"issued_at_utc": at, "model_version": version[day.meter["meter_id"]]}
        own = [row | shared for row in _rows(day, plan)]
        rows += own
        drawn += [_drawn(day, plan.kw, number).with_columns(_load=pl.lit(day.load_ids[number]))
                  for number in _moved(day, plan)]  # fmt: skip
        if _moved(day, plan):
            outlook.append(_outlook(day, plan).with_columns(issued_at_utc=pl.lit(at)))
    rows += _without_plan(known, {row["meter_id"] for row in rows}, at)
    kinds: dict[str, Any] = {"_subject": pl.String, **ADVICE.polars_schema}
    advice = pl.DataFrame(rows, schema=kinds, orient="row")
    advice = advice.with_columns(advice_id=hash_id(advice, "_subject", "issued_at_utc"))
    advice = _with_peaks(advice, peaks)
    ids = advice.select("advice_id", _load="shiftable_load_id").drop_nulls()
    schedules = pl.concat(drawn).join(ids, on="_load").drop("_load") if drawn else SCHEDULES.empty()
    return Advised(
        ADVICE.conform(advice.drop("_subject")).sort("meter_id", "advice_id"),
        SCHEDULES.conform(schedules).sort(SCHEDULES.key),
        OUTLOOK.conform(pl.concat(outlook) if outlook else OUTLOOK.empty()).sort(OUTLOOK.key),
    )


def _moved(day: MeterDay, plan: Plan) -> list[int]:
    """Numbers of the loads that do otherwise than usual: runs before batteries, what moves most energy first."""
    moved = np.abs(plan.kw - day.site.usual_kw).sum(axis=1)
    battery = [isinstance(load, Battery) for load in day.site.loads]
    return [int(number) for number in np.lexsort((-moved, battery)) if moved[number] > MOVED_KW]


def _rows(day: MeterDay, plan: Plan) -> list[dict[str, Any]]:
    site, chosen, first = day.site, _moved(day, plan), day.intervals.row(0, named=True)
    expected = (day.intervals["price_basis"] == "expected").any()
    shared = {
        "site_id": day.meter["site_id"] or day.meter["meter_id"],
        "meter_id": day.meter["meter_id"],
        "tariff_id": day.meter["tariff_id"],
        "local_date": first["local_date"],
        "currency": first["currency"],
        "incumbent_peak_kw": day.incumbent_kw,
        "price_basis": "expected" if expected else "published",
        "solver_status": plan.status,
    }
    if not chosen:
        why = "The solver found no plan" if plan.status == "no_solution" else "Nothing is worth moving"
        said = f"{why} on {first['local_date']}."
        return [shared | {"_subject": day.meter["meter_id"], "status": "none", "sentence": said}]
    usual, advised = site.usual_kw[chosen], plan.kw[chosen]
    still = np.delete(site.usual_kw, chosen, axis=0).sum(axis=0)
    nets = steps(site.rest_kw + still, usual, advised)  # (moves + 1, paths, T)
    bills = bill(nets, site.hours, site.price, site.charges)
    peaks = np.median(bills.peak_kw, axis=1)
    savings = {"energy": -np.diff(bills.energy.mean(axis=1)), "demand": -np.diff(bills.demand.mean(axis=1))}
    rows = []
    for step, number in enumerate(chosen):
        windows = _windows(day, usual[step], advised[step])
        saved = {name: float(values[step]) for name, values in savings.items()}
        rows.append(
            shared
            | windows
            | {
                "_subject": day.load_ids[number],
                "shiftable_load_id": day.load_ids[number],
                "shifted_kwh": float(np.maximum(advised[step] - usual[step], 0.0).sum() * site.hours),
                "saving_energy": saved["energy"],
                "saving_demand": saved["demand"],
                "peak_before_kw": float(peaks[0]),
                "peak_after_kw": float(peaks[-1]),
                "status": "proposed",
                "sentence": sentence(
                    day.load_names[number],
                    _stretches(day, advised[step]),
                    _stretches(day, usual[step]),
                    saving=sum(saved.values()),
                    currency=first["currency"],
                    peak_kw=float(peaks[step + 1] - peaks[step]) if site.charges else 0.0,
                    expected=bool(expected),
                    gives=_stretches(day, -advised[step]),
                ),
            }
        )
    return rows


def sentence(
    name: str, to: list[str], usual: list[str], *, saving: float, currency: str, peak_kw: float, expected: bool,
    gives: list[str],
) -> str:  # fmt: skip
    """The advice as one says it.

    Example:
        >>> common = {"currency": "EUR", "expected": False, "gives": []}
        >>> sentence("Kiln", ["13:00-17:00"], ["18:00-22:00"], saving=31, peak_kw=-42, **common)
        'Run Kiln 13:00-17:00 instead of 18:00-22:00: -42 kW at the peak, saves 31.00 EUR.'
    """
    if usual:
        told = f"Run {name} {' and '.join(to)} instead of {' and '.join(usual)}"
    else:
        told = f"Charge {name} {' and '.join(to)}, use it {' and '.join(gives)}"
    peak = f"{peak_kw:+.0f} kW at the peak, " if round(peak_kw) else ""
    worth = (
        f"saves {saving:.2f} {currency}" if saving >= 0 else f"costs {-saving:.2f} {currency} that its other moves save"
    )
    basis = "; prices are not published yet, those of a week before stand in" if expected else ""
    return f"{told}: {peak}{worth}{basis}."


def _windows(day: MeterDay, usual: Floats, advised: Floats) -> dict[str, datetime | None]:
    start, end = day.intervals["interval_start_utc"], day.intervals["interval_end_utc"]
    on, to = np.flatnonzero(usual > MOVED_KW), np.flatnonzero(np.abs(advised) > MOVED_KW)
    found = {"from": on, "to": to}
    return {
        f"{name}_{edge}_utc": None if not len(at) else (start[int(at[0])] if edge == "start" else end[int(at[-1])])
        for name, at in found.items()
        for edge in ("start", "end")
    }


def _stretches(day: MeterDay, kw: Floats) -> list[str]:
    """Local clock times of what is drawn, as 13:00-17:00; a run that begins within an interval by the interval's."""
    on = np.concatenate([[False], kw > MOVED_KW, [False]])
    begins, ends = np.flatnonzero(~on[:-1] & on[1:]), np.flatnonzero(on[:-1] & ~on[1:]) - 1
    zone = ZoneInfo(day.meter["timezone"])
    start, end = day.intervals["interval_start_utc"], day.intervals["interval_end_utc"]
    return [
        f"{start[int(a)].astimezone(zone):%H:%M}-{end[int(b)].astimezone(zone):%H:%M}"
        for a, b in zip(begins, ends, strict=True)
    ]


def _drawn(day: MeterDay, kw: Floats, number: int) -> pl.DataFrame:
    return day.intervals.select("interval_start_utc", "interval_end_utc").with_columns(
        usual_kw=pl.Series(day.site.usual_kw[number]), advised_kw=pl.Series(kw[number])
    )


def _outlook(day: MeterDay, plan: Plan) -> pl.DataFrame:
    before = day.site.rest_kw + day.site.usual_kw.sum(axis=0)
    low, middle, high = np.quantile(before, (0.1, 0.5, 0.9), axis=0)
    return day.intervals.select(
        "meter_id", "interval_start_utc", "interval_end_utc", "price", "price_basis", "currency"
    ).with_columns(
        before_p10_kw=pl.Series(low),
        before_p50_kw=pl.Series(middle),
        before_p90_kw=pl.Series(high),
        moved_kw=pl.Series((plan.kw - day.site.usual_kw).sum(axis=0)),
        incumbent_peak_kw=pl.Series(day.incumbent_by_interval).fill_nan(None),
    )


def _without_plan(known: KnownForAdvice, planned_for: set[str], at: datetime) -> list[dict[str, Any]]:
    """Meters that have loads but no paths of demand or no prices: each a row that says which."""
    shiftable = known.meters.join(known.loads.select("meter_id").unique(), on="meter_id", how="semi")
    forecast = set(known.scenarios["meter_id"].unique())
    missing = {True: "no price is known for some hour of the day", False: "there is no forecast of the whole day"}
    return [
        {
            "_subject": row["meter_id"],
            "site_id": row["site_id"] or row["meter_id"],
            "meter_id": row["meter_id"],
            "tariff_id": row["tariff_id"],
            "issued_at_utc": at,
            "local_date": at.astimezone(ZoneInfo(row["timezone"])).date() + timedelta(days=1),
            "solver_status": "not_run",
            "status": "none",
            "sentence": f"No advice: {missing[row['meter_id'] in forecast]}.",
        }
        for row in shiftable.sort("meter_id").iter_rows(named=True)
        if row["meter_id"] not in planned_for
    ]


def _with_peaks(advice: pl.DataFrame, peaks: pl.DataFrame) -> pl.DataFrame:
    """The likeliest flagged window of the meter that overlaps the usual run."""
    flagged = peaks.select("meter_id", "peak_id", "probability", "window_start_utc", "window_end_utc")
    touched = (
        advice.select("advice_id", "meter_id", "from_start_utc", "from_end_utc").drop_nulls()
        .join(flagged.rename({"peak_id": "likeliest"}), on="meter_id")
        .filter(pl.col("window_start_utc") < pl.col("from_end_utc"))
        .filter(pl.col("window_end_utc") > pl.col("from_start_utc"))
        .sort("probability", "window_start_utc", "likeliest", descending=[True, False, False])
        .group_by("advice_id", maintain_order=True).agg(pl.col("likeliest").first())
    )  # fmt: skip
    found = advice.join(touched, on="advice_id", how="left", maintain_order="left")
    return found.with_columns(peak_id=pl.col("likeliest")).drop("likeliest")
