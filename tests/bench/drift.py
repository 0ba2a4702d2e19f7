"""`python -m tests.bench.drift [seed …]`: false alarms of drift on clean series, and how soon a drift is found.

Simulated fleets without faults (a seed each; default 1 to 4) and, where `ENERGY_REAL_DATA` has it, Finland: four
years, of which the last two are judged. Finland's thresholds are those of 2015-2016; fleets learn on from week to week,
as a warehouse does. A drift begins every four weeks, on a Monday or a Thursday by turns; it counts as found when a
raised week was over, and a day more, within 28 days. Steeper heating begins from October to February.

The reference has not seen the four weeks before a week, and what is usual is learned from before them too: so the first
four weeks of a drift are judged exactly as if it had been in the readings from the start of the computation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import holidays
import polars as pl
from rich.console import Console
from rich.table import Table

from energy_assets import simulation
from energy_assets.config import Market, Simulation
from energy_assets.monitoring.drift.reference import held_back
from energy_assets.monitoring.drift.statistics import REFERENCE, residual_windows, statistics
from energy_assets.monitoring.drift.thresholds import with_thresholds
from energy_assets.sources import find_files
from tests.real_data import REAL_DATA
from tests.unit.sources.reading import read_path, source

SEEDS = (1, 2, 3, 4)
LEARNED_UNTIL = date(2016, 12, 26)  # Finland: the Monday before 2017
DRIFTS = ("level +8 %", "heating slope +40 %", "evening +10 % of the mean", "evening +5 % of the mean")
HEATING = DRIFTS[1]
SEASON = (10, 11, 12, 1, 2)
EVENING = pl.col("local_hour").is_between(18, 21)
JUDGED, FOUND_WITHIN, NEEDED_WEEKS = timedelta(weeks=104), 28, timedelta(weeks=20)
KEYS = ["meter_id", "interval_start_utc"]
DEMAND = (*KEYS, "kind", "interval_end_utc", "local_date", "local_hour", "day_of_week", "is_holiday", "demand_kwh",
          "temperature_c", "published_kwh")  # fmt: skip


def fleet(seed: int) -> pl.DataFrame:
    """Four years of 40 homes, 8 buildings, 6 industrial sites and 2 zones, with the day-ahead weather forecast."""
    described = Simulation(
        name="fleet", type="simulation", seed=seed, history_days=1463, telemetry_days=1, households=40, buildings=8,
        industrial_sites=6, machines_per_site=1, zones=2, locations=2, fault_rate_per_meter_month=0,
    )  # fmt: skip
    market = Market(timezone="Europe/Paris", country="FR")
    tables = simulation.simulate(
        described, market, known_after=None, known_until=datetime(2026, 1, 6, tzinfo=UTC)
    ).tables
    readings = tables["raw.meter_readings"].sort("known_at_utc").unique(KEYS, keep="last")
    hourly = readings.group_by("meter_id", pl.col("interval_start_utc").dt.truncate("1h")).agg(
        demand_kwh=pl.col("energy_kwh").sum()
    )
    lead = (pl.col("valid_at_utc") - pl.col("issued_at_utc")).dt.total_hours()
    weather = tables["raw.weather"].filter("is_forecast", lead >= 16).sort(lead).unique(
        ["location_id", "valid_at_utc"], keep="first"
    ).select("location_id", "temperature_c", interval_start_utc="valid_at_utc")  # fmt: skip
    rows = (
        hourly.join(tables["raw.meters"].select("meter_id", "kind"), on="meter_id")
        .join(tables["raw.meter_locations"], on="meter_id")
        .join(weather, on=["location_id", "interval_start_utc"], how="left")
        .with_columns(published_kwh=pl.lit(None, dtype=pl.Float64))
    )
    return _calendar(rows, "Europe/Paris", "FR")


def finland() -> pl.DataFrame:
    """2015 to 2018, without weather; the grid operator's forecast stands in for it."""
    described: dict[str, Any] = {
        "type": "entsoe_load", "meter_id": "FI", "timezone": "Europe/Helsinki", "country": "FI", "publisher": "Fingrid",
    }  # fmt: skip
    files = find_files(source(**described, path=str(REAL_DATA / "finland_entsoe" / "Total Load*.csv")), Path("/"))
    batches = [read_path(file, **described) for file in files]
    readings = pl.concat(b.tables["raw.meter_readings"] for b in batches)
    published = pl.concat(b.tables["raw.published_forecasts"] for b in batches)
    rows = (
        published.select(*KEYS, published_kwh="energy_kwh")
        .join(readings.select(*KEYS, demand_kwh="energy_kwh"), on=KEYS, how="full", coalesce=True)
        .with_columns(kind=pl.lit("zone"), temperature_c=pl.lit(None, dtype=pl.Float64))
    )
    return _calendar(rows, "Europe/Helsinki", "FI")


