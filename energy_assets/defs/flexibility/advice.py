"""Advice on moving loads on the next local day, and what became of the advice of the two weeks before."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import duckdb
import polars as pl

from energy_assets import flexibility, plots
from energy_assets.contracts import TABLES
from energy_assets.defs.flexibility.frames import HOURS, WORKDAYS
from energy_assets.defs.flexibility.peaks import KEYS as PEAKS
from energy_assets.defs.forecasting.scenarios import KEY as SCENARIOS
from energy_assets.defs.frames import interval_versions
from energy_assets.defs.issues import Issues, run_issues
from energy_assets.defs.metadata import cell, plot, table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.defs.transformation.dbt_models import morning_freshness
from energy_assets.warehouse import append_new, fetch, first_row, replace_by_key
from energy_assets.warehouse.feedback import standing_feedback

ADVICE, SCHEDULES, OUTLOOK = (
    TABLES[f"flexibility.load_shift_{name}"] for name in ("advice", "schedules", "outlook")
)  # fmt: skip
KEYS = {table.name: dg.AssetKey([table.schema, table.name]) for table in (ADVICE, SCHEDULES, OUTLOOK)}
BACK_DAYS = 14  # late readings and answers mend what became of the advice of so many issue days
PAST = timedelta(days=60)  # days whose quarter hours say how an hour goes within
MONTH = timedelta(days=33)
METERS = """
SELECT meter_id, site_id, tariff_id, timezone, country, interval_minutes, capacity_kw
FROM raw.meters WHERE tariff_id IS NOT NULL AND meter_id IN (SELECT meter_id FROM raw.shiftable_loads) ORDER BY 1
"""
TARIFFS = """
SELECT * EXCLUDE (load_id) FROM raw.tariffs
WHERE valid_to_utc IS NULL OR valid_to_utc > $at - INTERVAL 40 DAY ORDER BY ALL
"""
ANSWERED = """
SELECT DISTINCT meter_id FROM flexibility.load_shift_advice WHERE issued_at_utc = $at
    AND advice_id IN (SELECT target_id FROM raw.feedback WHERE target_type = 'advice') ORDER BY 1
"""
NEW_PEAKS = """
SELECT count(*) FROM flexibility.load_shift_advice a LEFT JOIN raw.meters m USING (meter_id)
WHERE a.issued_at_utc BETWEEN $first AND $last AND a.peak_after_kw > 0.001 + greatest(
    a.peak_before_kw, CASE WHEN a.tariff_id NOT IN (
        SELECT tariff_id FROM raw.tariffs WHERE component = 'demand') THEN coalesce(m.capacity_kw, 0) ELSE 0 END)
