"""Events in the readings of the last weeks that do not look like demand, and what is done about them."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import dagster as dg
import duckdb
import polars as pl

from energy_assets import monitoring
from energy_assets.contracts import TABLES
from energy_assets.defs.frames import meters
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import table_metadata, table_spec
from energy_assets.defs.monitoring.anomaly_inputs import batches, flagged_as_of, hourly_history
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.defs.transformation.dbt_models import morning_freshness
from energy_assets.warehouse import append_new, fetch, first_row, replace_by_key
from energy_assets.warehouse.ledger import enter_load, next_load_id

TABLE = TABLES["monitoring.demand_anomalies"]
EXCLUSIONS = TABLES["raw.demand_exclusions"]
KEY = dg.AssetKey([TABLE.schema, TABLE.name])
WINDOW_DAYS = 14
# The forecasts of an issue time are out when its anomalies are decided on: a replay of that issue must not know them.
AFTER_ISSUE = timedelta(seconds=1)
_IDENTITY = ["anomaly_id", "meter_id", "kind", "detector", "start_utc", "end_utc", "detected_at_utc"]


def build_anomalies(partitions: dg.PartitionsDefinition[str], timezone: str) -> dg.AssetsDefinition:
    """`monitoring.demand_anomalies`, partitioned by issue day; a known event keeps its id and the day it was found."""

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
                    dg.AssetKey(["raw", "feedback"]),
                    dg.AssetKey(["raw", "meter_readings"]),
                    dg.AssetKey(["raw", "meters"]),
                    dg.AssetKey(["raw", "rejected_rows"]),
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
        since, decided_at = at - timedelta(days=window), at + AFTER_ISSUE
        with energy.warehouse.connect(read_only=True) as con:
            described = meters(con)
            known = fetch(con, "SELECT * FROM monitoring.demand_anomalies WHERE end_utc >= ? ORDER BY ALL", [since])
            standing = _standing(con, at, decided_at, since)
            found, said = [], []
            for some in batches(described):
                hourly = hourly_history(con, at, window, some)
                flagged = flagged_as_of(con, at, window, hourly, some)
                of_them = standing.filter(pl.col("meter_id").is_in(some["meter_id"].implode()))
                decided = monitoring.anomalies.decisions(
                    flagged, hourly, of_them, decided_at=decided_at, since=since, policy=energy.config.anomalies.actions
                )
                found.append(flagged)
                said.append(decided)
            flagged, decided = pl.concat(found), pl.concat(said)
        events = monitoring.anomalies.continue_known(monitoring.anomalies.merge(flagged, at), known.select(_IDENTITY))
        every = pl.concat([standing, decided.select(standing.columns)])
        events = monitoring.anomalies.with_action(events, every)
        # an event that a later run has seen further is not cut short by a replay of an earlier day
        events = events.join(known.filter(pl.col("end_utc") > at).select("anomaly_id"), on="anomaly_id", how="anti")
        with energy.warehouse.transaction() as con:
            appended = _append_decisions(con, decided, energy.now())
            changed = replace_by_key(con, TABLE, events)
            metadata = table_metadata(con, TABLE) | {"new_or_changed": changed, "decisions": appended}
            severe = first_row(
                con,
                "SELECT count(DISTINCT meter_id) FROM monitoring.demand_anomalies "
                "WHERE severity = 'high' AND end_utc > ?::TIMESTAMPTZ - INTERVAL 1 DAY AND detected_at_utc <= ?",
                [at, at],
            )
        severe_meters = severe[0] if severe else 0
        yield dg.MaterializeResult(
            asset_key=KEY,
            metadata=metadata | {"found": dg.MetadataValue.md(_counts(events))},
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


def _standing(con: duckdb.DuckDBPyConnection, at: datetime, decided_at: datetime, since: datetime) -> pl.DataFrame:
    """Decisions on the window's hours, as they stood at the issue time, and those that this step made there before."""
    return fetch(
        con,
        f"""SELECT {", ".join(EXCLUSIONS.content)} FROM raw.demand_exclusions
        WHERE end_utc > $since AND (decided_at_utc <= $at OR (
            decided_at_utc = $decided_at
            AND load_id IN (SELECT load_id FROM raw.load_ledger WHERE source = 'anomalies')
        )) ORDER BY ALL""",
        parameters={"at": at, "decided_at": decided_at, "since": since},
    )


def _append_decisions(con: duckdb.DuckDBPyConnection, decided: pl.DataFrame, received_at: datetime) -> int:
    """A load of their own, so that the marts see them at the next build."""
    if decided.is_empty():
        return 0
    load_id, sha256 = next_load_id(con), hashlib.sha256(str(decided.rows()).encode()).hexdigest()
    enter_load(
        con, "anomalies", "decisions", sha256,
        load_id=load_id, received_at=received_at, rows=decided.height, new=decided.height,
    )  # fmt: skip
    return append_new(con, EXCLUSIONS, decided.with_columns(load_id=pl.lit(load_id, dtype=pl.Int64)))


def _counts(events: pl.DataFrame) -> str:
    kinds = events.group_by("kind", "severity", "action").agg(n=pl.len(), kwh=pl.col("excess_kwh").sum().round(1))
    lines = "\n".join(
        "| " + " | ".join(map(str, row)) + " |" for row in kinds.sort("kind", "severity", "action").rows()
    )
    return f"| kind | severity | action | events | excess kWh |\n|---|---|---|---|---|\n{lines}"
