"""`python -m tests.bench.faults`: what detectors find of known faults, day by day, and what they cry for nothing.

Each series runs twice through daily issues as the warehouse would see them: once as it is, once with a fault of known
kind put into each meter every three weeks. An event of the first run is the series' own: on a simulated fleet without
faults a false alarm, on published data whatever it is. Decisions act from the next day on, as in the marts.
Thresholds were chosen with `--tuning` (other seeds, other years); what is reported is without. Homes differ a lot:
what is cried for nothing is counted on eight more fleets, as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
from rich.console import Console
from rich.table import Table

from energy_assets.contracts import table
from energy_assets.monitoring import anomalies
from energy_assets.simulation.injection import KINDS, Injected, inject
from tests.bench.series import HISTORY_DAYS, SEASONS_DAYS, Series, hours, published, simulated
from tests.real_data import REAL_DATA

DAYS = 63
LASTING = ("level_shift", "clock_shift", "night_baseload")  # a slot of three weeks each; the others of one
WINDOW_DAYS = 14
NEARBY = timedelta(hours=2)
MONTH = 30.44


def series(*, tuning: bool) -> Iterator[Series]:
    """Stretches that hold a change of clocks, where there is one."""
    shift = 365 if tuning else 0
    autumn = datetime(2025, 9, 20, 8, tzinfo=UTC) - timedelta(days=shift)
    yield simulated(
        "fleet, autumn", 31 if tuning else 57, autumn, DAYS, households=10, industrial_sites=3, buildings=6, zones=2
    )
    spring = datetime(2025, 3, 1, 8, tzinfo=UTC) - timedelta(days=shift)
    yield simulated(
        "fleet, spring", 32 if tuning else 58, spring, DAYS, households=4, industrial_sites=1, buildings=3, zones=1
    )
    if not REAL_DATA.is_dir():
        sys.stderr.write(f"published data not found at {REAL_DATA}: simulated fleets only; set ENERGY_REAL_DATA\n")
        return
    yield published("France", datetime(2021 if tuning else 2022, 9, 20, 8, tzinfo=UTC), DAYS).copies(5)
    yield published("Finland", datetime(2016 if tuning else 2017, 9, 20, 8, tzinfo=UTC), DAYS).copies(5)
    yield published("US authorities", datetime(2016 if tuning else 2017, 9, 20, 8, tzinfo=UTC), DAYS)
    yield published("steel works", datetime(2018, 5 if tuning else 9, 20, 0, tzinfo=UTC), DAYS).copies(5)
    yield published("household", datetime(2008 if tuning else 2009, 9, 20, 8, tzinfo=UTC), DAYS).copies(5)
    yield published("homes", datetime(2012 if tuning else 2013, 9, 1, 0, tzinfo=UTC), DAYS)
    yield published("LEAD buildings", datetime(2016, 6 if tuning else 9, 20, 12, tzinfo=UTC), DAYS).copies(2)


def clean_fleets(*, tuning: bool) -> Iterator[Series]:
    """Eight fleets without faults, in autumn and in spring by turns."""
    starts = [datetime(2024, month, day, 8, tzinfo=UTC) for month, day in ((9, 20), (3, 1))]
    for number in range(8):
        yield simulated(
            "eight fleets", (33 if tuning else 59) + number, starts[number % 2], DAYS,
            households=10, industrial_sites=3, buildings=6, zones=2,
        )  # fmt: skip


def followed(
    of: Series, readings: pl.DataFrame, rejected: pl.DataFrame | None, every: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Every event that runs `every` so many days report, with the issue time that first had it; and the decisions."""
    known = table("monitoring.demand_anomalies").empty()
    standing = table("raw.demand_exclusions").empty().drop("load_id")
    seasons = hours(of.readings, of.meters, _per_hour(standing), of.since, SEASONS_DAYS)  # no fault is that old
    issued = of.since
    while issued < of.until:
        issued += timedelta(days=every)
        hourly = hours(readings, of.meters, _per_hour(standing), issued)
        since = issued - timedelta(days=WINDOW_DAYS)
        window = readings.filter(pl.col("interval_start_utc") >= since)
        before = pl.col("interval_start_utc") < issued - timedelta(days=HISTORY_DAYS)
        flagged = anomalies.flagged_hours(
            hourly, of.meters, window, rejected, seasons.filter(before), issued_at=issued, window_days=WINDOW_DAYS
        )
        new = anomalies.decisions(flagged, hourly, standing, decided_at=issued + timedelta(seconds=1), since=since)
        standing = pl.concat([standing, new])
        found = anomalies.continue_known(
            anomalies.merge(flagged, issued), known.select("anomaly_id", "meter_id", "kind", "detector", "start_utc",
                                                           "end_utc", "detected_at_utc")
        )  # fmt: skip
        known = pl.concat([known.join(found, on="anomaly_id", how="anti"), found])
    return known.filter(pl.col("end_utc") > of.since), standing


