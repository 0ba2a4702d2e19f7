"""Jobs launched in this process, for the command line and the tests."""

from collections.abc import Callable
from datetime import date

import dagster as dg

from energy_assets.config import load_config
from energy_assets.defs.automation.jobs import RETRAIN
from energy_assets.defs.automation.repair import repair_dead_runs
from energy_assets.defs.issues import RANGE_END, RANGE_START, default_issue_date
from energy_assets.schedule import latest_issue_date
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse


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
            f"issue dates {first} to {last}: they must lie between market.history_start ({config.market.history_start}) "
            f"and {newest}, the newest day whose issue hour ({hour}:00 {zone}) has come"
        )
    from energy_assets.definitions import definitions

    repository = definitions().get_repository_def()
    with dg.DagsterInstance.get() as instance:
        for run_id in repair_dead_runs(instance):
            say(f"run {run_id} had been killed; marked failed")
        say(f"loading {settings.folder}")
        _execute(repository.get_job("load"), instance, last, last, {})
        if issue_date is None:
            last = first = default_issue_date(config, Warehouse.of(settings), now)
        shown = str(first) if first == last else f"{first} to {last}"
        say(f"building for issue date {shown}")
        _execute(repository.get_job("build"), instance, first, last, RETRAIN if retrain else {})
    return last


def _execute(
    job: dg.JobDefinition, instance: dg.DagsterInstance, first: date, last: date, run_config: dict[str, object]
) -> None:
    partition = (
        {"partition_key": first.isoformat()}
        if first == last
        else {"tags": {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}}
    )
    result = job.execute_in_process(
        instance=instance,
        run_config={"loggers": {"console": {}}, **run_config},  # the progress logger instead of all events
        raise_on_error=False,
        **partition,  # type: ignore[arg-type]
    )
    if not result.success:
        failed = [e.step_key for e in result.all_events if e.is_step_failure]
        raise LaunchError(
            f"{job.name}: failed in {', '.join(map(str, failed)) or 'set-up'}; what stood before stands as it was. "
            f"Run {result.run_id} in the UI (`make ui`) has the details; running again goes on."
        )
