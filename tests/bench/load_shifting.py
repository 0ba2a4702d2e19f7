"""`python -m tests.bench.load_shifting [--warehouse FOLDER] [--cost-paths N]`: what advice on load shifting would save.

Replays every issue of a warehouse's newest daily backtest: forecasts as they would have been issued, paths from the
issues before, billed peaks and prices as known. Each plan is held against actual demand, and against the same programme
with actual demand in the place of forecasts (perfect foresight). Without `--warehouse` a simulated one is built: 12
industrial sites, 12 buildings, 8 homes, 13 weeks of backtest. `--solve 1000` only takes the time of so many meter-days,
`--picture METER DATE FILE` only draws one planned day.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from energy_assets import forecasting, plots
from energy_assets.contracts import table
from energy_assets.flexibility import advise
from energy_assets.flexibility.clock import with_local_time
from energy_assets.flexibility.incumbents import demand_charges, incumbent_peaks, mean_power
from energy_assets.flexibility.planning import COST_PATHS, KnownForAdvice, MeterDay, meter_days, planned
from energy_assets.flexibility.programme import SiteDay, solve
from energy_assets.flexibility.savings import bill
from energy_assets.flexibility.tariffs import energy_prices
from energy_assets.warehouse import fetch
from energy_assets.warehouse.intervals import INTERVAL_VERSIONS
from energy_assets.warehouse.standing import NEWEST_BACKTESTS
from tests.bench.measuring import measure
from tests.warehouses import NOW, Folder

SOURCES = {
    "market": {"timezone": "Europe/Paris", "country": "FR", "currency": "EUR", "history_start": "2025-01-01"},
    "forecast": {"issue_hour": 9, "evaluation_weeks": 13, "refit_weeks": 13},
    "sources": [
        {"name": "fleet", "type": "simulation", "seed": 11, "history_days": 400, "telemetry_days": 1, "households": 8,
         "industrial_sites": 12, "machines_per_site": 0, "buildings": 12, "zones": 0, "locations": 2,
         "fault_rate_per_meter_month": 0.0},
    ],
}  # fmt: skip
FAR = datetime(2100, 1, 1, tzinfo=UTC)
PAST_DAYS = 60


class Material:
    """Everything that a replay needs, read once; `at` gives what was known at an issue time."""

    def __init__(self, database: Path) -> None:
        with duckdb.connect(str(database), read_only=True) as con:
            con.execute("SET TimeZone='UTC'")
            self.meters = fetch(
                con, "SELECT * FROM raw.meters WHERE tariff_id IS NOT NULL AND kind <> 'machine' ORDER BY meter_id"
            )
            self.loads = fetch(con, "SELECT * FROM raw.shiftable_loads ORDER BY 1")
            self.tariffs = fetch(con, "SELECT * FROM raw.tariffs ORDER BY ALL")
            self.days = fetch(
                con, "SELECT country, local_date, NOT is_weekend AND NOT is_holiday AS is_workday FROM marts.dim_dates"
            )
            self.said = fetch(
                con,
                f"""SELECT meter_id, issued_at_utc, model_name AS model_version, interval_start_utc, interval_end_utc,
                    quantile, demand_kwh
                FROM forecasts.backtest_forecasts SEMI JOIN ({NEWEST_BACKTESTS}) USING (backtest_id)
                WHERE model_name = '{forecasting.MODEL_NAME}' ORDER BY ALL""",
                {"at": FAR},
            )
            since = self.said["issued_at_utc"].min() - timedelta(days=95)  # type: ignore[operator]
            self.hourly = fetch(
                con,
                """SELECT meter_id, interval_start_utc, interval_end_utc, demand_kwh, known_from_utc AS known_at_utc,
                    known_to_utc
                FROM intermediate.int_demand_versions WHERE interval_start_utc >= $since AND demand_kwh IS NOT NULL
                ORDER BY ALL""",
                {"since": since},
            )
            named = self.meters["meter_id"].to_list()
            self.parts = fetch(
                con, INTERVAL_VERSIONS, {"meters": named, "as_of": FAR, "since": since, "until": FAR}
            ).rename({"known_from_utc": "known_at_utc"})
        hourly = mean_power(self._in_force(self.hourly, FAR), 60, FAR)
        self.actual = pl.concat([hourly, mean_power(self._in_force(self.parts, FAR), 15, FAR)]).select(
            "meter_id", "averaging_minutes", "interval_start_utc", "power_kw"
        )

    def issues(self) -> list[datetime]:
        """Issue times, ascending; the first ones only give the paths their order."""
        return self.said["issued_at_utc"].unique().sort().to_list()

    def at(self, issued_at: datetime) -> KnownForAdvice:
        """What was known at an issue time."""
        since = issued_at - timedelta(days=PAST_DAYS)
        hourly, parts = (self._in_force(rows, issued_at) for rows in (self.hourly, self.parts))
        past = self.said.filter(pl.col("issued_at_utc") < issued_at, pl.col("issued_at_utc") >= since)
        known = hourly.filter(pl.col("interval_start_utc") >= since)
        ranks = forecasting.past_ranks(past, known)
        said = self.said.filter(pl.col("issued_at_utc") == issued_at)
        charges = demand_charges(self.meters, self.tariffs, issued_at)
        quarters = mean_power(parts.filter(pl.col("interval_start_utc") >= since), 15, issued_at)
        return KnownForAdvice(
            self.meters,
            self.loads,
            self.tariffs,
            self.days,
            forecasting.demand_scenarios(said, ranks),
            incumbent_peaks(hourly, parts, charges, self.days, issued_at),
            quarters,
        )

    @staticmethod
    def _in_force(rows: pl.DataFrame, at: datetime) -> pl.DataFrame:
        later = pl.col("known_to_utc").is_null() | (pl.col("known_to_utc") > at)
        return rows.filter(pl.col("known_at_utc") <= at, later).drop("known_to_utc")


def outcomes(material: Material, issued_at: datetime, cost_paths: int) -> list[dict[str, object]]:
    """One row per meter and issue whose actual demand is whole: bills and peaks without and with the moves."""
    rows: list[dict[str, object]] = []
    days = meter_days(material.at(issued_at), issued_at, cost_paths=cost_paths)
    whole = pl.concat(day.intervals.drop("price", "price_basis", "currency") for day in days)
    came = energy_prices(material.tariffs, whole, FAR).partition_by("meter_id", as_dict=True)
    for day in days:
        meter = day.meter["meter_id"]
        actual = _actual(material, day)
        if actual is None:
            continue
        began = time.process_time()
        plan = planned(day)
        took = time.process_time() - began
        true = _as_it_was(material, day, actual, came[meter,]["price"].to_numpy())
        best = solve(true)
        site, usual = day.site, day.site.usual_kw.sum(axis=0)
        bills = {
            name: bill(net, site.hours, true.price, true.charges)
            for name, net in {
                "before": actual,
                "after": np.maximum(actual - usual, 0.0) + plan.kw.sum(axis=0),
                "best": true.rest_kw[0] + best.kw.sum(axis=0),
            }.items()
        }
        expected = [
            bill(site.rest_kw + kw.sum(axis=0), site.hours, site.price, site.charges) for kw in (site.usual_kw, plan.kw)
        ]
        ceiling = max((c.incumbent_kw for c in site.charges), default=site.limit_kw)
        rows.append(
            {
                "meter_id": meter, "kind": day.meter["kind"], "issued_at_utc": issued_at, "status": plan.status,
                "seconds": took, "moved": bool(np.abs(plan.kw - site.usual_kw).max(initial=0.0) > 1e-6),
                **{f"{what}_{name}": float(getattr(b, what)) for name, b in bills.items()
                   for what in ("energy", "demand", "total", "peak_kw")},
                "planned_saving": float((expected[0].total - expected[1].total).mean()),
                "planned_before": float(np.median(expected[0].peak_kw)),
                "planned_after": float(np.median(expected[1].peak_kw)), "ceiling": ceiling,
                "true_ceiling": max((c.incumbent_kw for c in true.charges), default=site.limit_kw),
            }
        )  # fmt: skip
    return rows


def _actual(material: Material, day: MeterDay) -> np.ndarray | None:
    step = round(day.site.hours * 60)
    of_meter = material.actual.filter(
        pl.col("meter_id") == day.meter["meter_id"], pl.col("averaging_minutes") == step
    ).select("interval_start_utc", "power_kw")
    joined = day.intervals.join(of_meter, on="interval_start_utc", how="left", maintain_order="left")["power_kw"]
    return None if joined.null_count() else joined.to_numpy()


def _as_it_was(material: Material, day: MeterDay, actual: np.ndarray, price: np.ndarray) -> SiteDay:
    """The day with actual demand for its only path, prices as they came, and what was billed up to its start."""
    site = day.site
    start, zone = day.intervals["interval_start_utc"][0], day.meter["timezone"]
    month = day.intervals["local_time"][0].strftime("%Y-%m")
    step = round(site.hours * 60)
    before = with_local_time(
        material.actual.filter(
            pl.col("meter_id") == day.meter["meter_id"],
            pl.col("averaging_minutes") == step,
            pl.col("interval_start_utc") < start,
            pl.col("interval_start_utc") >= start - timedelta(days=32),
        ).with_columns(timezone=pl.lit(zone)),
        "interval_start_utc",
    ).filter(pl.col("local_time").dt.strftime("%Y-%m") == month)
    # the simulated tariffs bill all hours
    incumbent = before.select(pl.col("power_kw").max()).item() or 0.0
    charges = [dataclasses.replace(c, incumbent_kw=incumbent) for c in site.charges]
    rest = np.maximum(actual - site.usual_kw.sum(axis=0), 0.0)[None, :]
    return dataclasses.replace(site, rest_kw=rest, price=price, charges=charges, cost_paths=np.zeros(1, dtype=np.int64))


def solving(material: Material, wanted: int) -> str:
    """Seconds that preparing and solving so many meter-days takes, the newest ones first."""
    count, wall, cpu, statuses = 0, 0.0, 0.0, set()
    for issued_at in reversed(material.issues()):
        known = material.at(issued_at)
        began, began_cpu = time.perf_counter(), time.process_time()
        days = meter_days(known, issued_at)[: wanted - count]
        statuses |= {planned(day).status for day in days}
        wall, cpu, count = wall + time.perf_counter() - began, cpu + time.process_time() - began_cpu, count + len(days)
        if count == wanted:
            break
    return f"{count} meter-days in {wall:.1f} s ({cpu:.1f} s of CPU), one thread: {', '.join(sorted(statuses))}\n"


def picture(material: Material, meter: str, day: date, path: Path) -> str:
    """Draws a meter's planned local day; returns its sentences."""
    [issued_at] = [at for at in material.issues() if at.date() == day - timedelta(days=1)]
    made = advise(material.at(issued_at), table("flexibility.demand_peaks").empty(), issued_at)
    zone = material.meters.row(by_predicate=pl.col("meter_id") == meter, named=True)["timezone"]
    outlook = made.outlook.filter(pl.col("meter_id") == meter)
    if outlook.is_empty():
        sys.exit(f"nothing is worth moving for {meter} on {day}: there is nothing to draw")
    path.write_bytes(plots.shifted_day(outlook, f"{meter}, {day}, as planned the day before", timezone=zone))
    return "".join(f"{said}\n" for said in made.advice.filter(pl.col("meter_id") == meter)["sentence"])