def expectations(of: Series, put_in: Injected, standing: pl.DataFrame) -> pl.DataFrame:
    """How far what is expected of an hour lies from what it was without faults: WAPE per meter, by what it is made of.

    `clean` is made of the series without faults, `reported` of the one with them, `decided` of that less what was set
    aside. A forecast is not judged here, but the simplest that learns from the same hours.
    """
    nothing = table("raw.demand_exclusions").empty().drop("load_id")
    true = hours(of.readings, of.meters, _per_hour(nothing), of.until)
    made_of = {"clean": (of.readings, nothing), "reported": (put_in.readings, nothing),
               "decided": (put_in.readings, standing)}  # fmt: skip
    key = ["meter_id", "interval_start_utc"]
    compared = true.select(*key, true_kwh="demand_kwh").filter(pl.col("interval_start_utc") >= of.since)
    for name, (readings, decided) in made_of.items():
        expected = anomalies.with_expectation(hours(readings, of.meters, _per_hour(decided), of.until))
        compared = compared.join(expected.select(*key, pl.col("expected_kwh").alias(name)), on=key)
    error = [(pl.col(name) - pl.col("true_kwh")).abs().sum() / pl.col("true_kwh").sum() for name in made_of]
    return compared.drop_nulls().group_by("meter_id").agg(e.alias(n) for n, e in zip(made_of, error, strict=True))


def scored(of: Series, put_in: Injected, found: pl.DataFrame) -> pl.DataFrame:
    """Faults with what was found of them: kind, named (right), noticed (by any name), delay_h."""
    pairs = _meeting(put_in.truth.select("fault_id", "meter_id", "kind", "start_utc", "end_utc"), found)
    right = pairs.filter(pl.col("kind") == pl.col("kind_found"))
    per_fault = pairs.group_by("fault_id").agg(noticed=pl.lit(value=True).first(), names=pl.col("kind_found").unique())
    delay = (pl.col("detected_at_utc") - pl.col("start_utc")).dt.total_seconds() / 3600.0
    named = right.group_by("fault_id").agg(delay_h=delay.min())
    return (
        put_in.truth.join(per_fault, on="fault_id", how="left")
        .join(named, on="fault_id", how="left")
        .join(_beyond_usual(of, put_in), on="fault_id", how="left")
        .with_columns(series=pl.lit(of.name), noticed=pl.col("noticed").fill_null(value=False))
    )


def _beyond_usual(of: Series, put_in: Injected) -> pl.DataFrame:
    """Whether a fault leaves the range that the meter's hours had in the 104 days before the test: fault_id, beyond.

    Five times a home's mean is less than its kettle and oven: such a fault stays within what is usual there.
    """
    nothing = _per_hour(table("raw.demand_exclusions").empty().drop("load_id"))
    value, start = pl.col("demand_reported_kwh"), pl.col("interval_start_utc")
    usual = hours(of.readings, of.meters, nothing, of.since).group_by("meter_id").agg(
        least=value.min(), greatest=value.max()
    )  # fmt: skip
    faulty = hours(put_in.readings, of.meters, nothing, of.until).join(put_in.truth, on="meter_id")
    inside = faulty.filter(pl.col("interval_end_utc") > pl.col("start_utc"), start < pl.col("end_utc"))
    return (
        inside.join(usual, on="meter_id")
        .group_by("fault_id")
        .agg(beyond=((value > pl.col("greatest")) | (value < pl.col("least"))).any())
    )


