"""Errors of issued forecasts, once the actuals are in."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from energy_assets import monitoring
from energy_assets.contracts import TABLES
from energy_assets.defs.frames import actuals
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.warehouse import fetch, replace_by_key

TABLE = TABLES["monitoring.forecast_scores"]
BACK_DAYS = 14  # late readings and corrections mend the scores of so many issue days


def build_scores(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """`monitoring.forecast_scores`: at an issue day, the forecasts of the two weeks before it are scored (again)."""

    @dg.multi_asset(
        name="forecast_scores",
        specs=[
            table_spec(
                TABLE,
                group="monitoring",
                kinds={"polars"},
                owner="team:forecasting",
                deps=[
                    dg.AssetKey(["forecasts", "demand_forecasts"]),
                    dg.AssetKey(["intermediate", "int_demand_versions"]),
                    dg.AssetKey(["features", "feat_demand_day_ahead"]),
                ],
            )
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def forecast_scores(
        context: dg.AssetExecutionContext, energy: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        at, since = issues.last_time, issues.first_time - timedelta(days=BACK_DAYS)
        with energy.warehouse.connect(read_only=True) as con:
            window = {"since": since, "at": at}
            forecasts = fetch(
                con,
                "SELECT * EXCLUDE (dagster_run_id) FROM forecasts.demand_forecasts "
                "WHERE issued_at_utc BETWEEN $since AND $at ORDER BY ALL",
                parameters=window,
            )
            known = fetch(
                con,
                "SELECT meter_id, issued_at_utc, interval_start_utc, demand_lag_7d_kwh AS demand_kwh, issue_basis "
                "FROM features.feat_demand_day_ahead WHERE issued_at_utc BETWEEN $since AND $at ORDER BY ALL",
                parameters=window,
            )
            scores = monitoring.score_forecasts(
                forecasts, actuals(con, as_of=at, since=since), known.drop("issue_basis"), known
            )
        with energy.warehouse.transaction() as con:
            changed = replace_by_key(con, TABLE, scores)
            metadata = table_metadata(con, TABLE)
        yield dg.MaterializeResult(
            asset_key=[TABLE.schema, TABLE.name], metadata=metadata | {"new_or_changed": changed}
        )

    return forecast_scores
