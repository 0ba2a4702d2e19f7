"""Events in the readings of the last weeks that do not look like demand."""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg
import duckdb
import polars as pl

from energy_assets import monitoring
from energy_assets.contracts import TABLES
from energy_assets.defs.frames import hourly_history, meters
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.defs.transformation.dbt_models import morning_freshness
from energy_assets.warehouse import fetch, first_row, replace_by_key

TABLE = TABLES["monitoring.demand_anomalies"]
KEY = dg.AssetKey([TABLE.schema, TABLE.name])
WINDOW_DAYS, HISTORY_DAYS = 14, 90


def build_anomalies(partitions: dg.PartitionsDefinition[str], timezone: str) -> dg.AssetsDefinition:
    """`monitoring.demand_anomalies`, partitioned by issue day; a known event keeps the day it was found on."""

    @dg.multi_asset(
        name="anomalies",
        specs=[
            table_spec(
                TABLE,
                group="monitoring",
                kinds={"polars", "scikitlearn"},
                owner="team:operations",
                deps=[
                    dg.AssetKey(["marts", "fct_demand_hourly"]),
                    dg.AssetKey(["intermediate", "int_demand_versions"]),
                    dg.AssetKey(["raw", "meter_readings"]),
                    dg.AssetKey(["raw", "meters"]),
                ],
                freshness_policy=morning_freshness(timezone),
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "few_severe",
                asset=KEY,
                description="At most a tenth of the meters have a severe anomaly in the last day.",
            )
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def anomalies(context: dg.AssetExecutionContext, energy: WarehouseResource) -> Iterator[dg.MaterializeResult[None]]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        # A range is one window: everything that ended since its first day is looked at once.
        at, window = issues.last_time, WINDOW_DAYS + (issues.last - issues.first).days
        with energy.warehouse.connect(read_only=True) as con:
            described = meters(con)
            hourly = hourly_history(con, as_of=at, days=HISTORY_DAYS + window)
            found = monitoring.detect(hourly, described, _duplicates(con, at, window), issued_at=at, window_days=window)
            known = fetch(con, "SELECT anomaly_id, detected_at_utc AS first_detected FROM monitoring.demand_anomalies")
        found = (
            found.join(known, on="anomaly_id", how="left")
            .with_columns(detected_at_utc=pl.min_horizontal("detected_at_utc", "first_detected"))
            .drop("first_detected")
        )
        with energy.warehouse.transaction() as con:
            changed = replace_by_key(con, TABLE, found)
            metadata = table_metadata(con, TABLE) | {"new_or_changed": changed}
            severe = first_row(
                con,
                "SELECT count(DISTINCT meter_id) FROM monitoring.demand_anomalies "
                "WHERE severity = 'high' AND end_utc > ?::TIMESTAMPTZ - INTERVAL 1 DAY",
                [at],
            )
        kinds = found.group_by("kind", "severity").len().sort("kind", "severity")
        lines = "\n".join(f"| {k} | {s} | {n} |" for k, s, n in kinds.rows())
        severe_meters = severe[0] if severe else 0
        yield dg.MaterializeResult(
            asset_key=KEY,
            metadata=metadata | {"found": dg.MetadataValue.md(f"| kind | severity | events |\n|---|---|---|\n{lines}")},
            check_results=[
                dg.AssetCheckResult(
                    check_name="few_severe",
                    asset_key=KEY,
                    passed=severe_meters <= 0.1 * max(described.height, 1),
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"meters": severe_meters},
                )
            ],
        )

    return anomalies


def _duplicates(con: duckdb.DuckDBPyConnection, at: datetime, window: int) -> pl.DataFrame:
    """Intervals that came more than once with the same value: a stream that repeats itself."""
    return fetch(
        con,
        """SELECT meter_id, interval_start_utc, count(*) AS versions FROM raw.meter_readings
        WHERE known_at_utc <= $at AND interval_start_utc >= $at::TIMESTAMPTZ - to_days($days)
          AND direction = 'import' AND energy_kwh IS NOT NULL
        GROUP BY meter_id, interval_start_utc, energy_kwh HAVING count(*) > 1 ORDER BY ALL""",
        parameters={"at": at, "days": window},
    )
