"""Jobs launched in this process, for the command line and the tests."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import dagster as dg

from energy_assets.config import load_config
from energy_assets.defs.automation.jobs import REPORT, RETRAIN
from energy_assets.defs.automation.repair import repair_dead_runs
from energy_assets.defs.forecasting.backtest import IDS, REGISTRY
from energy_assets.defs.forecasting.evaluation import BacktestConfig, Evaluation, WrongQuestion
from energy_assets.defs.issues import PARTITION, RANGE_END, RANGE_START, Issues, all_known_date, default_issue_date
from energy_assets.schedule import latest_issue_date
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse

# What helps where the machine and not the program is at fault, by the words of its libraries.
REMEDIES = {
    "Corrupt database file|Could not read enough bytes|not a valid DuckDB database": (
        "a file of the warehouse is damaged: `energy-assets doctor --repair` finds and mends it."
    ),
    "No space left|disk is full|Could not write (all )?bytes": "the disk is full: free some, then run again.",
    "Read-only file system|Permission denied": "the folder cannot be written: get write access, then run again.",
    "Out of Memory|out of memory|MemoryError": (
        "memory ran out: raise ENERGY_MEMORY_LIMIT (for dbt ENERGY_DBT_MEMORY_LIMIT), or set ENERGY_THREADS=1."
    ),
}


class LaunchError(RuntimeError):
    """A job did not succeed, or the dates make no run."""


def repair() -> list[str]:
    """Closes the runs of killed processes; returns their ids."""
    with dg.DagsterInstance.get() as instance:
        return repair_dead_runs(instance)


def launch(
    settings: Settings,
    issue_date: date | None,
    until: date | None,
    *,
    retrain: bool,
    say: Callable[[str], None],
) -> date:
    """Runs `load`, finds the newest issue date if none is given, and runs `build` for it.

    Two runs and not one, because only what was loaded tells how far the data reaches.
    """
    config = load_config(settings.sources_file)
    hour, zone = config.forecast.issue_hour, config.market.timezone
    now = settings.now()
    newest = latest_issue_date(now, hour, zone)
    first = issue_date or newest
    last = until or first
    if last < first or last > newest or first < config.market.history_start:
        raise LaunchError(
            f"issue dates {first} to {last}: they must lie between {config.market.history_start} "
            f"(market.history_start) and {newest}, the newest day whose issue hour ({hour}:00 {zone}) has come"
        )
    run_job = _executor(settings)
    with dg.DagsterInstance.get() as instance:
        for run_id in repair_dead_runs(instance):
            say(f"run {run_id} had been killed; marked failed")
        say(f"loading {settings.folder}")
        run_job(load_job, instance, last, last, {})
        if issue_date is None:
            last = first = default_issue_date(config, Warehouse.of(settings), now)
        shown = str(first) if first == last else f"{first} to {last}"
        say(f"building for issue date {shown}")
        run_job(build_job, instance, first, last, RETRAIN if retrain else {})
    return last


def launch_backtest(
    settings: Settings, question: Mapping[str, object], *, say: Callable[[str], None]
) -> dict[str, str]:
    """Runs `backtest` as of when all that is loaded is known; returns the id per kind of meter.

    Args:
        question: fields of `BacktestConfig`; those left out are taken from `sources.yaml`.

    Raises:
        LaunchError: the question has no answer, or a step failed.
    """
    config, warehouse = load_config(settings.sources_file), Warehouse.of(settings)
    day = all_known_date(config, warehouse, settings.now())
    run = Issues(day, day, config.forecast.issue_hour, config.market.timezone)
    try:
        asked = Evaluation.of(BacktestConfig.model_validate(question), config, warehouse, run)
    except WrongQuestion as error:
        raise LaunchError(str(error)) from None
    [(op, defaults)] = REPORT["ops"].items()
    run_config = {"ops": {op: {"config": {**defaults["config"], **question}}}}
    with dg.DagsterInstance.get() as instance:
        for run_id in repair_dead_runs(instance):
            say(f"run {run_id} had been killed; marked failed")
        say(f"evaluating {asked.settings['start_date']} to {asked.settings['end_date']} with what was known on {day}")
        events = _executor(settings)(backtest_job, instance, day, day, run_config)
    [made] = [
        event.step_materialization_data.materialization
        for event in events
        if event.is_step_materialization and event.asset_key == dg.AssetKey([REGISTRY.schema, REGISTRY.name])
    ]
    ids = made.metadata[IDS].value
    assert isinstance(ids, dict)
    return {str(kind): str(identity) for kind, identity in ids.items()}


def load_job() -> dg.JobDefinition:
    """The job `load`; by this function's name the processes of its steps find it again."""
    return _job("load")


def build_job() -> dg.JobDefinition:
    """The job `build`, likewise."""
    return _job("build")


def backtest_job() -> dg.JobDefinition:
    """The job `backtest`, likewise."""
    return _job("backtest")


def _job(name: str) -> dg.JobDefinition:
    from energy_assets.definitions import definitions

    return definitions().get_repository_def().get_job(name)


def in_this_process(
    job: Callable[[], dg.JobDefinition],
    instance: dg.DagsterInstance,
    first: date,
    last: date,
    run_config: Mapping[str, object],
) -> Sequence[dg.DagsterEvent]:
    """Step by step in this process: no start-up per step.

    Raises:
        LaunchError: a step failed.
    """
    result = job().execute_in_process(
        instance=instance, run_config=_with_progress(run_config), tags=_tags(first, last), raise_on_error=False,
        partition_key=first.isoformat() if first == last else None,
    )  # fmt: skip
    return _expect_success(result)


def in_other_processes(
    job: Callable[[], dg.JobDefinition],
    instance: dg.DagsterInstance,
    first: date,
    last: date,
    run_config: Mapping[str, object],
) -> Sequence[dg.DagsterEvent]:
    """By the executor of the definitions, which `execute_in_process` would pass over.

    Raises:
        LaunchError: a step failed.
    """
    with dg.execute_job(
        dg.reconstructable(job), instance=instance, run_config=_with_progress(run_config), tags=_tags(first, last)
    ) as result:
        return _expect_success(result)


def _executor(settings: Settings) -> Callable[..., Sequence[dg.DagsterEvent]]:
    return in_other_processes if settings.executor == "multiprocess" else in_this_process


def _with_progress(run_config: Mapping[str, object]) -> dict[str, object]:
    return {"loggers": {"console": {}}, **run_config}  # the progress logger instead of all events


def _tags(first: date, last: date) -> dict[str, str]:
    if first == last:
        return {PARTITION: first.isoformat()}
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}


def _expect_success(result: dg.ExecuteInProcessResult | dg.JobExecutionResult) -> Sequence[dg.DagsterEvent]:
    if not result.success:
        failed = [e for e in result.all_events if e.is_step_failure]
        names = ", ".join(str(e.step_key) for e in failed) or "set-up"
        errors = "".join(e.step_failure_data.error.to_string() for e in failed if e.step_failure_data.error)
        advice = [remedy for words, remedy in REMEDIES.items() if re.search(words, errors)]
        raise LaunchError(
            f"{result.dagster_run.job_name}: failed in {names}; what stood before stands as it was. Run "
            f"{result.run_id} in the UI (`make ui`) has the details; {' '.join(advice) or 'running again goes on.'}"
        )
    return result.all_events
