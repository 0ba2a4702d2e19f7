"""Models per kind of meter: trained when there is none for an issue time, or when a challenger is asked for."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl

from energy_assets import forecasting, plots
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.registry import champion, model_name, roles
from energy_assets.defs.frames import kinds_of_meters, labelled_features
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import plot, table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.warehouse import append_new

VERSIONS, DECISIONS = TABLES["forecasts.model_versions"], TABLES["forecasts.model_decisions"]
ARTEFACTS = dg.AssetKey(["models", "artefacts"])
JUDGED = timedelta(weeks=4)
FEATURES = dg.AssetKey(["features", "feat_demand_day_ahead"])
LABELS = dg.AssetKey(["intermediate", "int_demand_versions"])


class ModelsConfig(dg.Config):
    """`retrain` asks for a challenger per kind even where a champion stands."""

    retrain: bool = False


def build_models(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Versions, decisions and artefacts in one step, partitioned by issue day."""
    deps = [FEATURES, LABELS]

    @dg.multi_asset(
        name="forecast_models",
        specs=[
            table_spec(
                VERSIONS, group="forecasts", kinds={"lightgbm", "scikitlearn"}, deps=deps, owner="team:forecasting"
            ),
            table_spec(DECISIONS, group="forecasts", kinds=set(), deps=deps, owner="team:forecasting"),
            dg.AssetSpec(
                ARTEFACTS,
                deps=deps,
                group_name="forecasts",
                kinds={"lightgbm", "file"},
                owners=["team:forecasting"],
                description="`models/<model>/<version>/`: trees, coefficients, calibration as text, with a checksum.",
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "artefacts_match",
                asset=ARTEFACTS,
                description="Every champion's artefact is there and has the checksum in forecasts.model_versions.",
                blocking=True,
            )
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def forecast_models(
        context: dg.AssetExecutionContext, energy: WarehouseResource, config: ModelsConfig
    ) -> Iterator[dg.MaterializeResult[None]]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        at = issues.last_time if config.retrain else issues.first_time
        folder, schedule = energy.settings.folder, energy.config.forecast
        with energy.warehouse.connect(read_only=True) as con:
            due = _kinds_due(con, folder, at, retrain=config.retrain)
            frame = (
                labelled_features(con, energy.config, as_of=at, days=schedule.training_days) if due else pl.DataFrame()
            )
            champions = {kind: champion(con, folder, model_name(kind), at) for kind in due}

        def work(kind: str) -> tuple[forecasting.TrainedModel, pl.DataFrame] | str:
            of_kind = frame.filter(pl.col("kind") == kind)
            try:
                return _trained(of_kind, kind, at, schedule.seed, champions[kind])
            except forecasting.NotEnoughHistory as error:
                return str(error)

        # LightGBM lets go of the interpreter: kinds side by side, one thread each, the same result on any machine.
        with ThreadPoolExecutor(energy.settings.threads) as pool:
            outcomes = dict(zip(due, pool.map(work, due), strict=True))
        trained: dict[str, forecasting.TrainedModel] = {}
        for kind, outcome in outcomes.items():
            if isinstance(outcome, str):
                context.log.warning(f"no model for {kind}: {outcome}; its meters get the fallback forecast")
            else:
                model, decision = outcome
                _record(energy, model, decision, context.run.run_id)
                trained[kind] = model
                context.log.info(f"{model.name} {model.version}: {decision['decision'][0]}, {decision['reason'][0]}")
        yield from _results(energy, trained)

    return forecast_models


def _kinds_due(con: duckdb.DuckDBPyConnection, folder: Path, at: datetime, *, retrain: bool) -> list[str]:
    """Kinds to train: all when asked to, else those without a model that was promoted before `at`."""
    return [k for k in kinds_of_meters(con) if retrain or champion(con, folder, model_name(k), at) is None]


def _trained(
    frame: pl.DataFrame, kind: str, at: datetime, seed: int, standing: tuple[forecasting.TrainedModel, datetime] | None
) -> tuple[forecasting.TrainedModel, pl.DataFrame]:
    """A model trained as of `at`, and the gate's decision on it.

    Trained on everything known, a candidate leaves no days to judge it by: the same recipe as of `JUDGED` before stands
    for it on the days since then.
    """
    candidate = forecasting.train(frame, kind=kind, as_of=at, seed=seed)
    if standing is None:
        return candidate, forecasting.decide(candidate, None, None, decided_at=at)
    stands_for_it = forecasting.train(frame, kind=kind, as_of=at - JUDGED, seed=seed)
    return candidate, forecasting.decide(candidate, standing[0], frame, decided_at=at, judged_candidate=stands_for_it)


def _record(energy: WarehouseResource, model: forecasting.TrainedModel, decision: pl.DataFrame, run_id: str) -> None:
    """The artefact first, the rows after: a row never names a file that is not there."""
    path, sha256 = forecasting.save(model, energy.settings.models / model.name / model.version)
    verdict = decision.row(0, named=True)
    version = forecasting.version_row(
        model,
        role="challenger",
        decision=verdict["decision"],
        decided_because=verdict["reason"],
        artefact=str(path.relative_to(energy.settings.folder)),
        sha256=sha256,
    ).with_columns(dagster_run_id=pl.lit(run_id))
    with energy.warehouse.transaction() as con:
        append_new(con, VERSIONS, version)
        append_new(con, DECISIONS, decision)
        roles(con)


def _results(
    energy: WarehouseResource, trained: dict[str, forecasting.TrainedModel]
) -> Iterator[dg.MaterializeResult[None]]:
    with energy.warehouse.connect(read_only=True) as con:
        metadata = {table: table_metadata(con, table) for table in (VERSIONS, DECISIONS)}
        recorded = con.execute(
            "SELECT artefact, sha256 FROM forecasts.model_versions WHERE role = 'champion'"
        ).fetchall()
    plots_ = {f"importance_{k}": plot(_importance(m)) for k, m in trained.items()}
    yield dg.MaterializeResult(asset_key=[VERSIONS.schema, VERSIONS.name], metadata=metadata[VERSIONS] | plots_)
    yield dg.MaterializeResult(asset_key=[DECISIONS.schema, DECISIONS.name], metadata=metadata[DECISIONS])
    wrong = [
        artefact
        for artefact, sha256 in recorded
        if not (energy.settings.folder / artefact).exists()
        or hashlib.sha256((energy.settings.folder / artefact).read_bytes()).hexdigest() != sha256
    ]
    yield dg.MaterializeResult(
        asset_key=ARTEFACTS,
        metadata={"dagster/uri": str(energy.settings.models), "champions": len(recorded), "trained_now": len(trained)},
        check_results=[
            dg.AssetCheckResult(
                check_name="artefacts_match",
                asset_key=ARTEFACTS,
                passed=not wrong,
                metadata={"missing_or_changed": str(wrong), "next": "run with --retrain to make them anew"},
            )
        ],
    )


def _importance(model: forecasting.TrainedModel) -> bytes:
    return plots.feature_importance(model.importance(), f"{model.name} {model.version}")
