"""Models per kind of meter: trained when there is none for an issue time, or when a person or drift asks for another.

Belongs here: training, artefacts, the step. Does not belong here: what the gate is asked (`judging.py`), which model
stands (`registry.py`), what the UI says of it (`checks.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import dagster as dg
import polars as pl

from energy_assets import forecasting, plots
from energy_assets.defs.forecasting import checks
from energy_assets.defs.forecasting.checks import ARTEFACTS, DECISIONS_KEY, VERSIONS_KEY
from energy_assets.defs.forecasting.judging import Watch, challenge, demotion, recent_bands
from energy_assets.defs.forecasting.mending import mend_artefacts
from energy_assets.defs.forecasting.registry import (
    DECISIONS,
    VERSIONS,
    asked_by_drift,
    champion,
    decisions_between,
    model_name,
    record,
    trained_between,
    version,
)
from energy_assets.defs.frames import kinds_of_meters, labelled_features, learned_from, training_features
from energy_assets.defs.issues import Issues, run_issues
from energy_assets.defs.metadata import plot, table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.forecasting import gate
from energy_assets.forecasting.tracking import log_training
from energy_assets.warehouse import fetch

FEATURES = dg.AssetKey(["features", "feat_demand_day_ahead"])
LABELS = dg.AssetKey(["intermediate", "int_demand_versions"])
PROFILES = dg.AssetKey(["forecasts", "demand_profiles"])
Trained = tuple[forecasting.TrainedModel, list[pl.DataFrame]]  # a model and the decisions, the last one on it


class ModelsConfig(dg.Config):
    """`retrain` asks for a challenger per kind even where a champion stands and nothing has drifted."""

    retrain: bool = False


def build_models(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Versions, decisions and artefacts in one step, partitioned by issue day."""
    deps = [FEATURES, LABELS, PROFILES]

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
        check_specs=checks.specs(),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def forecast_models(
        context: dg.AssetExecutionContext, energy: WarehouseResource, config: ModelsConfig
    ) -> Iterator[dg.MaterializeResult[None]]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        with energy.warehouse.connect(read_only=True) as con:
            mend_artefacts(con, energy.config, energy.settings.folder, say=context.log.warning, roles=("champion",))
        trained = _first_models(context, energy, issues.first_time)
        bands = _watch(context, energy, issues)
        trained |= _challengers(context, energy, issues.last_time, every=config.retrain)
        yield from _results(energy, issues, trained, bands)

    return forecast_models


def _first_models(context: dg.AssetExecutionContext, energy: WarehouseResource, at: datetime) -> dict[str, bytes]:
    """A model, as of `at`, for each kind that has none promoted before; returns as `_trained`."""
    schedule = energy.config.forecast
    with energy.warehouse.connect(read_only=True) as con:
        due = [k for k in kinds_of_meters(con) if champion(con, energy.settings.folder, model_name(k), at) is None]
        frame = training_features(con, energy.config, as_of=at) if due else pl.DataFrame()

    def work(kind: str) -> Trained:
        model = forecasting.train(frame.filter(pl.col("kind") == kind), kind=kind, as_of=at, seed=schedule.seed)
        return model, [gate.first(model.name, model.version, at=at)]

    return _trained(context, energy, due, work)


def _watch(context: dg.AssetExecutionContext, energy: WarehouseResource, issues: Issues) -> pl.DataFrame:
    """Champions held against what has come true at each issue time; the fortnight before the last one's as bands."""
    folder, config = energy.settings.folder, energy.config
    watch = Watch(folder, config, first=issues.first_time, last=issues.last_time)
    with energy.warehouse.connect(read_only=True) as con:
        kinds = kinds_of_meters(con)
    for at in issues.times:
        with energy.warehouse.transaction() as con:
            for kind in kinds:
                decision = watch.withholding(con, kind, at)
                if decision is not None:
                    record(con, decision)
                    _tell(context, decision)
    with energy.warehouse.connect(read_only=True) as con:
        return recent_bands(con, folder, config, kinds, issues.last_time)


