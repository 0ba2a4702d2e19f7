"""Drift, once per finished week: residuals decide, Evidently's drift of features and demand explains, decisions follow.

Belongs here: what is fetched, as of when, and what is written. Does not belong here: methods (`monitoring.drift`).
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import duckdb
import polars as pl

from energy_assets import monitoring, plots
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.registry import champion, model_name
from energy_assets.defs.frames import issue_times, kinds_of_meters, labelled_features
from energy_assets.defs.issues import Issues, run_issues
from energy_assets.defs.metadata import plot, table_metadata, table_spec
from energy_assets.defs.monitoring.drift_inputs import Inputs
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.warehouse import append_new, ensure_tables, fetch, first_row

SCORES, DECISIONS = TABLES["monitoring.drift_scores"], TABLES["monitoring.drift_decisions"]
SCORES_KEY, DECISIONS_KEY = (dg.AssetKey([t.schema, t.name]) for t in (SCORES, DECISIONS))
REPORT = dg.AssetKey(["reports", "drift"])
INTERMEDIATE = ("int_demand_days", "int_demand_versions", "int_local_days", "int_meter_locations",
                "int_published_by_hour", "int_weather_versions")  # fmt: skip
SETTLED = timedelta(hours=24)  # after a week's end, for readings to come in
CURRENT_DAYS, REFERENCE_DAYS = 14, 90  # of the features that explain
SHOWN_WEEKS = 26  # of a first run that are written beside the newest


def build_drift(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """`monitoring.drift_scores`, `.drift_decisions` and the reports, of each week that a run is the first to see."""
    deps = [
        dg.AssetKey(["forecasts", "backtests"]),
        dg.AssetKey(["forecasts", "backtest_forecasts"]),
        dg.AssetKey(["forecasts", "demand_forecasts"]),
        dg.AssetKey(["forecasts", "model_versions"]),
        dg.AssetKey(["features", "feat_demand_day_ahead"]),
        *(dg.AssetKey(["intermediate", name]) for name in INTERMEDIATE),
        dg.AssetKey(["marts", "dim_dates"]),
    ]
    owner = "team:forecasting"

    @dg.multi_asset(
        name="drift",
        specs=[
            table_spec(SCORES, group="monitoring", kinds={"polars", "evidently"}, owner=owner, deps=deps),
            table_spec(
                DECISIONS,
                group="monitoring",
                kinds={"polars"},
                owner=owner,
                deps=[SCORES_KEY, dg.AssetKey(["monitoring", "demand_anomalies"])],
            ),
            dg.AssetSpec(
                REPORT,
                deps=deps,
                group_name="monitoring",
                kinds={"evidently", "file"},
                owners=[owner],
                description="`reports/drift/<end of the week>/<kind or meter>.html`: Evidently on demand and the main "
                "features of each kind, and of the meters farthest off.",
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "stable",
                asset=DECISIONS_KEY,
                description="No meter or kind has left the range of its own past two weeks in a row.",
            )
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def drift(context: dg.AssetExecutionContext, energy: WarehouseResource) -> Iterator[dg.MaterializeResult[None]]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        with energy.warehouse.connect() as con:
            ensure_tables(con, [SCORES, DECISIONS])  # a warehouse of before has no decisions
        pictures: dict[str, dg.MarkdownMetadataValue] = {}
        for at, monday in _due(energy, issues):
            pictures = _judge_week(energy, at, monday) or pictures
        with energy.warehouse.connect(read_only=True) as con:
            metadata = {table: table_metadata(con, table) for table in (SCORES, DECISIONS)}
            newest = _newest(con, issues.last_time)
        raised = newest.filter(pl.col("decision").is_in(["retrain", "investigate"]))
        for row in raised.iter_rows(named=True):
            context.log.info(f"{row['meter_id']}: {row['decision']}. {row['because']}")
        counts = dict(newest.group_by("decision").len().sort("decision").iter_rows())
        reports = sorted((energy.settings.reports / "drift").glob("*/*.html"))
        yield dg.MaterializeResult(asset_key=SCORES_KEY, metadata=metadata[SCORES] | pictures)
        yield dg.MaterializeResult(
            asset_key=DECISIONS_KEY,
            metadata=metadata[DECISIONS] | {"decisions": dg.MetadataValue.json(counts)},
            check_results=[
                dg.AssetCheckResult(
                    check_name="stable",
                    asset_key=DECISIONS_KEY,
                    passed=raised.is_empty(),
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={r["meter_id"]: f"{r['decision']}: {r['because']}" for r in raised.iter_rows(named=True)},
                )
            ],
        )
        yield dg.MaterializeResult(
            asset_key=REPORT,
            metadata={
                "reports": dg.MetadataValue.path(str(reports[-1].parent)) if reports else "not enough days to compare",
                "largest_kb": max((path.stat().st_size // 1000 for path in reports), default=0),
            },
        )

    return drift


def _due(energy: WarehouseResource, issues: Issues) -> list[tuple[datetime, date]]:
    """The issue times of the run that are the first to see a week finished, with the Monday after it."""
    first_seen: dict[date, datetime] = {}
    for at in issues.times:
        day = (at - SETTLED).astimezone(ZoneInfo(energy.config.market.timezone)).date()
        first_seen.setdefault(day - timedelta(days=day.weekday()), at)
    with energy.warehouse.connect(read_only=True) as con:
        return [
            (at, monday)
            for monday, at in first_seen.items()
            if not first_row(
                con,
                "SELECT 1 FROM monitoring.drift_decisions WHERE current_end_utc > $end - INTERVAL 3 DAY "
                "AND current_end_utc < $end + INTERVAL 3 DAY LIMIT 1",
                {"end": datetime(monday.year, monday.month, monday.day, tzinfo=at.tzinfo)},
            )
        ]


def _judge_week(energy: WarehouseResource, at: datetime, monday: date) -> dict[str, dg.MarkdownMetadataValue]:
    """Scores, reports and decisions of the week before `monday`, by what was known at `at`; pictures of the kinds."""
    config = energy.config
    with energy.warehouse.connect(read_only=True) as con:
        issues = issue_times(config, as_of=at, days=config.forecast.training_days)
        inputs = Inputs(con, at, monday, issues)
        weeks = monitoring.drift.timeline(inputs)
        importance = _importance(con, energy, at)
        features = labelled_features(
            con, config, as_of=at, days=REFERENCE_DAYS + CURRENT_DAYS,
            columns=monitoring.drift.most_important(importance),
        )  # fmt: skip
        anomalies = fetch(
            con,
            "SELECT meter_id, kind, start_utc, end_utc FROM monitoring.demand_anomalies "
            "WHERE detected_at_utc <= $at AND end_utc > $at - INTERVAL 28 DAY ORDER BY ALL",
            {"at": at},
        )
    features = features.filter(pl.col("local_date") < monday)
    split = pl.col("local_date") >= monday - timedelta(days=CURRENT_DAYS)
    relative = f"reports/drift/{monday.isoformat()}"
    explains = monitoring.drift.explain(
        features.filter(~split),
        features.filter(split, pl.col("demand_kwh").is_not_null()),
        importance,
        meters=monitoring.drift.worst_meters(weeks),
        reports=energy.settings.folder / relative,
        reports_path=relative,
    )
    decisions = monitoring.drift.decide(weeks, explains, pl.concat(inputs.newest), anomalies, issued_at=at)
    with energy.warehouse.transaction() as con:
        begun = first_row(con, "SELECT 1 FROM monitoring.drift_scores WHERE role = 'decides' LIMIT 1") is not None
        shown = weeks.filter(pl.col("week") >= monday - timedelta(weeks=1 if begun else SHOWN_WEEKS))
        append_new(con, SCORES, pl.concat([monitoring.drift.score_rows(shown), explains]))
        append_new(con, DECISIONS, decisions)
    kinds = weeks.filter(pl.col("meter_id").str.starts_with("all:")).partition_by("meter_id", maintain_order=True)
    return {
        f"timeline_{part['kind'][0]}": plot(plots.drift_timeline(part, f"{part['kind'][0]}: weekly drift scores"))
        for part in kinds
        if part["threshold"].count()
    }


def _newest(con: duckdb.DuckDBPyConnection, at: datetime) -> pl.DataFrame:
    """The newest decisions as of an issue time."""
    return fetch(
        con,
        """SELECT meter_id, decision, because FROM monitoring.drift_decisions
        WHERE issued_at_utc = (SELECT max(issued_at_utc) FROM monitoring.drift_decisions WHERE issued_at_utc <= $at)
        ORDER BY meter_id""",
        {"at": at},
    )


def _importance(con: duckdb.DuckDBPyConnection, energy: WarehouseResource, at: datetime) -> pl.DataFrame:
    """Share of each feature in the gain of the champion of its kind."""
    parts = [pl.DataFrame(schema={"kind": pl.String, "column_name": pl.String, "importance": pl.Float64})]
    for kind in kinds_of_meters(con):
        standing = champion(con, energy.settings.folder, model_name(kind), at)
        if standing is not None:
            shares = standing[0].importance()
            parts.append(pl.DataFrame({"kind": kind, "column_name": list(shares), "importance": list(shares.values())}))
    return pl.concat(parts)
