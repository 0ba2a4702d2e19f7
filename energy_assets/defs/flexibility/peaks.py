"""Peaks of the next day, and the billed peaks that they are held against."""

from collections.abc import Iterator

import dagster as dg

from energy_assets import flexibility
from energy_assets.contracts import TABLES
from energy_assets.defs.frames import hourly_history, issue_forecasts, meters
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.defs.transformation.dbt_models import morning_freshness
from energy_assets.warehouse import append_new, fetch, first_row, replace_by_key

INCUMBENTS, PEAKS = TABLES["flexibility.incumbent_peaks"], TABLES["flexibility.demand_peaks"]
HOURLY = dg.AssetKey(["marts", "fct_demand_hourly"])
HISTORY_DAYS = 400  # a season of the past year, and what is left of this one


def build_peaks(partitions: dg.PartitionsDefinition[str], timezone: str) -> dg.AssetsDefinition:
    """`flexibility.incumbent_peaks` and `flexibility.demand_peaks`, partitioned by issue day."""
    deps = [HOURLY, dg.AssetKey(["intermediate", "int_demand_versions"]), dg.AssetKey(["raw", "meters"])]

    @dg.multi_asset(
        name="peaks",
        specs=[
            table_spec(INCUMBENTS, group="flexibility", kinds={"polars"}, deps=deps, owner="team:flexibility"),
            table_spec(
                PEAKS,
                group="flexibility",
                kinds={"polars"},
                owner="team:flexibility",
                deps=[
                    *deps,
                    dg.AssetKey([INCUMBENTS.schema, INCUMBENTS.name]),
                    dg.AssetKey(["forecasts", "demand_forecasts"]),
                ],
                freshness_policy=morning_freshness(timezone),
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "probabilities_are_shares",
                asset=[PEAKS.schema, PEAKS.name],
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
                described = meters(con)
                history = hourly_history(con, as_of=issued_at, days=HISTORY_DAYS)
                said = issue_forecasts(con, issued_at)
            incumbents = flexibility.incumbent_peaks(history, described, issued_at=issued_at)
            flagged = flexibility.demand_peaks(said, described, incumbents, history, issued_at=issued_at)
            with energy.warehouse.transaction() as con:
                append_new(con, INCUMBENTS, incumbents)
                # What was flagged for an issue follows its newest forecast.
                con.execute("DELETE FROM flexibility.demand_peaks WHERE issued_at_utc = ?", [issued_at])
                replace_by_key(con, PEAKS, flagged)
        with energy.warehouse.connect(read_only=True) as con:
            yield dg.MaterializeResult(
                asset_key=[INCUMBENTS.schema, INCUMBENTS.name], metadata=table_metadata(con, INCUMBENTS)
            )
            wrong = first_row(
                con,
                "SELECT count(*) FROM flexibility.demand_peaks WHERE probability NOT BETWEEN 0 AND 1 "
                "OR peak_p10_kw > peak_p50_kw OR peak_p50_kw > peak_p90_kw OR window_end_utc <= window_start_utc",
            )
            newest = fetch(
                con,
                "SELECT meter_id, threshold_basis, probability, level FROM flexibility.demand_peaks "
                "WHERE issued_at_utc = $at ORDER BY probability DESC, meter_id, threshold_basis LIMIT 20",
                parameters={"at": issues.last_time},
            )
            lines = "\n".join(f"| {m} | {b} | {p:.2f} | {level} |" for m, b, p, level in newest.rows())
            yield dg.MaterializeResult(
                asset_key=[PEAKS.schema, PEAKS.name],
                metadata=table_metadata(con, PEAKS)
                | {
                    "most_likely": dg.MetadataValue.md(
                        f"| meter | basis | probability | level |\n|---|---|---|---|\n{lines}"
                    )
                },
                check_results=[
                    dg.AssetCheckResult(
                        check_name="probabilities_are_shares",
                        asset_key=[PEAKS.schema, PEAKS.name],
                        passed=wrong is not None and wrong[0] == 0,
                        metadata={"wrong_rows": wrong[0] if wrong else 0},
                    )
                ],
            )

    return peaks
