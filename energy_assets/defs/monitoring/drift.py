"""Drift: residuals decide, Evidently's feature and target drift explains; one HTML report per run."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import dagster as dg
import duckdb
import polars as pl

from energy_assets import monitoring
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.backtest import OURS, newest_backtests
from energy_assets.defs.forecasting.registry import champion, model_name
from energy_assets.defs.frames import actuals, kinds_of_meters, labelled_features
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.warehouse import fetch, replace_by_key

TABLE = TABLES["monitoring.drift_scores"]
KEY = dg.AssetKey([TABLE.schema, TABLE.name])
REPORT = dg.AssetKey(["reports", "drift"])
CURRENT_DAYS, REFERENCE_DAYS = 14, 90


def build_drift(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """`monitoring.drift_scores` and the report, as of the run's last issue time."""
    deps = [
        dg.AssetKey(["forecasts", "backtests"]),
        dg.AssetKey(["forecasts", "backtest_forecasts"]),
        dg.AssetKey(["forecasts", "demand_forecasts"]),
        dg.AssetKey(["forecasts", "model_versions"]),
        dg.AssetKey(["features", "feat_demand_day_ahead"]),
        dg.AssetKey(["intermediate", "int_demand_versions"]),
    ]

    @dg.multi_asset(
        name="drift",
        specs=[
            table_spec(TABLE, group="monitoring", kinds={"polars", "evidently"}, owner="team:forecasting", deps=deps),
            dg.AssetSpec(
                REPORT,
                deps=deps,
                group_name="monitoring",
                kinds={"evidently", "file"},
                owners=["team:forecasting"],
                description="`reports/drift/<issue date>.html`: Evidently on target and main features of each kind.",
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec("stable", asset=KEY, description="Forecast errors are in the range of their own history.")
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def drift(context: dg.AssetExecutionContext, energy: WarehouseResource) -> Iterator[dg.MaterializeResult[None]]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        at = issues.last_time
        relative = f"reports/drift/{issues.last.isoformat()}.html"
        with energy.warehouse.connect(read_only=True) as con:
            residuals = _residuals(con, at)
            frame = labelled_features(con, energy.config, as_of=at, days=REFERENCE_DAYS + CURRENT_DAYS)
            importance = _importance(con, energy, at)
        split = at - timedelta(days=CURRENT_DAYS)
        scores = monitoring.drift_scores(
            residuals,
            frame.filter(pl.col("issued_at_utc") < split),
            frame.filter(pl.col("issued_at_utc") >= split, pl.col("demand_kwh").is_not_null()),
            importance,
            current_days=CURRENT_DAYS,
            report=energy.settings.folder / relative,
            report_path=relative,
        )
        verdict = monitoring.verdict(scores)
        with energy.warehouse.transaction() as con:
            replace_by_key(con, TABLE, scores)
            metadata = table_metadata(con, TABLE)
        context.log.info(f"{verdict.word}: {verdict.sentence}")
        report = energy.settings.folder / relative
        yield dg.MaterializeResult(
            asset_key=KEY,
            metadata=metadata | {"verdict": verdict.word, "because": verdict.sentence},
            check_results=[
                dg.AssetCheckResult(
                    check_name="stable",
                    asset_key=KEY,
                    passed=verdict.word in ("stable", "unknown"),
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"verdict": verdict.word, "because": verdict.sentence},
                )
            ],
        )
        written = report.exists()
        yield dg.MaterializeResult(
            asset_key=REPORT,
            metadata={
                "report": dg.MetadataValue.path(str(report)) if written else "not enough days to compare",
                "size_kb": report.stat().st_size // 1000 if written else 0,
            },
        )

    return drift


def _residuals(con: duckdb.DuckDBPyConnection, at: datetime) -> pl.DataFrame:
    """Our medians of the newest backtests beside what came true."""
    forecasts = fetch(
        con,
        """SELECT meter_id, kind, interval_start_utc, demand_kwh AS predicted_kwh
        FROM forecasts.backtest_forecasts JOIN raw.meters USING (meter_id)
        WHERE list_contains($ids, backtest_id) AND model_name = $ours AND quantile = 0.5 ORDER BY ALL""",
        parameters={"ids": list(newest_backtests(con, at).values()), "ours": OURS},
    )
    if forecasts.is_empty():
        return forecasts.with_columns(actual_kwh=pl.lit(None, dtype=pl.Float64), local_date=pl.lit(None, dtype=pl.Date))
    since = forecasts["interval_start_utc"].min()
    assert isinstance(since, datetime)
    known = actuals(con, as_of=at, since=since).rename({"demand_kwh": "actual_kwh"})
    return forecasts.join(known, on=["meter_id", "interval_start_utc"])


def _importance(con: duckdb.DuckDBPyConnection, energy: WarehouseResource, at: datetime) -> pl.DataFrame:
    """Share of each feature in the gain of the champion of its kind."""
    parts = [pl.DataFrame(schema={"kind": pl.String, "column_name": pl.String, "importance": pl.Float64})]
    for kind in kinds_of_meters(con):
        standing = champion(con, energy.settings.folder, model_name(kind), at)
        if standing is not None:
            shares = standing[0].importance()
            parts.append(pl.DataFrame({"kind": kind, "column_name": list(shares), "importance": list(shares.values())}))
    return pl.concat(parts)
