"""`energy-assets`: the command line over the same assets that the Dagster UI shows.

Belongs here: parsing and printing. The work is done in `energy_assets.running`, `doctor` and `summary`.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

import click

from energy_assets.feedback_command import feedback
from energy_assets.settings import PROJECT_ROOT, Settings
from energy_assets.tuning_command import tune

warehouse_option = click.option(
    "--warehouse",
    "-w",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ENERGY_WAREHOUSE",
    default=PROJECT_ROOT / "warehouse",
    show_default="warehouse/",
    help="Folder with a sources.yaml.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="energy-assets")
def main() -> None:
    """An open warehouse for electricity demand: meters and weather in, forecasts and decisions out."""


@main.command()
@warehouse_option
@click.option("--issue-date", type=click.DateTime(["%Y-%m-%d"]), help="Day to issue forecasts on; default: the newest.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day of a range that begins at --issue-date.")
@click.option("--retrain", is_flag=True, help="Train a challenger for each kind of meter; the gate decides.")
def run(warehouse: Path, issue_date: datetime | None, until: datetime | None, retrain: bool) -> None:
    """Load, build, forecast, flag and publish; then print what was built."""
    _use(warehouse)
    from energy_assets.running import RunError, run_warehouse  # imports Dagster: seconds that --help need not wait

    if until is not None and issue_date is None:
        raise click.UsageError("--until needs --issue-date")
    try:
        issue = run_warehouse(
            issue_date.date() if issue_date else None, until.date() if until else None, retrain=retrain
        )
    except RunError as error:
        raise click.ClickException(str(error)) from None
    from energy_assets.settings import Settings
    from energy_assets.summary import print_summary

    print_summary(Settings(), issue)


@main.command()
@warehouse_option
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="First local day that is forecast.")
@click.option("--end", type=click.DateTime(["%Y-%m-%d"]), help="Last local day that is forecast.")
@click.option("--meter", "meters", multiple=True, help="Only this meter; may be repeated.")
@click.option("--issue-hour", type=click.IntRange(0, 23), help="Local hour of the day before; default: sources.yaml.")
@click.option("--refit-weeks", type=click.IntRange(1, 104), help="Weeks between two fits; default: sources.yaml.")
@click.option("--model", "models", multiple=True, help="Only this model or baseline; may be repeated.")
@click.option(
    "--interval",
    type=click.Choice(["hour", "own"]),
    default="hour",
    show_default=True,
    help="Hours, or the meters' own interval, of those that have a finer one.",
)
def backtest(
    warehouse: Path,
    start: datetime | None,
    end: datetime | None,
    meters: tuple[str, ...],
    issue_hour: int | None,
    refit_weeks: int | None,
    models: tuple[str, ...],
    interval: str,
) -> None:
    """Forecast past days with what was known then, score and report them; default: the last weeks."""
    _use(warehouse)
    from energy_assets.running import RunError, backtest_warehouse

    asked = {
        "start": start and start.date().isoformat(), "end": end and end.date().isoformat(), "meters": list(meters),
        "issue_hour": issue_hour, "refit_weeks": refit_weeks, "models": list(models),
        "interval": None if interval == "hour" else interval,
    }  # fmt: skip
    try:
        ids = backtest_warehouse({name: said for name, said in asked.items() if said not in (None, [])})
    except RunError as error:
        raise click.ClickException(str(error)) from None
    from energy_assets.settings import Settings
    from energy_assets.summary import print_backtests

    print_backtests(Settings(), ids)


@main.command()
@warehouse_option
@click.option("--issue-date", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Day on which they were issued.")
@click.option("--meter", help="Only this meter.")
def rebuild(warehouse: Path, issue_date: datetime, meter: str | None) -> None:
    """Make past forecasts again from their models' artefacts and compare them bit by bit; writes nothing."""
    _use(warehouse)
    from energy_assets.rebuilding import RebuildError, lines, rebuild
    from energy_assets.settings import Settings
    from energy_assets.warehouse import WarehouseBusyError

    try:
        verdicts = rebuild(Settings(), issue_date.date(), meter)
    except (RebuildError, WarehouseBusyError) as error:
        raise click.ClickException(str(error)) from None
    for line in lines(verdicts):
        click.echo(line)
    if not all(v.equal for v in verdicts):
        sys.exit(1)