def report(rows: pl.DataFrame) -> pl.DataFrame:
    """What is asked of the advice, per kind of meter and over all."""
    whole = pl.concat(
        [rows, rows.filter(pl.col("kind") != "household").with_columns(kind=pl.lit("sites and buildings"))]
    )
    saved, best = pl.col("total_before") - pl.col("total_after"), pl.col("total_before") - pl.col("total_best")
    worth = best > 0.01 * pl.col("total_before")
    raised = pl.col("peak_kw_after") > pl.max_horizontal("peak_kw_before", "true_ceiling") + 1e-3
    limit = pl.when(pl.col("kind") == "household").then("ceiling").otherwise(0.0)  # no demand charge: the capacity
    new = pl.col("planned_after") > pl.max_horizontal("planned_before", limit) + 1e-3
    return (
        whole.group_by("kind")
        .agg(
            days=pl.len(),
            moved=pl.col("moved").mean(),
            worth=worth.sum(),
            lowered=(saved.filter(worth) > 0).mean(),
            lowered_of_all_moved=(saved.filter("moved") > 0).mean(),
            planned_peak_raised=new.sum(),
            peak_raised=raised.mean(),
            day_peak_raised=(pl.col("peak_kw_after") > pl.col("peak_kw_before") + 1e-3).mean(),
            bill=pl.col("total_before").sum(),
            planned_saving=pl.col("planned_saving").sum(),
            saved=saved.sum(),
            saved_share=saved.sum() / pl.col("total_before").sum(),
            best_saved=best.sum(),
            energy_saved=(pl.col("energy_before") - pl.col("energy_after")).sum(),
            demand_saved=(pl.col("demand_before") - pl.col("demand_after")).sum(),
            cpu_s=pl.col("seconds").sum(),
        )
        .sort("kind")
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="tests.bench.load_shifting", description=__doc__)
    parser.add_argument("--warehouse", type=Path, help="a warehouse with a backtest; built if absent")
    parser.add_argument("--cost-paths", type=int, default=COST_PATHS)
    parser.add_argument("--every", type=int, default=1, help="only every n-th issue")
    parser.add_argument("--solve", type=int, help="only measure the time of so many meter-days")
    parser.add_argument("--picture", nargs=3, metavar=("METER", "DATE", "FILE"), help="only draw one planned day")
    parser.add_argument("--rows", type=Path, help="write the rows to this Parquet file")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="energy-bench-") as directory:
        folder = asked.warehouse
        if folder is None:
            folder = Folder.make(Path(directory) / "sites", SOURCES).path
            sys.stderr.write(str(measure("run", ["-m", "energy_assets.cli", "run", "-w", str(folder)], folder, NOW)))
        material = Material(folder / "energy.duckdb")
    if asked.solve:
        sys.stdout.write(solving(material, asked.solve))
        return
    if asked.picture:
        meter, day, path = asked.picture
        sys.stdout.write(picture(material, meter, date.fromisoformat(day), Path(path)))
        return
    rows = [r for at in material.issues()[14 :: asked.every] for r in outcomes(material, at, asked.cost_paths)]
    if not rows:
        sys.exit("no meter with a tariff, loads that can wait, forecasts and known demand: nothing to replay")
    frame = pl.DataFrame(rows, infer_schema_length=None)
    if asked.rows:
        frame.write_parquet(asked.rows)
    with pl.Config(tbl_cols=-1, tbl_rows=-1, tbl_width_chars=200, float_precision=4):
        sys.stdout.write(f"{report(frame).transpose(include_header=True, column_names='kind')}\n")


if __name__ == "__main__":
    main()