def _challengers(
    context: dg.AssetExecutionContext, energy: WarehouseResource, at: datetime, *, every: bool
) -> dict[str, bytes]:
    """A challenger, as of `at`, for each kind whose champion was trained before, after a look back at its promotion.

    Of every kind, or of those whose drift asks for one.
    """
    folder, schedule = energy.settings.folder, energy.config.forecast
    rule, learned = schedule.promotion, timedelta(days=schedule.training_days)
    window = timedelta(weeks=rule.weeks)
    with energy.warehouse.connect() as con:
        asked = kinds_of_meters(con) if every else asked_by_drift(con, at)
        standing = {kind: champion(con, folder, model_name(kind), at) for kind in asked}
        due = {kind: stands for kind, stands in standing.items() if stands is not None and stands.trained_at < at}
        frame = pl.DataFrame()
        if due:
            frame = labelled_features(con, energy.config, as_of=at, days=(learned + window).days)
        replaced = {
            kind: version(con, folder, stands.predecessor)
            for kind, stands in due.items()
            if stands.decision == "promoted" and stands.predecessor is not None and stands.since >= at - window
        }
        others = {kind: trained_between(con, folder, model_name(kind), at - 2 * window, at) for kind in due}

    def work(kind: str) -> Trained:
        rows, stands, predecessor = frame.filter(pl.col("kind") == kind), due[kind], replaced.get(kind)

        def train(as_of: datetime) -> forecasting.TrainedModel:
            known = learned_from(rows, energy.config, as_of=as_of)
            return forecasting.train(known, kind=kind, as_of=as_of, seed=schedule.seed)

        back = None if predecessor is None else demotion(stands, predecessor, rows, rule, at=at)
        if predecessor is not None and back is not None:
            stands = stands._replace(model=predecessor, withheld=False)
        model = train(at)
        judged = challenge(model, stands, rows, others[kind], train, rule, at=at)
        return model, [judged] if back is None else [back, judged]

    return _trained(context, energy, list(due), work)


def _trained(
    context: dg.AssetExecutionContext, energy: WarehouseResource, kinds: Sequence[str], work: Callable[[str], Trained]
) -> dict[str, bytes]:
    """Trains kind by kind and records models and decisions; a kind short of history or memory is told of and left out.

    Returns:
        A picture of what each model looks at, by kind.
    """

    def attempt(kind: str) -> Trained | str:
        try:
            with forecasting.memory_errors():
                return work(kind)
        except (forecasting.NotEnoughHistory, MemoryError) as error:
            return str(error)

    # LightGBM lets go of the interpreter: kinds side by side, one thread each, the same result on any machine.
    with ThreadPoolExecutor(energy.settings.threads) as pool:
        outcomes = dict(zip(kinds, pool.map(attempt, kinds), strict=True))
    pictures = {}
    for kind, outcome in outcomes.items():
        if isinstance(outcome, str):
            context.log.warning(
                f"no model for {kind}: {outcome}. The one that stands speaks on; where none does, meters get the "
                "fallback forecast"
            )
            continue
        model, decisions = outcome
        pictures[kind] = plots.feature_importance(model.importance(), f"{model.name} {model.version}")
        _record(context, energy, model, decisions, pictures[kind])
        for decision in decisions:
            _tell(context, decision)
    return pictures


def _record(
    context: dg.AssetExecutionContext,
    energy: WarehouseResource,
    model: forecasting.TrainedModel,
    decisions: Sequence[pl.DataFrame],
    picture: bytes,
) -> None:
    """The artefact first, the rows after: a row never names a file that is not there."""
    path, sha256 = forecasting.save(model, energy.settings.models / model.name / model.version)
    verdict = decisions[-1].row(0, named=True)
    row = forecasting.version_row(
        model,
        role="challenger",
        decision=verdict["decision"],
        decided_because=verdict["reason"],
        artefact=str(path.relative_to(energy.settings.folder)),
        sha256=sha256,
    ).with_columns(dagster_run_id=pl.lit(context.run.run_id))
    with energy.warehouse.transaction() as con:
        for decision in decisions:
            record(con, decision, row)
    said = {name: verdict[name] for name in ("decision", "reason")}
    log_training(model, artefact=path, said=context.log.warning, plots={"importance": picture}, decision=said)


def _tell(context: dg.AssetExecutionContext, decision: pl.DataFrame) -> None:
    said = decision.row(0, named=True)
    context.log.info(f"{said['model_name']} {said['candidate_version']}: {said['decision']}, {said['reason']}")


def _results(
    energy: WarehouseResource, issues: Issues, trained: dict[str, bytes], bands: pl.DataFrame
) -> Iterator[dg.MaterializeResult[None]]:
    with energy.warehouse.connect(read_only=True) as con:
        metadata = {table: table_metadata(con, table) for table in (VERSIONS, DECISIONS)}
        decided = decisions_between(con, issues.first_time, issues.last_time)
        champions = fetch(con, "SELECT artefact, sha256 FROM forecasts.model_versions WHERE role = 'champion'")
    pictures = {f"importance_{kind}": plot(picture) for kind, picture in trained.items()}
    yield dg.MaterializeResult(
        asset_key=VERSIONS_KEY,
        metadata=metadata[VERSIONS] | pictures,
        check_results=[checks.recent_error_within_band(bands)],
    )
    yield dg.MaterializeResult(
        asset_key=DECISIONS_KEY,
        metadata=metadata[DECISIONS],
        check_results=[checks.gate_decision(decided)],
    )
    yield dg.MaterializeResult(
        asset_key=ARTEFACTS,
        metadata={
            "dagster/uri": str(energy.settings.models),
            "champions": champions.height,
            "trained_now": len(trained),
        },
        check_results=[checks.artefacts_match(champions, energy.settings.folder)],
    )