@main.command()
@warehouse_option
@click.option("--checksums", is_flag=True, help="Also read every file to its end and compare with recorded checksums.")
@click.option("--repair", is_flag=True, help="Mend what is damaged, say what was done, then check with --checksums.")
def doctor(warehouse: Path, checksums: bool, repair: bool) -> None:
    """Check versions, folders, sources.yaml, locks, free disk and damage, and say what to do."""
    _use(warehouse)
    from energy_assets.doctor import examine
    from energy_assets.settings import Settings

    if repair:
        _repair(Settings())
    findings = examine(Settings(), checksums=checksums or repair)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.healthy else 'FAIL'}  {finding.subject}: {finding.said}")
        if not finding.healthy:
            click.echo(f"      -> {finding.remedy}")
    if not all(f.healthy for f in findings):
        sys.exit(1)


@main.command()
@warehouse_option
@click.argument("target", type=click.Path(path_type=Path))
def backup(warehouse: Path, target: Path) -> None:
    """Copy the whole warehouse into the new folder TARGET, also while a run is at work."""
    _use(warehouse)
    from energy_assets.backup import BackupError, back_up
    from energy_assets.warehouse import WarehouseBusyError

    try:
        made = back_up(Settings(), target)
    except (BackupError, FileNotFoundError, WarehouseBusyError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{target}: {len(made.files)} files as of {made.taken_at_utc}, each with its checksum in backup.json")


@main.command()
@warehouse_option
@click.argument("source", type=click.Path(file_okay=False, exists=True, path_type=Path))
def restore(warehouse: Path, source: Path) -> None:
    """Bring the backup SOURCE back as the warehouse folder, which must be missing or empty."""
    _use(warehouse)
    from energy_assets.backup import BackupError
    from energy_assets.backup import restore as bring_back

    try:
        made = bring_back(source, Settings())
    except BackupError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{Settings().folder}: {len(made.files)} files as of {made.taken_at_utc}; `energy-assets run` goes on")


@main.command()
@warehouse_option
@click.argument("sql")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
def query(warehouse: Path, sql: str, as_csv: bool) -> None:
    """Run SQL on the published copy, read-only, at any time."""
    _use(warehouse)
    from energy_assets.querying import QueryError, query_published
    from energy_assets.settings import Settings

    try:
        click.echo(query_published(Settings(), sql, as_csv=as_csv))
    except QueryError as error:
        raise click.ClickException(str(error)) from None


@main.command()
@warehouse_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True)
def ui(warehouse: Path, host: str, port: int) -> None:
    """Open the Dagster UI with its daemon: schedules, sensors and freshness work while it runs."""
    _use(warehouse)
    from energy_assets.running import RunError, open_ui

    try:
        sys.exit(open_ui(host, port))
    except RunError as error:
        raise click.ClickException(str(error)) from None


def _repair(settings: Settings) -> None:
    from energy_assets.repairing import repair  # imports Dagster
    from energy_assets.running import RunError
    from energy_assets.warehouse import WarehouseBusyError

    try:
        for done in repair(settings):
            click.echo(f"mend  {done}")
    except (RunError, WarehouseBusyError, OSError) as error:
        raise click.ClickException(f"{error}; what is mended so far stays so") from None


def _use(warehouse: Path) -> None:
    """The one way a warehouse is chosen, for this process and those it starts."""
    os.environ["ENERGY_WAREHOUSE"] = str(warehouse.expanduser().resolve())


main.add_command(feedback)
main.add_command(tune)

if __name__ == "__main__":
    main()