def _calendar(rows: pl.DataFrame, timezone: str, country: str) -> pl.DataFrame:
    local = pl.col("interval_start_utc").dt.convert_time_zone(timezone)
    days = list(holidays.country_holidays(country, years=range(2014, 2027)))
    whole = rows.with_columns(
        interval_end_utc=pl.col("interval_start_utc") + timedelta(hours=1),
        local_date=local.dt.date(),
        local_hour=local.dt.hour().cast(pl.Int32),
        day_of_week=local.dt.weekday().cast(pl.Int32),
    ).with_columns(is_holiday=pl.col("local_date").is_in(days))
    monday = pl.col("local_date").dt.truncate("1w")
    return whole.select(DEMAND).filter((monday > monday.min()) & (monday < monday.max())).sort(KEYS)


def heating(frame: pl.DataFrame) -> pl.DataFrame:
    """kWh per hour that heating takes, per meter and local hour.

    With temperatures the slope on degrees below 15 °C; without, what is above the summer's median of that hour and
    weekday, which in Finland is mostly heating.
    """
    if frame["temperature_c"].count():
        cold = (15.0 - pl.col("temperature_c")).clip(0).fill_null(0)
        slope = (pl.cov(cold, pl.col("demand_kwh")) / cold.var()).over("meter_id", "local_hour").clip(0)
        return frame.select(*KEYS, heating_kwh=slope * cold)
    summer = pl.col("demand_kwh").filter(pl.col("local_date").dt.month().is_in([6, 7, 8])).median()
    base = summer.over("meter_id", "local_hour", "day_of_week")
    return frame.select(*KEYS, heating_kwh=(pl.col("demand_kwh") - base).clip(0).fill_null(0))


def drifting(rows: pl.DataFrame, drift: str, begins: date) -> pl.DataFrame:
    """The rows with a drift from a day on; they know heating_kwh and mean_kwh."""
    demand = pl.col("demand_kwh")
    changed = {
        DRIFTS[0]: 1.08 * demand,
        DRIFTS[1]: demand + 0.4 * pl.col("heating_kwh"),
        DRIFTS[2]: demand + 0.10 * pl.col("mean_kwh") * EVENING,
        DRIFTS[3]: demand + 0.05 * pl.col("mean_kwh") * EVENING,
    }[drift]
    return rows.with_columns(demand_kwh=pl.when(pl.col("local_date") >= begins).then(changed).otherwise(demand))


def found(clean: pl.DataFrame, residuals: pl.DataFrame, begins: date) -> Iterator[pl.DataFrame]:
    """Per series the day on which a drift that begins on a day is known, null where it is not within four weeks."""
    first = begins - timedelta(days=begins.weekday())
    near = residuals.filter(pl.col("week").is_between(first - NEEDED_WEEKS, first + timedelta(days=27)))
    series = ["meter_id", "column_name", "method"]
    limits = clean.select(*series, "week", "threshold", was="drifted")
    days = (pl.col("week") + timedelta(days=8) - begins).dt.total_days()
    for drift in DRIFTS:
        if drift == HEATING and begins.month not in SEASON:
            continue
        scores = statistics(residual_windows(drifting(near, drift, begins)), REFERENCE).join(
            limits, on=[*series, "week"]
        )
        size = pl.when(pl.col("method") == "spread").then("value").otherwise(pl.col("value").abs())
        beyond = (
            pl.when(pl.col("week") < first).then("was").otherwise(size > pl.col("threshold")).fill_null(value=False)
        )
        judged = scores.with_columns(beyond=beyond, days=days).sort(*series, "week")
        raised = pl.col("beyond") & pl.col("beyond").shift(1).over(series) & (pl.col("week") >= first)
        known = judged.with_columns(raised=raised).group_by("meter_id", "kind").agg(
            days=pl.col("days").filter("raised", pl.col("days") <= FOUND_WITHIN).min()
        )  # fmt: skip
        yield known.with_columns(drift=pl.lit(drift), begins=pl.lit(begins))


