"""Models per kind of meter: trained when there is none for an issue time, or when a challenger is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl

from energy_assets import forecasting, plots
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.registry import champion, roles
from energy_assets.defs.frames import kinds_of_meters, labelled_features
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import plot, table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.warehouse import append_new

VERSIONS, DECISIONS = TABLES["forecasts.model_versions"], TABLES["forecasts.model_decisions"]
ARTEFACTS = dg.AssetKey(["models", "artefacts"])
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
                description="`models/<model>/<version>/`: trees, coefficients and calibration as text, with a checksum.",
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
            frame = labelled_features(con, as_of=at, days=schedule.training_days) if due else pl.DataFrame()
            champions = {kind: champion(con, folder, _name(kind), at) for kind in due}

        def work(kind: str) -> tuple[forecasting.TrainedModel, dict[str, Any]] | str:
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
                _record(energy, model, decision, at, context.run.run_id)
                trained[kind] = model
                context.log.info(f"{model.name} {model.version}: {decision['decision']}, {decision['reason']}")
        yield from _results(energy, trained)

    return forecast_models


def _name(kind: str) -> str:
    return f"{forecasting.MODEL_NAME}_{kind}"


def _kinds_due(con: duckdb.DuckDBPyConnection, folder: Path, at: datetime, *, retrain: bool) -> list[str]:
    """Kinds to train: all when asked to, else those without a model that was promoted before `at`."""
    return [k for k in kinds_of_meters(con) if retrain or champion(con, folder, _name(k), at) is None]


def _trained(
    frame: pl.DataFrame, kind: str, at: datetime, seed: int, standing: tuple[forecasting.TrainedModel, datetime] | None
) -> tuple[forecasting.TrainedModel, dict[str, Any]]:
    """A model trained as of `at`, and the gate's decision on it."""
    candidate = forecasting.train(frame, kind=kind, as_of=at, seed=seed)
    if standing is None:
        return candidate, {
            "decision": "first",
            "from_version": None,
            "to_version": candidate.version,
            "test": "none: no model stood before",
            "figures": json.dumps(candidate.metrics, sort_keys=True),
            "reason": f"first model of {kind} meters",
        }
    return candidate, forecasting.judge(
        frame, kind=kind, as_of=at, seed=seed, champion=standing[0], candidate=candidate
    )


def _record(
    energy: WarehouseResource, model: forecasting.TrainedModel, decision: dict[str, Any], at: datetime, run_id: str
) -> None:
    """The artefact first, the rows after: a row never names a file that is not there."""
    path, sha256 = forecasting.save(model, energy.settings.models)
    version = {
        "model_version": model.version,
        "model_name": model.name,
        "kind": model.kind,
        "role": "challenger",
        "trained_at_utc": at,
        "train_start_utc": model.train_start_utc,
        "train_end_utc": model.train_end_utc,
        "features": json.dumps(list(model.features)),
        "params": json.dumps(model.params.__dict__, sort_keys=True, default=str),
        "metrics": json.dumps(model.metrics, sort_keys=True),
        "artefact": str(path.relative_to(energy.settings.folder)),
        "sha256": sha256,
        "decision": decision["decision"],
        "decided_because": decision["reason"],
        "dagster_run_id": run_id,
    }
    row = {"model_name": model.name, "decided_at_utc": at, "candidate_version": model.version, **decision}
    with energy.warehouse.transaction() as con:
        append_new(con, VERSIONS, pl.DataFrame([version], schema_overrides=VERSIONS.polars_schema))
        append_new(con, DECISIONS, pl.DataFrame([row], schema_overrides=_schema_of(row)))
        roles(con)


def _schema_of(row: dict[str, Any]) -> dict[str, Any]:
    return {name: DECISIONS.by_name[name].polars_type for name in row}


def _results(
    energy: WarehouseResource, trained: dict[str, forecasting.TrainedModel]
) -> Iterator[dg.MaterializeResult[None]]:
    with energy.warehouse.connect(read_only=True) as con:
        metadata = {table: table_metadata(con, table) for table in (VERSIONS, DECISIONS)}
        recorded = con.execute(
            "SELECT artefact, sha256 FROM forecasts.model_versions WHERE role = 'champion'"
        ).fetchall()
    plots_ = {f"importance_{k}": plot(plots.feature_importance(m.importance())) for k, m in trained.items()}
    yield dg.MaterializeResult(asset_key=[VERSIONS.schema, VERSIONS.name], metadata=metadata[VERSIONS] | plots_)
    yield dg.MaterializeResult(asset_key=[DECISIONS.schema, DECISIONS.name], metadata=metadata[DECISIONS])
    wrong = [
        artefact
        for artefact, sha256 in recorded
        if not (energy.settings.folder / artefact).exists()
        or forecasting.checksum(energy.settings.folder / artefact) != sha256
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