def foreign(put_in: Injected, own: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Events of the run with faults that the series does not have by itself, and whether they meet a fault."""
    pairs = _meeting(own.select("meter_id", "start_utc", "end_utc", "kind"), found)
    new = found.join(pairs.filter(pl.col("kind") == pl.col("kind_found")), on="anomaly_id", how="anti")
    hit = _meeting(put_in.truth.select("fault_id", "meter_id", "kind", "start_utc", "end_utc"), new)
    return new.with_columns(
        meets=pl.col("anomaly_id").is_in(hit["anomaly_id"].unique().implode()),
        right=pl.col("anomaly_id").is_in(hit.filter(pl.col("kind") == pl.col("kind_found"))["anomaly_id"].implode()),
    )


def _meeting(spans: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    events = found.select("anomaly_id", "meter_id", "detected_at_utc", kind_found="kind", s="start_utc", e="end_utc")
    return spans.join(events, on="meter_id").filter(
        pl.col("s") < pl.col("end_utc") + NEARBY, pl.col("e") > pl.col("start_utc") - NEARBY
    )


def _per_hour(standing: pl.DataFrame) -> pl.DataFrame:
    start, last = pl.col("start_utc"), pl.col("end_utc") - timedelta(hours=1)
    return (
        standing.with_columns(interval_start_utc=pl.datetime_ranges(start, last, "1h"))
        .explode("interval_start_utc")
        .sort("decided_at_utc")
        .unique(["meter_id", "interval_start_utc"], keep="last")
        .filter(pl.col("action") != "include")
        .select("meter_id", "interval_start_utc", "action", "value_kwh")
    )


def show(faults: pl.DataFrame, events: pl.DataFrame, alarms: pl.DataFrame) -> None:
    """Recall, precision and delay per kind; alarms per meter and month on the series as they are."""
    console = Console(width=120)
    tables = [("all series", faults, events)] + [
        (name, faults.filter(pl.col("series") == name), events.filter(pl.col("series") == name))
        for name in faults["series"].unique(maintain_order=True)
    ]
    for title, some, near in tables:
        shown = Table(title=f"Faults put into: {title}", title_justify="left")
        for column in ("kind", "faults", "recall", "beyond usual", "recall of these", "noticed", "precision",
                       "right name", "median delay, h"):  # fmt: skip
            shown.add_column(column, justify="left" if column == "kind" else "right")
        for kind in KINDS:
            own, cried = some.filter(pl.col("kind") == kind), near.filter(pl.col("kind") == kind)
            if own.is_empty():
                continue
            beyond = own.filter("beyond")
            shown.add_row(
                kind, str(own.height), _share(own["delay_h"].is_not_null()), str(beyond.height),
                _share(beyond["delay_h"].is_not_null()), _share(own["noticed"]),
                _share(cried["meets"]), _share(cried["right"]), _number(own["delay_h"].median()),
            )  # fmt: skip
        console.print(shown)
    per = Table(title="Events per meter and month on the series as they are", title_justify="left")
    kinds = [k for k in KINDS if alarms.filter(pl.col("kind") == k, pl.col("rate") > 0).height]
    for column in ("series", "all", *kinds):
        per.add_column(column, justify="left" if column == "series" else "right")
    for name in alarms["series"].unique(maintain_order=True):
        of = dict(alarms.filter(pl.col("series") == name).select("kind", "rate").iter_rows())
        per.add_row(name, f"{sum(of.values()):.2f}", *(f"{of[k]:.2f}" if of.get(k) else "" for k in kinds))
    console.print(per)


def _share(values: pl.Series) -> str:
    mean = values.cast(pl.Float64).mean()
    return "" if mean is None else f"{mean:.2f}"


def _number(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else ""


def report(*, tuning: bool = False, every: int = 1, only: Sequence[str] = ("",)) -> None:
    """Runs the series whose names hold one of `only` and prints the tables."""
    faults, events, alarms, errors = [], [], [], []
    for number, of in enumerate(series(tuning=tuning)):
        if not any(part in of.name for part in only):
            continue
        sys.stderr.write(f"{of.name}: {of.meters.height} meters\n")
        own, _ = followed(of, of.readings, None, every)
        short = tuple(kind for kind in KINDS if kind not in LASTING)
        for kinds, slot_days in ((short, 7), (LASTING, 21)):
            put_in = inject(
                of.readings, of.meters, seed=(100 if tuning else 200) + number, since=of.since, until=of.until,
                kinds=kinds, slot_days=slot_days,
            )  # fmt: skip
            found, standing = followed(of, put_in.readings, put_in.rejected, every)
            if kinds == short:
                errors.append(expectations(of, put_in, standing).with_columns(series=pl.lit(of.name)))
            faults.append(scored(of, put_in, found))
            events.append(foreign(put_in, own, found).with_columns(series=pl.lit(of.name)))
        alarms.append(_rates([own], of.name, of.meters.height))
    clean = [of for of in clean_fleets(tuning=tuning) if any(part in of.name for part in only)]
    if clean:
        sys.stderr.write(f"{len(clean)} fleets as they are\n")
        own_events = [followed(of, of.readings, None, every)[0] for of in clean]
        alarms.append(_rates(own_events, clean[0].name, sum(of.meters.height for of in clean)))
    show(pl.concat(faults), pl.concat(events), pl.concat(alarms))
    shown = Table(title="WAPE of the expectation against the series without faults, mean of meters, %")
    for column in ("series", "clean", "reported", "decided"):
        shown.add_column(column)
    means = pl.concat(errors).group_by("series", maintain_order=True).agg(pl.col("clean", "reported", "decided").mean())
    for name, *shares in means.rows():
        shown.add_row(name, *(f"{100 * share:.1f}" for share in shares))
    Console(width=120).print(shown)


def _rates(events: Sequence[pl.DataFrame], name: str, meters: int) -> pl.DataFrame:
    """Events per meter and month: kind, series, rate."""
    counted = pl.concat(events).group_by("kind").len()
    return (
        pl.DataFrame({"kind": list(KINDS)})
        .join(counted, on="kind", how="left", maintain_order="left")
        .select("kind", series=pl.lit(name), rate=pl.col("len").fill_null(0) * MONTH / (meters * DAYS))
    )


def one_day(meters: int) -> None:
    """What a day's detection takes for so many meters, as JSON for `measure`."""
    since = datetime(2025, 9, 20, 8, tzinfo=UTC)
    ten = simulated("fleet", 17, since, 1, households=10, industrial_sites=0, buildings=0, zones=0)
    of = ten.copies(max(meters // 10, 1))
    hourly = hours(of.readings, of.meters, _per_hour(table("raw.demand_exclusions").empty()), of.until)
    window = of.readings.filter(pl.col("interval_start_utc") >= of.until - timedelta(days=WINDOW_DAYS))
    wall, cpu = time.monotonic(), time.process_time()
    anomalies.flagged_hours(hourly, of.meters, window, None, issued_at=of.until, window_days=WINDOW_DAYS)
    spent = {"wall_s": time.monotonic() - wall, "cpu_s": time.process_time() - cpu}
    print(json.dumps({**spent, "note": f"{of.meters.height:,} meters, {hourly.height:,} hours"}))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.bench.faults", description=__doc__)
    parser.add_argument("--tuning", action="store_true", help="the seeds and years that thresholds were chosen on")
    parser.add_argument("--every", type=int, default=1, help="days between two runs; more is quicker and later")
    parser.add_argument("--only", nargs="+", default=[""], help="series whose names hold one of these")
    parser.add_argument("--meters", type=int, help="instead: the time of one day's detection for so many meters")
    chosen = parser.parse_args()
    if chosen.meters:
        one_day(chosen.meters)
    else:
        report(tuning=chosen.tuning, every=chosen.every, only=chosen.only)


if __name__ == "__main__":
    main()