"""


def build_advice(partitions: dg.PartitionsDefinition[str], timezone: str) -> dg.AssetsDefinition:
    """`flexibility.load_shift_advice`, `.load_shift_schedules` and `.load_shift_outlook`, partitioned by issue day."""
    deps = [
        SCENARIOS,
        *(PEAKS[name] for name in ("incumbent_peaks", "demand_peaks")),
        *(dg.AssetKey(["raw", name]) for name in ("meters", "tariffs", "shiftable_loads", "meter_readings")),
        dg.AssetKey(["intermediate", "int_demand_versions"]),
        dg.AssetKey(["marts", "dim_dates"]),
    ]
    shared: dict[str, Any] = {"group": "flexibility", "kinds": {"scipy", "polars"}, "owner": "team:flexibility"}

    @dg.multi_asset(
        name="load_shift_advice",
        specs=[
            table_spec(ADVICE, deps=deps, freshness_policy=morning_freshness(timezone), **shared),
            table_spec(SCHEDULES, deps=deps, **shared),
            table_spec(OUTLOOK, deps=deps, **shared),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "no_new_peak_is_planned",
                asset=KEYS[ADVICE.name],
                blocking=True,
                description="No planned peak is higher than without moves; without a demand charge, than the capacity.",
            ),
            dg.AssetCheckSpec(
                "every_meter_solved",
                asset=KEYS[ADVICE.name],
                description="Each meter with loads that can wait has a plan, or the news that nothing is worth moving.",
            ),
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def load_shift_advice(
        context: dg.AssetExecutionContext, energy: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        for issued_at in issues.times:
            with energy.warehouse.connect(read_only=True) as con:
                known = known_for_advice(con, issued_at)
                peaks = fetch(
                    con, "SELECT * FROM flexibility.demand_peaks WHERE issued_at_utc = $at", {"at": issued_at}
                )
            if known.scenarios.is_empty() and known.loads.height:
                context.log.warning(f"{issued_at:%Y-%m-%d}: no paths of demand, so there is nothing to plan by")
            made = flexibility.advise(known, peaks, issued_at)
            with energy.warehouse.transaction() as con:
                _write(con, issued_at, made)
        with energy.warehouse.connect(read_only=True) as con:
            changed = _settled(con, issues)
        with energy.warehouse.transaction() as con:
            replace_by_key(con, ADVICE, changed)
        with energy.warehouse.connect(read_only=True) as con:
            for table in (SCHEDULES, OUTLOOK):
                yield dg.MaterializeResult(asset_key=KEYS[table.name], metadata=table_metadata(con, table))
            yield dg.MaterializeResult(
                asset_key=KEYS[ADVICE.name],
                metadata=table_metadata(con, ADVICE) | _shown(con, issues.last_time, timezone),
                check_results=list(_checks(con, issues)),
            )

    return load_shift_advice


def known_for_advice(con: duckdb.DuckDBPyConnection, issued_at: datetime) -> flexibility.KnownForAdvice:
    """What was known at an issue time of meters with a tariff and loads that can wait."""
    at = {"at": issued_at}
    meters = fetch(con, METERS)
    tariffs = fetch(con, TARIFFS, at)
    quarters = _quarters(con, meters, tariffs, since=issued_at - PAST, as_of=issued_at)
    return flexibility.KnownForAdvice(
        meters=meters,
        loads=fetch(con, "SELECT * FROM raw.shiftable_loads ORDER BY shiftable_load_id"),
        tariffs=tariffs,
        days=fetch(con, WORKDAYS),
        scenarios=fetch(
            con,
            "SELECT * FROM forecasts.demand_scenarios WHERE issued_at_utc = $at "
            "AND meter_id IN (SELECT meter_id FROM raw.shiftable_loads) ORDER BY ALL",
            at,
        ),
        incumbents=fetch(con, "SELECT * FROM flexibility.incumbent_peaks WHERE as_of_utc = $at ORDER BY ALL", at),
        parts=quarters,
    )


def _quarters(
    con: duckdb.DuckDBPyConnection, meters: pl.DataFrame, tariffs: pl.DataFrame, *, since: datetime, as_of: datetime
) -> pl.DataFrame:
    """Power of the quarter hours of meters that are billed by them."""
    billed = tariffs.filter(pl.col("component") == "demand", pl.col("averaging_minutes") < 60)
    named = meters.join(billed.select("tariff_id").unique(), on="tariff_id", how="semi")["meter_id"].to_list()
    rows = interval_versions(con, as_of=as_of, since=since, until=as_of, meter_ids=named)
    in_force = rows.filter(pl.col("known_to_utc").is_null()).rename({"known_from_utc": "known_at_utc"})
    return flexibility.mean_power(in_force, 15, as_of)


def _write(con: duckdb.DuckDBPyConnection, issued_at: datetime, made: flexibility.Advised) -> None:
    """What is advised for an issue follows its newest forecast, but for meters where somebody has answered."""
    kept = [meter for (meter,) in con.execute(ANSWERED, {"at": issued_at}).fetchall()]
    old = {"at": issued_at, "kept": kept}
    which = "issued_at_utc = $at AND NOT list_contains($kept::VARCHAR[], meter_id)"
    con.execute(
        f"DELETE FROM flexibility.load_shift_schedules WHERE advice_id IN "
        f"(SELECT advice_id FROM flexibility.load_shift_advice WHERE {which})",
        old,
    )
    for table in (ADVICE, OUTLOOK):
        con.execute(f"DELETE FROM {table.qualified} WHERE {which}", old)
    fresh = made.advice.filter(~pl.col("meter_id").is_in(kept))
    append_new(con, ADVICE, fresh)
    append_new(con, SCHEDULES, made.schedules.join(fresh, on="advice_id", how="semi"))
    append_new(con, OUTLOOK, made.outlook.filter(~pl.col("meter_id").is_in(kept)))


def _settled(con: duckdb.DuckDBPyConnection, issues: Issues) -> pl.DataFrame:
    """The advice of the run's issue days and of the two weeks before, as it stands at the last issue time."""
    at, since = issues.last_time, issues.first_time - timedelta(days=BACK_DAYS)
    window = {"since": since, "at": at}
    advice = fetch(
        con, "SELECT * FROM flexibility.load_shift_advice WHERE issued_at_utc BETWEEN $since AND $at", window
    )
    schedules = fetch(
        con,
        "SELECT s.* FROM flexibility.load_shift_schedules s JOIN flexibility.load_shift_advice a USING (advice_id) "
        "WHERE a.issued_at_utc BETWEEN $since AND $at ORDER BY ALL",
        window,
    )
    answers = standing_feedback(con, at, target_type="advice")
    meters = fetch(con, METERS)
    tariffs = fetch(con, TARIFFS, {"at": since})
    hourly = fetch(con, HOURS, {"as_of": at, "since": since - MONTH})
    power = pl.concat(
        [
            flexibility.mean_power(hourly, 60, at),
            _quarters(con, meters, tariffs, since=since - MONTH, as_of=at),
        ]
    ).select("meter_id", "averaging_minutes", "interval_start_utc", "power_kw")
    days = fetch(con, WORKDAYS)
    parts = [
        flexibility.settled(
            own, schedules.join(own, on="advice_id", how="semi"), answers, power, meters, tariffs, days, at
        )
        for own in advice.partition_by("issued_at_utc", maintain_order=True)
    ]
    return pl.concat([advice.clear(), *parts])


