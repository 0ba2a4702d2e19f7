"""Peaks of the next day, and the billed peaks that they are held against."""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg
import duckdb
import polars as pl

from energy_assets import flexibility, plots
from energy_assets.contracts import TABLES, Table
from energy_assets.defs.flexibility.frames import known_of_peaks
from energy_assets.defs.forecasting.scenarios import KEY as SCENARIOS
from energy_assets.defs.forecasting.scenarios import hourly_forecasts
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import cell, plot, table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.defs.transformation.dbt_models import morning_freshness
from energy_assets.warehouse import append_new, fetch, first_row

INCUMBENTS, PEAKS = TABLES["flexibility.incumbent_peaks"], TABLES["flexibility.demand_peaks"]
PROBABILITIES = TABLES["flexibility.peak_probabilities"]
KEYS = {table.name: dg.AssetKey([table.schema, table.name]) for table in (INCUMBENTS, PEAKS, PROBABILITIES)}
WRONG = """
SELECT (SELECT count(*) FROM flexibility.demand_peaks WHERE issued_at_utc BETWEEN $first AND $last
        AND (probability NOT BETWEEN 0 AND 1 OR peak_p10_kw > peak_p50_kw OR peak_p50_kw > peak_p90_kw
             OR window_end_utc <= window_start_utc))
    + (SELECT count(*) FROM flexibility.peak_probabilities WHERE issued_at_utc BETWEEN $first AND $last
       AND (probability NOT BETWEEN 0 AND 1 OR climatology NOT BETWEEN 0 AND 1))
"""


def build_peaks(partitions: dg.PartitionsDefinition[str], timezone: str) -> dg.AssetsDefinition:
    """`flexibility.incumbent_peaks`, `.peak_probabilities` and `.demand_peaks`, partitioned by issue day."""
    demand = [dg.AssetKey(["intermediate", "int_demand_versions"]), dg.AssetKey(["raw", "meters"])]
    calendar = dg.AssetKey(["marts", "dim_dates"])
    forecasts = dg.AssetKey(["forecasts", "demand_forecasts"])
    shared = {"group": "flexibility", "owner": "team:flexibility"}

    @dg.multi_asset(
        name="peaks",
        specs=[
            table_spec(
                INCUMBENTS,
                kinds={"polars"},
                deps=[*demand, calendar, dg.AssetKey(["raw", "tariffs"]), dg.AssetKey(["raw", "meter_readings"])],
                **shared,
            ),
            table_spec(
                PROBABILITIES, kinds={"polars"}, deps=[*demand, calendar, forecasts, KEYS["incumbent_peaks"]], **shared
            ),
            table_spec(
                PEAKS,
                kinds={"polars"},
                deps=[KEYS["peak_probabilities"], KEYS["incumbent_peaks"], forecasts, SCENARIOS],
                freshness_policy=morning_freshness(timezone),
                **shared,
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "probabilities_are_shares",
                asset=KEYS["demand_peaks"],
                blocking=True,
                description="Probabilities lie in 0..1, peak quantiles are in order, windows are not empty.",
            )
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def peaks(context: dg.AssetExecutionContext, energy: WarehouseResource) -> Iterator[dg.MaterializeResult[None]]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        for issued_at in issues.times:
            with energy.warehouse.connect(read_only=True) as con:
                made = flag(con, issued_at, energy.config.peaks.seasonal_quantile)
            with energy.warehouse.transaction() as con:
                _write(con, INCUMBENTS, "as_of_utc", issued_at, made.ledger)
                _write(con, PROBABILITIES, "issued_at_utc", issued_at, made.hours)
                _write(con, PEAKS, "issued_at_utc", issued_at, made.windows)
        with energy.warehouse.connect(read_only=True) as con:
            window = {"first": issues.first_time, "last": issues.last_time}
            wrong = first_row(con, WRONG, window)
            for table in (INCUMBENTS, PROBABILITIES):
                yield _result(con, table)
            yield dg.MaterializeResult(
                asset_key=KEYS["demand_peaks"],
                metadata=table_metadata(con, PEAKS)
                | {"most_likely": _most_likely(con, issues.last_time)}
                | _likeliest_day(con, issues.last_time),
                check_results=[
                    dg.AssetCheckResult(
                        check_name="probabilities_are_shares",
                        asset_key=KEYS["demand_peaks"],
                        passed=wrong is not None and wrong[0] == 0,
                        metadata={"wrong_rows": wrong[0] if wrong else 0},
                    )
                ],
            )

    return peaks


def flag(con: duckdb.DuckDBPyConnection, issued_at: datetime, seasonal_quantile: float) -> flexibility.Flagged:
    """Peaks of one issue time, from the forecasts and paths that stand."""
    paths = fetch(con, "SELECT * FROM forecasts.demand_scenarios WHERE issued_at_utc = $at", {"at": issued_at})
    said = hourly_forecasts(con, issued_at)
    return flexibility.flag_peaks(known_of_peaks(con, issued_at), said, paths, issued_at, seasonal_quantile)


def _write(con: duckdb.DuckDBPyConnection, table: Table, time: str, issued_at: datetime, rows: pl.DataFrame) -> None:
    """What is said for an issue follows its newest forecast, and what is loaded of the days before."""
    con.execute(f"DELETE FROM {table.qualified} WHERE {time} = ?", [issued_at])
    append_new(con, table, rows)


def _result(con: duckdb.DuckDBPyConnection, table: Table) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(asset_key=KEYS[table.name], metadata=table_metadata(con, table))


def _most_likely(con: duckdb.DuckDBPyConnection, issued_at: datetime) -> dg.MarkdownMetadataValue:
    newest = con.execute(
        "SELECT meter_id, threshold_basis, probability, level FROM flexibility.demand_peaks "
        "WHERE issued_at_utc = $at ORDER BY probability DESC, meter_id, threshold_basis LIMIT 20",
        {"at": issued_at},
    ).fetchall()
    lines = "\n".join(f"| {cell(m)} | {b} | {p:.2f} | {level} |" for m, b, p, level in newest)
    return dg.MetadataValue.md(f"| meter | basis | probability | level |\n|---|---|---|---|\n{lines}")


def _likeliest_day(con: duckdb.DuckDBPyConnection, issued_at: datetime) -> dict[str, dg.MarkdownMetadataValue]:
    """A picture of the day of the meter whose peak is the likeliest."""
    parts = [
        fetch(con, f"SELECT * FROM flexibility.{name} WHERE issued_at_utc = $at", {"at": issued_at})
        for name in ("demand_peaks", "peak_probabilities")
    ]
    own = parts[0].filter(pl.col("threshold_meter_id") == pl.col("meter_id"))
    if own.is_empty():
        return {}
    meter = own.sort("probability", "meter_id")["meter_id"][-1]
    windows, hours = (part.filter(pl.col("meter_id") == meter) for part in parts)
    said = hourly_forecasts(con, issued_at).filter(pl.col("meter_id") == meter)
    described = con.execute("SELECT timezone FROM raw.meters WHERE meter_id = ?", [meter]).fetchall()
    return {"plot": plot(plots.peak_day(said, hours, windows, f"{meter}: peaks", timezone=described[0][0]))}
