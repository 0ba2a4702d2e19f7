"""`energy-assets feedback …`: what people say about forecasts, peaks, advice and anomalies.

Belongs here: arguments and printing. Does not belong here: recording (`energy_assets.feedback`), its effect on
forecasts (`energy_assets.feedback_effect`).
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import click

from energy_assets.settings import Settings

# The words for each kind of target; the first is kept as correct, the second as incorrect.
VERDICTS = {
    "anomaly": ("confirmed", "rejected"),
    "peak": ("correct", "incorrect"),
    "advice": ("accepted", "declined"),
    "forecast": ("correct", "incorrect"),
}
ABOUT = {
    "anomaly": ("Confirm or reject an event in the readings.", "TARGET_ID: anomaly_id of reporting.anomaly_log."),
    "peak": ("Judge a peak that was announced.", "TARGET_ID: peak_id of reporting.peak_calendar."),
    "advice": ("Accept or decline an advice.", "TARGET_ID: advice_id of flexibility.load_shift_advice."),
    "forecast": ("Judge the forecasts of one issue.", "TARGET_ID: meter and issue time, as FR@2026-03-10T08:00Z."),
}
INSTANT = click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d %H:%M"])

Option = Callable[[Callable[..., Any]], Callable[..., Any]]
warehouse_option = click.option(
    "--warehouse", "-w", type=click.Path(file_okay=False, path_type=Path), help="Folder with a sources.yaml."
)
author_option = click.option(
    "--author", default=getpass.getuser, show_default="your login name", help="Who says so; only a pseudonym is kept."
)
reason_option = click.option("--reason", help="Why.")
stated: list[Option] = [
    click.option("--corrected-kwh", type=float, help="What the energy over the interval should have been, kWh."),
    click.option("--start", type=INSTANT, help="Start (UTC), if it is about a part of the target only."),
    click.option("--end", type=INSTANT, help="End (UTC) of that part."),
    click.option("--not-for-training", is_flag=True, help="Keep it; models and detectors do not learn from it."),
    reason_option,
    author_option,
    warehouse_option,
]


@click.group()
def feedback() -> None:
    """Say what was right or wrong; look at, replace and withdraw what was said."""


def _with(options: list[Option]) -> Option:
    return lambda command: reduce(lambda made, option: option(made), reversed(options), command)


def _add_command(target_type: str) -> None:
    words = (*VERDICTS[target_type], "unsure")

    @feedback.command(target_type, short_help=ABOUT[target_type][0], help="\n\n".join(ABOUT[target_type]))
    @click.argument("target_id")
    @click.argument("verdict", type=click.Choice(words))
    @_with(stated)
    def said(target_id: str, verdict: str, author: str, warehouse: Path | None, **given: Any) -> None:
        from energy_assets.feedback import record, statement

        with _told():
            new = statement(target_type=target_type, target_id=target_id, **_fields(verdict, given))
            click.echo(record(_settings(warehouse), new, author=author))


for _target_type in VERDICTS:
    _add_command(_target_type)


@feedback.command()
@click.argument("feedback_id")
@click.argument("verdict", type=click.Choice(sorted({w for words in VERDICTS.values() for w in words} | {"unsure"})))
@_with(stated)
def replace(feedback_id: str, verdict: str, author: str, warehouse: Path | None, **given: Any) -> None:
    """Replace a statement by another one; the old one stays on record."""
    from energy_assets.feedback import amend

    with _told():
        click.echo(amend(_settings(warehouse), feedback_id, author=author, **_fields(verdict, given)))


@feedback.command()
@click.argument("feedback_id")
@reason_option
@author_option
@warehouse_option
def withdraw(feedback_id: str, reason: str | None, author: str, warehouse: Path | None) -> None:
    """Take a statement back: from now on it counts no more."""
    from energy_assets.feedback import withdraw as take_back

    with _told():
        click.echo(take_back(_settings(warehouse), feedback_id, author=author, reason=reason))


@feedback.command("list")
@click.option("--about", type=click.Choice(list(VERDICTS)), help="Only statements about these.")
@click.option("--all", "everything", is_flag=True, help="Also what was replaced or withdrawn.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@warehouse_option
def list_statements(about: str | None, everything: bool, as_csv: bool, warehouse: Path | None) -> None:
    """What people said, newest first."""
    import polars as pl

    from energy_assets.feedback import statements
    from energy_assets.warehouse import Warehouse

    with _told(), Warehouse.of(_settings(warehouse)).connect(read_only=True) as con:
        rows = statements(con, target_type=about, everything=everything)
    if as_csv:
        click.echo(rows.write_csv(), nl=False)
        return
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, fmt_str_lengths=40,
        tbl_width_chars=250,
    ):  # fmt: skip
        click.echo(str(rows) if rows.height else "nothing was said yet")


@feedback.command()
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="First local day that is forecast.")
@click.option("--end", type=click.DateTime(["%Y-%m-%d"]), help="Last local day that is forecast.")
@warehouse_option
def effect(start: datetime | None, end: datetime | None, warehouse: Path | None) -> None:
    """Measure what feedback did: a backtest with it and without it."""
    from rich.console import Console
    from rich.table import Table

    from energy_assets.feedback_effect import EffectError, measure
    from energy_assets.reports.feedback import summary, tables, write_page

    settings = _settings(warehouse)
    try:
        with _told():
            first, last = (day and day.date() for day in (start, end))
            found = measure(settings, first, last, said=lambda text: click.echo(text, err=True))
    except EffectError as error:
        raise click.ClickException(str(error)) from None
    console = Console(width=130)
    console.print(summary(found))
    for title, rows in tables(found).items():
        shown = Table(*rows.columns, title=title, title_justify="left")
        for row in rows.rows():
            shown.add_row(*map(str, row))
        console.print(shown if rows.height else f"{title}: none")
    click.echo(f"report: {write_page(settings, found)}")


def _fields(verdict: str, given: dict[str, Any]) -> dict[str, object]:
    """Fields of a `Statement` out of the options that all commands share."""
    from energy_assets.monitoring.feedback import WORDS

    at = {name: given[name] and given[name].replace(tzinfo=UTC) for name in ("start", "end")}
    return {
        "verdict": WORDS[verdict], "corrected_kwh": given["corrected_kwh"], "reason": given["reason"],
        "interval_start_utc": at["start"], "interval_end_utc": at["end"],
        "use_for_training": not given["not_for_training"],
    }  # fmt: skip


def _settings(warehouse: Path | None) -> Settings:
    return Settings() if warehouse is None else Settings(warehouse=warehouse)


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a statement as a message, not as a stack trace."""
    from energy_assets.feedback import FeedbackError
    from energy_assets.warehouse import WarehouseBusyError

    try:
        yield
    except (FeedbackError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from None
    except WarehouseBusyError as error:
        raise click.ClickException(f"{error}\nA CSV in landing/ need not wait: the next run reads it.") from None