def replay(frame: pl.DataFrame, learned_until: date | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The clean weeks that are judged, and what became of the drifts put into them."""
    residuals = held_back(frame)
    clean = with_thresholds(statistics(residual_windows(residuals), REFERENCE), learned_until=learned_until)
    last = frame["local_date"].dt.truncate("1w").max()
    assert isinstance(last, date)
    since = last - JUDGED + timedelta(weeks=1)
    mean = frame.group_by("meter_id").agg(mean_kwh=pl.col("demand_kwh").mean())
    known = residuals.join(heating(frame), on=KEYS).join(mean, on="meter_id")
    known = known.join(frame.select(*KEYS, "local_date"), on=KEYS)
    begins = [since + timedelta(weeks=4 * i, days=3 * (i % 2)) for i in range(25)]
    finds = [part for day in begins for part in found(clean, known, day)]
    return clean.filter(pl.col("week") >= since), pl.concat(finds)


def followed(frame: pl.DataFrame, weeks: int) -> tuple[int, int]:
    """Of eight drifts of the level, how many are found where the publisher's forecast follows after so many weeks."""
    limits = with_thresholds(statistics(residual_windows(held_back(frame)), REFERENCE), learned_until=LEARNED_UNTIL)
    limits = limits.filter(pl.col("method") == "level").select("meter_id", "week", "method", "threshold")
    hits, begins = 0, [date(2017, 1, 2) + timedelta(weeks=12 * i, days=3 * (i % 2)) for i in range(8)]
    for day in begins:
        grown = pl.when(pl.col("local_date") >= day).then(1.08).otherwise(1.0)
        follows = pl.when(pl.col("local_date") >= day + timedelta(weeks=weeks)).then(1.08).otherwise(1.0)
        drifted = frame.filter(pl.col("local_date") < day + timedelta(days=28)).with_columns(
            pl.col("demand_kwh") * grown, pl.col("published_kwh") * follows
        )
        scores = statistics(residual_windows(held_back(drifted)), REFERENCE).join(
            limits, on=["meter_id", "week", "method"]
        )
        beyond = scores.filter(pl.col("meter_id") == "FI").sort("week")
        beyond = beyond.filter(pl.col("week") + timedelta(days=8) <= day + timedelta(days=FOUND_WITHIN))
        hit = beyond["value"].abs() > beyond["threshold"]
        since = beyond["week"] + timedelta(days=7) > day
        hits += int((hit & hit.shift(1) & since).any())
    return hits, len(begins)


def summary(clean: pl.DataFrame, finds: pl.DataFrame) -> pl.DataFrame:
    """Per kind as a whole and per meter of it: weeks, false alarms, drifts found and the median days until."""
    of = pl.when(pl.col("meter_id").str.starts_with("all:")).then(pl.lit("all")).otherwise(pl.lit("meters")).alias("of")
    weeks = clean.filter(pl.col("threshold").is_not_null()).group_by("run", of, "kind", "meter_id", "week")
    alarms = weeks.agg(pl.col("raised").any()).group_by("kind", "of").agg(weeks=pl.len(), false=pl.col("raised").mean())
    shares = finds.group_by("kind", of, "drift").agg(
        said=pl.format(
            "{} % of {}, {} d", (100 * pl.col("days").is_not_null().mean()).round(0).cast(pl.Int64), pl.len(),
            pl.col("days").median().fill_null(0).cast(pl.Int64),
        ),
    )  # fmt: skip
    wide = shares.pivot("drift", index=["kind", "of"], values="said")
    return alarms.join(wide, on=["kind", "of"]).sort("of", "kind").select("kind", "of", "weeks", "false", *DRIFTS)


def show(title: str, runs: list[tuple[pl.DataFrame, pl.DataFrame]]) -> None:
    """Prints one table."""
    clean = pl.concat(part.with_columns(run=pl.lit(number)) for number, (part, _) in enumerate(runs))
    shown = Table(title=title, title_justify="left")
    for column in ("kind", "of", "weeks", "false alarms", *DRIFTS):
        shown.add_column(column)
    for kind, of, weeks, false, *drifts in summary(clean, pl.concat(finds for _, finds in runs)).iter_rows():
        shown.add_row(kind, of, str(weeks), f"{false:.2%}", *drifts)
    Console(width=170).print(shown)


def main() -> None:
    """Prints the tables, Finland's first."""
    seeds = [int(word) for word in sys.argv[1:]] or list(SEEDS)
    if REAL_DATA.is_dir():
        real = finland()
        show("Finland 2017-2018, thresholds of 2015-2016", [replay(real, LEARNED_UNTIL)])
        for weeks in (1, 2):
            hits, of = followed(real, weeks)
            sys.stdout.write(f"level +8 %, the published forecast follows after {weeks} weeks: {hits} of {of} found\n")
    show(f"Simulated fleets, seeds {seeds}: the last two of four years", [replay(fleet(seed)) for seed in seeds])


if __name__ == "__main__":
    main()
