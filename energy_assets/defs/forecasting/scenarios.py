"""Joint paths of the next day, drawn from the forecasts that stand and from how past ones came true."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import dagster as dg
import duckdb
import polars as pl

from energy_assets import forecasting
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.forecasts import KEY as FORECASTS
from energy_assets.defs.frames import actuals, issue_forecasts
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.warehouse import append_new, fetch, first_row
from energy_assets.warehouse.standing import NEWEST_BACKTESTS

TABLE = TABLES["forecasts.demand_scenarios"]
KEY = dg.AssetKey([TABLE.schema, TABLE.name])
PAST_DAYS = 52  # issue days whose outcome says how hours and meters go together; one or two of them are still open
PAST = f"""
WITH issued AS (
    SELECT meter_id, issued_at_utc, model_version, interval_start_utc, quantile,
        arg_max(demand_kwh, revision) AS demand_kwh
    FROM forecasts.demand_forecasts SEMI JOIN (SELECT * FROM raw.meters WHERE kind <> 'machine') USING (meter_id)
    WHERE issued_at_utc >= $since AND issued_at_utc < $until AND quality = 'primary'
    GROUP BY ALL
), standing AS (
    SELECT meter_id, issued_at_utc, arg_max(model_version, (trained_at_utc, model_version)) AS model_version
    FROM (SELECT DISTINCT meter_id, issued_at_utc, model_version FROM issued)
    JOIN forecasts.model_versions USING (model_version) WHERE trained_at_utc <= issued_at_utc
    GROUP BY ALL
), evaluated AS (
    SELECT b.meter_id, b.issued_at_utc, b.interval_start_utc, b.quantile, b.demand_kwh
    FROM forecasts.backtest_forecasts b SEMI JOIN ({NEWEST_BACKTESTS}) USING (backtest_id)
    ANTI JOIN standing s ON s.meter_id = b.meter_id AND s.issued_at_utc = b.issued_at_utc
    WHERE b.issued_at_utc >= $since AND b.issued_at_utc < $until AND b.model_name = '{forecasting.MODEL_NAME}'
)
SELECT issued.* EXCLUDE (model_version) FROM issued SEMI JOIN standing USING (meter_id, issued_at_utc, model_version)
UNION ALL SELECT * FROM evaluated
"""  # what was issued, by the newest model where two spoke, and for days without the newest daily backtest

SHORT = """
SELECT count(*) FROM (
    SELECT DISTINCT meter_id, interval_start_utc
    FROM forecasts.demand_forecasts SEMI JOIN (SELECT * FROM raw.meters WHERE kind <> 'machine') USING (meter_id)
    WHERE issued_at_utc = $at
) LEFT JOIN (
    SELECT meter_id, interval_start_utc, count(*) AS paths FROM forecasts.demand_scenarios
    WHERE issued_at_utc = $at GROUP BY ALL
) USING (meter_id, interval_start_utc)
WHERE paths IS DISTINCT FROM $paths
"""


def build_scenarios(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """`forecasts.demand_scenarios`, partitioned by issue day; only the newest issue days are kept."""

    @dg.multi_asset(
        name="demand_scenarios",
        specs=[
            table_spec(
                TABLE,
                group="forecasts",
                kinds={"numpy", "polars"},
                owner="team:forecasting",
                deps=[
                    FORECASTS,
                    dg.AssetKey(["forecasts", "backtest_forecasts"]),
                    dg.AssetKey(["intermediate", "int_demand_versions"]),
                ],
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "every_forecast_has_paths",
                asset=KEY,
                blocking=True,
                description="Each hourly forecast of the issue day has as many paths as are asked for.",
            )
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def demand_scenarios(
        context: dg.AssetExecutionContext, energy: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        issues, asked = run_issues(context, energy.config, energy.warehouse, energy.now()), energy.config.forecast
        days = 0
        for issued_at in issues.times:
            with energy.warehouse.connect(read_only=True) as con:
                said = hourly_forecasts(con, issued_at)
                ranks = _ranks(con, issued_at) if said.height else pl.DataFrame()
            if said.is_empty():
                continue
            days = ranks["issued_at_utc"].n_unique()
            drawn = forecasting.demand_scenarios(said, ranks, paths=asked.scenarios, seed=asked.seed)
            with energy.warehouse.transaction() as con:
                # Paths follow the forecast that stands, and are soon of no use: advice is given for the next day.
                con.execute("DELETE FROM forecasts.demand_scenarios WHERE issued_at_utc = ?", [issued_at])
                append_new(con, TABLE, drawn)
        kept = min(issues.first_time, issues.last_time - timedelta(days=asked.scenario_days - 1))
        with energy.warehouse.connect() as con:
            con.execute("DELETE FROM forecasts.demand_scenarios WHERE issued_at_utc < ?", [kept])
            short = first_row(con, SHORT, {"at": issues.last_time, "paths": asked.scenarios})
            metadata = table_metadata(con, TABLE)
        yield dg.MaterializeResult(
            asset_key=KEY,
            metadata=metadata | {"past_days": days, "paths": asked.scenarios},
            check_results=[
                dg.AssetCheckResult(
                    check_name="every_forecast_has_paths",
                    asset_key=KEY,
                    passed=short is not None and short[0] == 0,
                    metadata={"short": short[0] if short else 0},
                )
            ],
        )

    return demand_scenarios


def hourly_forecasts(con: duckdb.DuckDBPyConnection, issued_at: datetime) -> pl.DataFrame:
    """The forecasts of one issue time that stand, without those of machines for their next quarter hour."""
    machines = fetch(con, "SELECT meter_id FROM raw.meters WHERE kind = 'machine'")
    return issue_forecasts(con, issued_at).join(machines, on="meter_id", how="anti", maintain_order="left")


def _ranks(con: duckdb.DuckDBPyConnection, issued_at: datetime) -> pl.DataFrame:
    """Where demand stood in the forecasts of the days before, as it was known; by weeks, for many meters have much."""
    first = issued_at - timedelta(days=PAST_DAYS)
    known = actuals(con, as_of=issued_at, since=first)
    parts = []
    for week in range(0, PAST_DAYS, 7):
        since = first + timedelta(days=week)
        window = {"since": since, "until": min(since + timedelta(days=7), issued_at), "at": issued_at}
        parts.append(forecasting.past_ranks(fetch(con, PAST, window), known))
    return pl.concat(parts)
