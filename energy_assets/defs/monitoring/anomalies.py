"""Events in the readings of the last weeks that do not look like demand, and what is done about them."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import dagster as dg
import duckdb
import polars as pl

from energy_assets import monitoring
from energy_assets.contracts import TABLES
from energy_assets.defs.frames import AS_OF, hourly_history, meters
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.defs.transformation.dbt_models import morning_freshness
from energy_assets.warehouse import append_new, fetch, first_row, replace_by_key
from energy_assets.warehouse.feedback import sensitivities
from energy_assets.warehouse.ledger import enter_load, next_load_id

TABLE = TABLES["monitoring.demand_anomalies"]
EXCLUSIONS = TABLES["raw.demand_exclusions"]
KEY = dg.AssetKey([TABLE.schema, TABLE.name])
WINDOW_DAYS, HISTORY_DAYS = 14, 90
SEASONS_DAYS = 365  # what is out of character is judged against a year
# The forecasts of an issue time are out when its anomalies are decided on: a replay of that issue must not know them.
AFTER_ISSUE = timedelta(seconds=1)


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
            hourly = hourly_history(con, as_of=at, days=HISTORY_DAYS + window)
            flagged = flagged_as_of(con, at, window, hourly, described)
            known = fetch(con, "SELECT * FROM monitoring.demand_anomalies WHERE end_utc >= ? ORDER BY ALL", [since])
            standing = _standing(con, at, decided_at, since)
        decided = monitoring.anomalies.decisions(
            flagged, hourly, standing, decided_at=decided_at, since=since, policy=energy.config.anomalies.actions
        )
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


def flagged_as_of(
    con: duckdb.DuckDBPyConnection, at: datetime, window: int, hourly: pl.DataFrame, described: pl.DataFrame
) -> pl.DataFrame:
    """What the detectors flag in the last `window` days, by all that was known at an issue time, feedback included.

    `hourly` is the history of the window and of 90 days before it, `described` the meters.
    """
    since = at - timedelta(days=window)
    return monitoring.anomalies.flagged_hours(
        hourly, described, _readings(con, at, since), _rejected(con, at, since), _seasons(con, at, since),
        issued_at=at, window_days=window, sensitivities=sensitivities(con, at),
    )  # fmt: skip


_IDENTITY = ["anomaly_id", "meter_id", "kind", "detector", "start_utc", "end_utc", "detected_at_utc"]


def _seasons(con: duckdb.DuckDBPyConnection, at: datetime, since: datetime) -> pl.DataFrame:
    """The year of hours before those that the rules see, as they were known."""
    return fetch(
        con,
        f"""SELECT h.meter_id, h.interval_start_utc, h.local_date, h.local_hour, v.demand_kwh,
               coalesce(d.is_holiday, FALSE) AS is_holiday
        FROM marts.fct_demand_hourly h
        JOIN marts.dim_meters m ON m.meter_id = h.meter_id
        LEFT JOIN marts.dim_dates d ON d.country = m.country AND d.local_date = h.local_date
        JOIN intermediate.int_demand_versions v
            ON v.meter_id = h.meter_id AND v.interval_start_utc = h.interval_start_utc
        WHERE {AS_OF} AND h.interval_start_utc >= $first AND h.interval_start_utc < $until
            AND v.interval_start_utc >= $first AND v.interval_start_utc < $until
        ORDER BY h.meter_id, h.interval_start_utc""",
        parameters={
            "as_of": at,
            "first": since - timedelta(days=SEASONS_DAYS),
            "until": since - timedelta(days=HISTORY_DAYS),
        },
    )


def _readings(con: duckdb.DuckDBPyConnection, at: datetime, since: datetime) -> pl.DataFrame:
    """Every version of the window's readings that was known, with its place in its file."""
    return fetch(
        con,
        """SELECT meter_id, interval_start_utc, interval_end_utc, known_at_utc, energy_kwh, load_id, file_row
        FROM raw.meter_readings
        WHERE known_at_utc <= $at AND interval_start_utc >= $since AND direction = 'import'
        ORDER BY meter_id, interval_start_utc, known_at_utc""",
        parameters={"at": at, "since": since},
    )


def _rejected(con: duckdb.DuckDBPyConnection, at: datetime, since: datetime) -> pl.DataFrame:
    """The window's rejected readings. They have no receipt of their own: it is that of the meter's usual reading."""
    return fetch(
        con,
        """WITH refused AS (
            SELECT r.meter_id, r.interval_start_utc, m.interval_minutes, r.reason, r.raw_text, r.message
            FROM raw.rejected_rows r JOIN raw.meters m ON m.meter_id = r.meter_id AND m.source = r.source
            WHERE r.table_name = 'raw.meter_readings' AND r.interval_start_utc >= $since AND r.interval_start_utc < $at
        ), lags AS (
            SELECT meter_id, median(epoch(known_at_utc) - epoch(interval_end_utc)) AS lag_s
            FROM raw.meter_readings
            WHERE meter_id IN (SELECT meter_id FROM refused) AND interval_start_utc >= $since AND known_at_utc <= $at
            GROUP BY meter_id
        )
        SELECT meter_id, interval_start_utc, interval_start_utc + to_minutes(interval_minutes) AS interval_end_utc,
            interval_start_utc + to_minutes(interval_minutes) + to_seconds(lag_s) AS known_at_utc,
            reason, raw_text, message
        FROM refused JOIN lags USING (meter_id) ORDER BY ALL""",
        parameters={"at": at, "since": since},
    )


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
