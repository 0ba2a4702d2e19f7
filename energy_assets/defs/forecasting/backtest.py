"""The rolling-origin evaluation: ours, the baselines, other models and the publisher, on the same hours.

Every daily run evaluates the last weeks; the job `backtest` and the command of that name take any window.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
import duckdb
import polars as pl
from dagster_dbt import DbtCliResource

from energy_assets import forecasting
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.evaluation import (
    BacktestConfig,
    Evaluation,
    WrongQuestion,
    ensure_features,
    judged_meters,
)
from energy_assets.defs.forecasting.models import FEATURES, LABELS, PROFILES
from energy_assets.defs.frames import demand_versions, features_of, interval_versions, kinds_of_meters, published
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.forecasting.backtest import KEYS, PUBLISHER, published_in_time
from energy_assets.forecasting.contenders import contender
from energy_assets.forecasting.publishers import FINDINGS, implausible
from energy_assets.forecasting.scores import COLUMNS as SCORE_COLUMNS
from energy_assets.reports.backtest import write_report
from energy_assets.warehouse import append_new, ensure_tables, fetch, first_row
from energy_assets.warehouse.standing import NEWEST_BACKTESTS

REGISTRY, FORECASTS = TABLES["forecasts.backtests"], TABLES["forecasts.backtest_forecasts"]
SCORES = TABLES["monitoring.backtest_scores"]
REPORT = dg.AssetKey(["reports", "backtest"])
OURS = forecasting.MODEL_NAME
BASELINES = ("seasonal_naive", "calendar_temperature")
IDS = "backtest_ids"  # metadata of the registry's materialization: kind -> id


def build_backtest(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The evaluations, their forecasts, their scores and reports, as of the run's last issue time."""
    deps = [FEATURES, LABELS, PROFILES, dg.AssetKey(["intermediate", "int_published_by_hour"])]
    of_forecasts = [dg.AssetKey([FORECASTS.schema, FORECASTS.name])]
    kinds = {"lightgbm", "scikitlearn"}

    @dg.multi_asset(
        name="rolling_origin",
        specs=[
            table_spec(REGISTRY, group="forecasts", kinds=set(), owner="team:forecasting", deps=deps),
            table_spec(FORECASTS, group="forecasts", kinds=kinds, owner="team:forecasting", deps=deps),
            table_spec(
                SCORES, group="monitoring", kinds={"polars"}, owner="team:forecasting", deps=[*of_forecasts, LABELS]
            ),
            dg.AssetSpec(
                REPORT,
                deps=[*of_forecasts, dg.AssetKey([SCORES.schema, SCORES.name])],
                group_name="monitoring",
                kinds={"matplotlib", "file"},
                owners=["team:forecasting"],
                description="`reports/backtest/<backtest_id>.html`: who was how wrong, when, and how honest bands are.",
                skippable=True,  # written when it is asked for
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "ours_beats_the_baselines",
                asset=[SCORES.schema, SCORES.name],
                description="For each kind of meter our WAPE is below those of both baselines.",
            ),
            dg.AssetCheckSpec(
                "publisher_is_plausible",
                asset=[SCORES.schema, SCORES.name],
                description="No published forecast is a copy of what came true, or absurd.",
            ),
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def backtest(
        context: dg.AssetExecutionContext, energy: WarehouseResource, dbt: DbtCliResource, config: BacktestConfig
    ) -> Iterator[dg.MaterializeResult[None]]:
        run = run_issues(context, energy.config, energy.warehouse, energy.now())
        try:
            asked = Evaluation.of(config, energy.config, energy.warehouse, run)
            if asked.made_for == "asked" or config.report:  # not right after the features were made
                ensure_features(context, energy, dbt, asked)
        except WrongQuestion as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        with energy.warehouse.connect() as con:
            ensure_tables(con, [REGISTRY])  # a warehouse of before has none, or one of hours alone
            con.execute(
                f"ALTER TABLE {REGISTRY.qualified} ADD COLUMN IF NOT EXISTS forecast_interval VARCHAR DEFAULT 'hour'"
            )
            kinds = kinds_of_meters(con, asked.meters)
        # Kinds side by side: most of the work lets go of the interpreter.
        with ThreadPoolExecutor(energy.settings.threads) as pool:
            answers = list(pool.map(lambda kind: _answer(energy, context, asked, kind), kinds))
        for answer in answers:
            if answer.made is not None:
                _write(energy, asked, answer.made)
            if answer.identity is None:
                context.log.warning(f"no backtest for {answer.kind}: {answer.because}")
        ids = {answer.kind: answer.identity for answer in answers if answer.identity is not None}
        if not ids and asked.made_for == "asked":
            reasons = [f"{answer.kind}: {answer.because}" for answer in answers]
            raise dg.Failure("; ".join(reasons) or "no meter has features: nothing was ever known of any")
        yield from _results(energy, asked.as_of, ids)
        if config.report:
            written = {kind: str(write_report(energy.settings, identity)) for kind, identity in ids.items()}
            for kind, path in written.items():
                context.log.info(f"{kind}: report {path}")
            paths = {kind: dg.MetadataValue.path(path) for kind, path in written.items()}
            yield dg.MaterializeResult(asset_key=REPORT, metadata=paths)

    return backtest


@dataclass(frozen=True)
class Made:
    """A backtest to be written: its id, its rows and their scores."""

    identity: str
    kind: str
    forecasts: pl.DataFrame
    scores: pl.DataFrame


@dataclass(frozen=True)
class Answer:
    """The id of a kind's backtest, and what is new of it; or why there is none."""

    kind: str
    identity: str | None = None
    made: Made | None = None
    because: str = ""


def _answer(energy: WarehouseResource, context: dg.AssetExecutionContext, asked: Evaluation, kind: str) -> Answer:
    """The evaluation of one kind of meter, unless the same one stands."""
    first, last, until = asked.issues.first_time, asked.issues.last_time, asked.until
    with energy.warehouse.connect(read_only=True) as con:
        judged = judged_meters(con, asked, kind)
        frame = features_of(
            con, asked.learned_from, kind=kind, judged_since=first, judged=judged, meter_ids=asked.meters
        )
        meters = frame["meter_id"].unique().sort().to_list()
        since = min(asked.learned_from)
        versions = demand_versions(con, frame, as_of=asked.as_of)
        operators = published(con, since=first, until=until).filter(pl.col("meter_id").is_in(meters))
        parts = pl.DataFrame()
        if asked.interval == "own":
            parts = interval_versions(con, as_of=asked.as_of, since=since, until=until, meter_ids=meters)
            operators = operators.clear()  # who speaks of hours says nothing of their parts
        done = {r[0] for r in con.execute("SELECT backtest_id FROM forecasts.backtests").fetchall()}
    window = frame.filter(pl.col("issued_at_utc") >= first)
    if window.is_empty():
        return Answer(kind, because=f"no meter of it was known from {asked.issues.first} to {asked.issues.last}")
    if asked.interval == "own" and parts.is_empty():
        return Answer(kind, because="no meter of it has an interval that is finer than an hour and divides it")
    identity = forecasting.backtest_id(
        **asked.settings, kind=kind, models=asked.models, meters=asked.meters, seed=asked.seed,
        data=[str(data.hash_rows(seed=1).sum()) for data in (frame, versions, operators, parts) if data.width],
    )  # fmt: skip
    if identity in done:
        return Answer(kind, identity)
    known = versions.filter(pl.col("known_to_utc").is_null())
    unfit = _unfit_publishers(window, operators, known)
    for name, meter, finding, value in unfit.select("publisher", "meter_id", "finding", "value").iter_rows():
        context.log.warning(f"{name} is not compared with for {meter}: {finding}, {FINDINGS[finding]} is {value:.3g}")
    try:
        with forecasting.memory_errors():
            rows = forecasting.rolling_origin(
                frame, kind=kind, first_issue=first, last_issue=last, refit_weeks=asked.refit_weeks,
                models={name: contender(name) for name in asked.models}, seed=asked.seed,
                training_days=asked.training_days, versions=versions,
                published=operators.join(unfit, on=["meter_id", "publisher"], how="anti"), said=context.log.info,
            )  # fmt: skip
    except (forecasting.NotEnoughHistory, MemoryError) as error:
        return Answer(kind, because=str(error))
    if rows.is_empty():
        return Answer(kind, because="no model had anything to forecast from")
    if asked.interval == "own":
        rows = forecasting.backtest_at_own_interval(rows, parts, frame)
        known = parts.filter(pl.col("known_to_utc").is_null())
    rows = rows.with_columns(backtest_id=pl.lit(identity))
    scores = forecasting.backtest_scores(rows, known, dict.fromkeys(meters, kind), window)
    flags = unfit.select(
        pl.lit(identity).alias("backtest_id"),
        "meter_id",
        pl.lit(PUBLISHER).alias("model_name"),
        pl.format("publisher:{}", "publisher").alias("slice"),
        pl.format("flag_{}", "finding").alias("metric"),
        "value",
        "n",
    )
    context.log.info(f"{kind}: {rows['issued_at_utc'].n_unique()} issue days, {rows.height:,} rows")
    return Answer(kind, identity, Made(identity, kind, rows, pl.concat([scores, flags.select(SCORE_COLUMNS)])))


def _unfit_publishers(window: pl.DataFrame, operators: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    hour = ["meter_id", "interval_start_utc"]
    naive = forecasting.seasonal_naive(window).select(*KEYS, naive_kwh="demand_kwh")
    actual = known.select(*hour, actual_kwh="demand_kwh")
    said = published_in_time(window.select(KEYS), operators).rename({"energy_kwh": "published_kwh"})
    return implausible(said.join(actual, on=hour, how="left").join(naive, on=KEYS, how="left"))


def _write(energy: WarehouseResource, asked: Evaluation, made: Made) -> None:
    """All of it in one transaction: a backtest that the registry names is whole."""
    row = asked.settings | {
        "backtest_id": made.identity,
        "kind": made.kind,
        "models": json.dumps(asked.models),
        "meters": json.dumps(asked.meters) if asked.meters else None,
        "as_of_utc": asked.as_of,
        "forecast_interval": asked.interval,
    }
    with energy.warehouse.transaction() as con:
        number = first_row(con, "SELECT coalesce(max(number), 0) + 1 FROM forecasts.backtests")
        assert number is not None
        schema = {name: type_ for name, type_ in REGISTRY.polars_schema.items() if name in {*row, "number"}}
        append_new(con, REGISTRY, pl.DataFrame([row | {"number": number[0]}], schema=schema))
        append_new(con, FORECASTS, made.forecasts)
        append_new(con, SCORES, made.scores)


def newest_backtests(con: duckdb.DuckDBPyConnection, at: datetime) -> dict[str, str]:
    """The newest daily backtest of each kind as of an issue time."""
    return dict(con.execute(NEWEST_BACKTESTS, {"at": at}).fetchall())


def _results(energy: WarehouseResource, at: datetime, ids: dict[str, str]) -> Iterator[dg.MaterializeResult[None]]:
    """The tables of this run; the checks judge the newest daily backtests, whatever a person asked for since."""
    with energy.warehouse.connect(read_only=True) as con:
        newest = list(newest_backtests(con, at).values())
        table = _wape(con, list(ids.values()))
        worse = _beaten(_wape(con, newest))
        flagged = fetch(
            con,
            """SELECT meter_id, slice[11:] AS publisher, metric[6:] AS finding, value FROM monitoring.backtest_scores
            WHERE list_contains($ids, backtest_id) AND metric LIKE 'flag_%' ORDER BY ALL""",
            parameters={"ids": newest},
        )
        metadata = {t: table_metadata(con, t) for t in (REGISTRY, FORECASTS, SCORES)}
    lines = "\n".join(f"| {k[4:]} | {m} | {w} | {n} |" for k, m, w, n in table.rows())
    metadata[REGISTRY] |= {IDS: dg.MetadataValue.json(ids)}
    metadata[SCORES] |= {"wape": dg.MetadataValue.md(f"| kind | model | WAPE % | hours |\n|---|---|---|---|\n{lines}")}
    yield dg.MaterializeResult(asset_key=[REGISTRY.schema, REGISTRY.name], metadata=metadata[REGISTRY])
    yield dg.MaterializeResult(asset_key=[FORECASTS.schema, FORECASTS.name], metadata=metadata[FORECASTS])
    yield dg.MaterializeResult(
        asset_key=[SCORES.schema, SCORES.name],
        metadata=metadata[SCORES],
        check_results=[
            dg.AssetCheckResult(
                check_name="ours_beats_the_baselines",
                passed=worse.is_empty(),
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"beaten_by": str(worse.rows())},
            ),
            dg.AssetCheckResult(
                check_name="publisher_is_plausible",
                passed=flagged.is_empty(),
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "meters": ", ".join(flagged["meter_id"].unique().sort()) or "none",
                    "findings": dg.MetadataValue.json(flagged.to_dicts()),
                },
            ),
        ],
    )


def _wape(con: duckdb.DuckDBPyConnection, ids: list[str]) -> pl.DataFrame:
    return fetch(
        con,
        """SELECT meter_id AS kind, model_name, round(100 * value, 2) AS wape_pct, n FROM monitoring.backtest_scores
        WHERE list_contains($ids, backtest_id) AND slice = 'all' AND metric = 'wape' AND meter_id LIKE 'all:%'
        ORDER BY kind, wape_pct""",
        parameters={"ids": ids},
    )


def _beaten(table: pl.DataFrame) -> pl.DataFrame:
    """Baselines that are at least as good as ours."""
    baselines = table.filter(pl.col("model_name").is_in(list(BASELINES)))
    ours = table.filter(pl.col("model_name") == OURS).select("kind", ours="wape_pct")
    return baselines.join(ours, on="kind").filter(pl.col("ours") >= pl.col("wape_pct"))
