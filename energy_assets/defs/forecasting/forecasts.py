"""Forecasts of the next local day for every meter, and of the next 15 minutes for machines."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import dagster as dg
import duckdb
import polars as pl

from energy_assets import plots
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.checks import ARTEFACTS, DECISIONS_KEY, VERSIONS_KEY
from energy_assets.defs.forecasting.issuing import say, say_next_quarter
from energy_assets.defs.forecasting.models import FEATURES, PROFILES
from energy_assets.defs.forecasting.registry import champion, model_name
from energy_assets.defs.frames import issue_forecasts, kinds_of_meters, meters
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import plot, table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.defs.transformation.dbt_models import morning_freshness
from energy_assets.warehouse import append_revisions, fetch

TABLE = TABLES["forecasts.demand_forecasts"]
KEY = dg.AssetKey([TABLE.schema, TABLE.name])


def build_forecasts(partitions: dg.PartitionsDefinition[str], timezone: str) -> dg.AssetsDefinition:
    """`forecasts.demand_forecasts`, partitioned by issue day."""

    @dg.multi_asset(
        name="demand_forecasts",
        specs=[
            table_spec(
                TABLE,
                group="forecasts",
                kinds={"lightgbm", "polars"},
                owner="team:forecasting",
                deps=[
                    FEATURES,
                    PROFILES,
                    dg.AssetKey(["features", "feat_machine_15min"]),
                    VERSIONS_KEY,
                    DECISIONS_KEY,
                    ARTEFACTS,
                ],
                freshness_policy=morning_freshness(timezone),
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "quantiles_do_not_cross",
                asset=KEY,
                blocking=True,
                description="A higher quantile is never a lower demand.",
            ),
            dg.AssetCheckSpec(
                "every_meter_has_one",
                asset=KEY,
                description="Each issue day has features, and each meter in them a forecast of its next local day.",
            ),
            dg.AssetCheckSpec(
                "few_fallbacks", asset=KEY, description="At most a fifth of the meters needed a fallback."
            ),
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def demand_forecasts(
        context: dg.AssetExecutionContext, energy: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        new = 0
        empty = []
        for issued_at in issues.times:  # one per day of the range; a day is one set-based pass over all meters
            with energy.warehouse.connect(read_only=True) as con:
                rows, skipped = _forecast(energy, con, issued_at)
            if rows.is_empty():
                empty.append(f"{issued_at:%Y-%m-%d}")
            for reason, names in skipped.sort("meter_id").group_by("reason").agg("meter_id").sort("reason").iter_rows():
                shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
                context.log.warning(f"{len(names)} meters without a forecast, {reason}: {shown}")
            rows = rows.with_columns(dagster_run_id=pl.lit(context.run.run_id))
            with energy.warehouse.transaction() as con:
                new += append_revisions(con, TABLE, rows)
        if empty:
            context.log.warning(
                f"no forecast for the issue days {', '.join(empty)}: no meter was known by then, or their features "
                "were never made. The job `build`, launched for them, makes features first."
            )
        with energy.warehouse.connect(read_only=True) as con:
            yield _result(con, issues.last_time, new, empty)

    return demand_forecasts


def _forecast(
    energy: WarehouseResource, con: duckdb.DuckDBPyConnection, issued_at: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    config, folder = energy.config, energy.settings.folder
    made = []
    for kind in kinds_of_meters(con):
        standing = champion(con, folder, model_name(kind), issued_at)
        model, withheld = (None, False) if standing is None else (standing.model, standing.withheld)
        made.append(say(con, config, issued_at, kind, model, withheld=withheld))
    machines = say_next_quarter(con, issued_at, config.forecast.seed)
    if machines is not None:
        made.append(machines)
    if not made:
        return TABLE.empty().drop("revision", "dagster_run_id"), TABLE.empty().select(
            "meter_id", reason="quality_reason"
        )
    return pl.concat(m.rows for m in made), pl.concat(m.skipped for m in made)


def _result(
    con: duckdb.DuckDBPyConnection, issued_at: datetime, new: int, empty: Sequence[str]
) -> dg.MaterializeResult[None]:
    described = meters(con).select("meter_id", "kind", "timezone")
    newest = issue_forecasts(con, issued_at).join(described, on="meter_id", maintain_order="left")
    expected = fetch(
        con,
        "SELECT meter_id, count(*) AS hours FROM features.feat_demand_day_ahead WHERE issued_at_utc = $at GROUP BY 1",
        parameters={"at": issued_at},
    )
    crossing = newest.filter(
        pl.col("demand_kwh") < pl.col("demand_kwh").shift(1).over("meter_id", "interval_start_utc", order_by="quantile")
    ).height
    made = newest.group_by("meter_id").agg(
        made=pl.col("interval_start_utc").n_unique(), fallback=(pl.col("quality") == "fallback").any()
    )
    short = expected.join(made, on="meter_id", how="left").filter(pl.col("made").fill_null(0) < pl.col("hours"))
    fallbacks = made.filter("fallback")["meter_id"].to_list()
    metadata = table_metadata(con, TABLE) | {
        "new_rows": new,
        "meters": made.height,
        "fallback_meters": ", ".join(sorted(fallbacks)) or "none",
    }
    for kind in newest["kind"].unique().sort().to_list():
        if kind != "machine":
            metadata[f"plot_{kind}"] = plot(_band(newest.filter(pl.col("kind") == kind), kind))
    warn = dg.AssetCheckSeverity.WARN
    return dg.MaterializeResult(
        asset_key=KEY,
        metadata=metadata,
        check_results=[
            dg.AssetCheckResult(
                check_name="quantiles_do_not_cross", passed=crossing == 0, metadata={"crossing": crossing}
            ),
            dg.AssetCheckResult(
                check_name="every_meter_has_one",
                passed=short.is_empty() and not empty,
                severity=warn,
                metadata={
                    "meters": ", ".join(short["meter_id"].sort().to_list()) or "none",
                    "issue_days_without_any": ", ".join(empty) or "none",
                },
            ),
            dg.AssetCheckResult(
                check_name="few_fallbacks",
                passed=len(fallbacks) <= 0.2 * max(made.height, 1),
                severity=warn,
                metadata={"fallbacks": len(fallbacks), "meters": made.height},
            ),
        ],
    )


def _band(frame: pl.DataFrame, kind: str) -> bytes:
    """The meter with the largest demand stands for its kind."""
    largest = frame.group_by("meter_id").agg(pl.col("demand_kwh").sum()).sort("demand_kwh", "meter_id")["meter_id"][-1]
    of_meter = frame.filter(pl.col("meter_id") == largest)
    return plots.forecast_band(of_meter, title=f"{largest} ({kind})", timezone=of_meter["timezone"][0])
