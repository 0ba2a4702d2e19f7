"""`energy-assets tune`: a search for better settings of a model, on a warehouse that is built.

Belongs here: arguments, the frame, what is printed. Does not belong here: the search (`forecasting/tuning.py`), a
decision: what is found is printed, never used by itself.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from energy_assets.settings import Settings

if TYPE_CHECKING:
    import polars as pl

TRIALS = 30


@click.command()
@click.option("--warehouse", "-w", type=click.Path(file_okay=False, path_type=Path), help="Folder with a sources.yaml.")
@click.option("--kind", help="Kind of meter; may be left out where there is one.")
@click.option("--model", default="demand_blend", show_default=True, help="Name of the way to make a model.")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Nothing from this day (UTC) on is looked at.")
@click.option("--trials", default=TRIALS, show_default=True, help="Settings to try; each takes up to four fits.")
@click.option("--seed", default=7, show_default=True, help="Of the search and of the models.")
@click.option("--history", type=click.Path(dir_okay=False, path_type=Path), help="CSV file for all trials.")
def tune(
    warehouse: Path | None,
    kind: str | None,
    model: str,
    as_of: datetime | None,
    trials: int,
    seed: int,
    history: Path | None,
) -> None:
    """Search better settings of a model on days before the evaluation, and print them as JSON."""
    from energy_assets.forecasting.tuning import tune as search

    settings = Settings() if warehouse is None else Settings(warehouse=warehouse)
    at = None if as_of is None else as_of.replace(tzinfo=UTC)
    try:
        frame, at = _features(settings, at)
        found = search(
            frame,
            kind=_kind(frame, kind),
            as_of=at,
            trials=trials,
            seed=seed,
            name=model,
            said=lambda text: click.echo(text, err=True),
        )
    except (ValueError, ImportError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(json.dumps(found.settings))
    gained = 1 - found.error / found.default_error
    click.echo(
        f"{model} as of {at:%Y-%m-%d}: pinball loss {100 * found.error:.3f} % of mean demand, "
        f"{100 * found.default_error:.3f} % with the defaults ({100 * gained:.1f} % less). These days chose the "
        "settings: compare them with the defaults on days after.",
        err=True,
    )
    if history is not None:
        found.history.write_csv(history)


def _features(settings: Settings, as_of: datetime | None) -> tuple[pl.DataFrame, datetime]:
    """Labelled features of the issue days that may be learned from, and the instant."""
    from energy_assets.config import load_config
    from energy_assets.defs.frames import labelled_features
    from energy_assets.forecasting.tuning import APART, WINDOWS
    from energy_assets.warehouse import Warehouse

    config = load_config(settings.sources_file)
    with Warehouse.of(settings).connect(read_only=True) as con:
        if as_of is None:
            newest = con.execute("SELECT max(issued_at_utc) FROM features.feat_demand_day_ahead").fetchall()[0][0]
            if newest is None:
                raise ValueError(f"{settings.folder} has no features yet; run `energy-assets run` first")
            as_of = newest
        days = config.forecast.training_days + WINDOWS * APART // timedelta(days=1)
        frame = labelled_features(con, config, as_of=as_of, days=days)
    return frame, as_of


def _kind(frame: pl.DataFrame, kind: str | None) -> str:
    kinds = frame["kind"].unique().sort().to_list()
    if kind is None and len(kinds) == 1:
        return str(kinds[0])
    if kind is None or kind not in kinds:
        said = f"no meter of kind {kind!r}" if kind else f"{len(kinds)} kinds of meters"
        raise ValueError(f"{said}; choose --kind from: {', '.join(kinds) or 'none with features before that day'}")
    return kind