def _checks(con: duckdb.DuckDBPyConnection, issues: Issues) -> Iterator[dg.AssetCheckResult]:
    window = {"first": issues.first_time, "last": issues.last_time}
    new = first_row(con, NEW_PEAKS, window)
    yield dg.AssetCheckResult(
        check_name="no_new_peak_is_planned",
        asset_key=KEYS[ADVICE.name],
        passed=new is not None and new[0] == 0,
        metadata={"new_peaks": new[0] if new else 0},
    )
    unsolved = con.execute(
        "SELECT meter_id, sentence FROM flexibility.load_shift_advice WHERE issued_at_utc BETWEEN $first AND $last "
        "AND solver_status IN ('no_solution', 'not_run') ORDER BY ALL LIMIT 20",
        window,
    ).fetchall()
    yield dg.AssetCheckResult(
        check_name="every_meter_solved",
        asset_key=KEYS[ADVICE.name],
        passed=not unsolved,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"unsolved": str(unsolved)},
    )


def _shown(con: duckdb.DuckDBPyConnection, issued_at: datetime, timezone: str) -> dict[str, Any]:
    """The newest advice as sentences, and the day of the meter that it saves most."""
    at = {"at": issued_at}
    newest = fetch(
        con,
        "SELECT meter_id, sentence, saving_energy + saving_demand AS saving FROM flexibility.load_shift_advice "
        "WHERE issued_at_utc = $at AND status <> 'none' ORDER BY saving DESC, meter_id, sentence LIMIT 20",
        at,
    )
    if newest.is_empty():
        return {"sentences": dg.MetadataValue.md("nothing is advised")}
    lines = "\n".join(f"| {cell(meter)} | {cell(said)} |" for meter, said, _ in newest.rows())
    best = fetch(
        con,
        "SELECT * FROM flexibility.load_shift_outlook WHERE issued_at_utc = $at AND meter_id = $meter ORDER BY ALL",
        at | {"meter": newest["meter_id"][0]},
    )
    return {
        "sentences": dg.MetadataValue.md(f"| meter | advice |\n|---|---|\n{lines}"),
        "plot": plot(plots.shifted_day(best, f"{newest['meter_id'][0]}, planned day", timezone=timezone)),
    }
