"""The rolling-origin evaluation over the last weeks: ours, both baselines and the publisher, on the same hours."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import dagster as dg
import duckdb
import polars as pl

from energy_assets import forecasting
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.models import FEATURES, LABELS
from energy_assets.defs.frames import actuals, kinds_of_meters, labelled_features, published
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.forecasting.contenders import DEFAULT, contender
from energy_assets.warehouse import append_new, fetch

FORECASTS, SCORES = TABLES["forecasts.backtest_forecasts"], TABLES["monitoring.backtest_scores"]
OURS = forecasting.MODEL_NAME
BASELINES = ("seasonal_naive", "calendar_temperature")


def build_backtest(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """`forecasts.backtest_forecasts` and `monitoring.backtest_scores`, as of the run's last issue time."""
    deps = [FEATURES, LABELS, dg.AssetKey(["intermediate", "int_published_by_hour"])]

    @dg.multi_asset(
        name="backtest",
        specs=[
            table_spec(
                FORECASTS, group="forecasts", kinds={"lightgbm", "scikitlearn"}, owner="team:forecasting", deps=deps
            ),
            table_spec(
                SCORES,
                group="monitoring",
                kinds={"polars"},
                owner="team:forecasting",
                deps=[dg.AssetKey([FORECASTS.schema, FORECASTS.name]), LABELS],
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "ours_beats_the_baselines",
                asset=[SCORES.schema, SCORES.name],
                description="For each kind of meter our WAPE is below those of both baselines.",
            )
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def backtest(context: dg.AssetExecutionContext, energy: WarehouseResource) -> Iterator[dg.MaterializeResult[None]]:
        at = run_issues(context, energy.config, energy.warehouse, energy.now()).last_time
        schedule = energy.config.forecast
        days = schedule.training_days + 7 * schedule.evaluation_weeks
        with energy.warehouse.connect(read_only=True) as con:
            kinds = kinds_of_meters(con)
            frame = labelled_features(con, energy.config, as_of=at, days=days)
            operators = published(con, since=at - timedelta(days=7 * schedule.evaluation_weeks + 2), until=at)
            done = {
                r[0] for r in con.execute("SELECT DISTINCT backtest_id FROM forecasts.backtest_forecasts").fetchall()
            }
        due = {}
        for kind in kinds:
            of_kind = frame.filter(pl.col("kind") == kind)
            identity = _backtest_id(of_kind, operators, kind, at, schedule.model_dump(mode="json"))
            if identity not in done:
                due[kind] = identity

        def work(kind: str) -> pl.DataFrame | str:
            of_kind = frame.filter(pl.col("kind") == kind)
            try:
                return forecasting.rolling_origin(
                    of_kind,
                    kind=kind,
                    first_issue=at - timedelta(weeks=schedule.evaluation_weeks) + timedelta(days=1),
                    last_issue=at,
                    refit_weeks=schedule.refit_weeks,
                    models={name: contender(name) for name in DEFAULT},
                    seed=schedule.seed,
                    published=operators,
                    said=context.log.info,
                )
            except forecasting.NotEnoughHistory as error:
                return str(error)

        with ThreadPoolExecutor(energy.settings.threads) as pool:
            outcomes = dict(zip(due, pool.map(work, due), strict=True))
        for kind, outcome in outcomes.items():
            if isinstance(outcome, str) or outcome.is_empty():
                why = outcome if isinstance(outcome, str) else "nothing known in its window"
                context.log.warning(f"no backtest for {kind}: {why}")
                continue
            rows = outcome.with_columns(backtest_id=pl.lit(due[kind]))
            _write(energy, rows, at)
            context.log.info(f"{kind}: {rows['issued_at_utc'].n_unique()} issue days, {rows.height:,} rows")
        yield from _results(energy, at)

    return backtest


def _backtest_id(
    frame: pl.DataFrame, operators: pl.DataFrame, kind: str, at: datetime, schedule: dict[str, object]
) -> str:
    """The same window, meters, settings and data have the same id, and are not computed again."""
    data = [str(part.hash_rows(seed=1).sum()) for part in (frame.drop("label_known_at_utc"), operators)]
    return forecasting.backtest_id(kind=kind, at=at, schedule=schedule, data=data)


def _write(energy: WarehouseResource, rows: pl.DataFrame, at: datetime) -> None:
    first = rows["interval_start_utc"].min()
    assert isinstance(first, datetime)
    with energy.warehouse.connect(read_only=True) as con:
        known = actuals(con, as_of=at, since=first)
        kinds = dict(con.execute("SELECT meter_id, kind FROM raw.meters").fetchall())
    scores = forecasting.backtest_scores(rows, known, kinds)
    with energy.warehouse.transaction() as con:
        append_new(con, FORECASTS, rows)
        append_new(con, SCORES, scores)


def newest_backtests(con: duckdb.DuckDBPyConnection, at: datetime) -> dict[str, str]:
    """The newest backtest of each kind as of an issue time."""
    return dict(
        con.execute(
            """SELECT kind, arg_max(backtest_id, issued_at_utc)
            FROM forecasts.backtest_forecasts JOIN raw.meters USING (meter_id)
            WHERE issued_at_utc <= ? GROUP BY kind""",
            [at],
        ).fetchall()
    )


def _results(energy: WarehouseResource, at: datetime) -> Iterator[dg.MaterializeResult[None]]:
    with energy.warehouse.connect(read_only=True) as con:
        newest = newest_backtests(con, at)
        table = fetch(
            con,
            """SELECT meter_id AS kind, model_name, round(100 * value, 2) AS wape_pct, n FROM monitoring.backtest_scores
            WHERE list_contains($ids, backtest_id) AND slice = 'all' AND metric = 'wape' AND meter_id LIKE 'all:%'
            ORDER BY kind, wape_pct""",
            parameters={"ids": list(newest.values())},
        )
        metadata = {t: table_metadata(con, t) for t in (FORECASTS, SCORES)}
    baselines = table.filter(pl.col("model_name").is_in(list(BASELINES)))
    ours = table.filter(pl.col("model_name") == OURS).select("kind", ours="wape_pct")
    worse = baselines.join(ours, on="kind").filter(pl.col("ours") >= pl.col("wape_pct"))
    yield dg.MaterializeResult(asset_key=[FORECASTS.schema, FORECASTS.name], metadata=metadata[FORECASTS])
    lines = "\n".join(f"| {k[4:]} | {m} | {w} | {n} |" for k, m, w, n in table.rows())
    yield dg.MaterializeResult(
        asset_key=[SCORES.schema, SCORES.name],
        metadata=metadata[SCORES]
        | {"wape": dg.MetadataValue.md(f"| kind | model | WAPE % | hours |\n|---|---|---|---|\n{lines}")},
        check_results=[
            dg.AssetCheckResult(
                check_name="ours_beats_the_baselines",
                passed=worse.is_empty(),
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"beaten_by": str(worse.rows())},
            )
        ],
    )
