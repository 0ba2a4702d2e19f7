"""The effect of feedback on one page and on the console: the same tables in both.

Belongs here: wording, rounding, the page. Does not belong here: measuring (`energy_assets.feedback_effect`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from energy_assets.settings import Settings

if TYPE_CHECKING:
    from energy_assets.feedback_effect import Effect

TITLES = {"wape": "WAPE %", "pinball": "pinball kWh", "coverage_80": "in 80 % band"}


def summary(effect: Effect) -> str:
    """What was said, in a sentence."""
    count: dict[str, int] = dict(effect.statements.group_by("verdict").len().rows())
    words = {"correct": "confirmed", "incorrect": "rejected", "unsure": "left open", "withdrawn": "withdrawn"}
    said = ", ".join(f"{count[v]} {word}" for v, word in words.items() if v in count)
    meters = effect.statements["meter_id"].n_unique()
    until = effect.statements["known_at_utc"][-1]
    return (
        f"{effect.statements.height} statements about anomalies of {meters} meter{'' if meters == 1 else 's'} "
        f"({said}), the last at {until:%Y-%m-%d %H:%M} UTC. Forecasts of {effect.first} to {effect.last}."
    )


def tables(effect: Effect) -> dict[str, pl.DataFrame]:
    """Title and rounded figures of each table."""
    shown = effect.scores.with_columns((pl.col("^wape_.*$") * 100).round(2), pl.col("^coverage_80_.*$").round(3))
    pinball = pl.col("^pinball_.*$")
    shown = shown.with_columns(pinball.round_sig_figs(4)).rename(
        {f"{metric}_{arm}": f"{title} {arm}" for metric, title in TITLES.items() for arm in ("without", "with")}
    )
    by_scope = {
        "Forecasts per kind of meter": shown.filter(pl.col("scope") == "kind").drop("scope").rename({"name": "kind"}),
        "Forecasts of the meters that were spoken of": shown.filter(pl.col("scope") == "meter")
        .drop("scope")
        .rename({"name": "meter"}),
    }
    total = effect.alarms.select(pl.lit("all").alias("kind"), pl.exclude("kind").sum())
    alarms = pl.concat([effect.alarms, total]) if effect.alarms.height else effect.alarms
    alarms = alarms.rename({c: c.replace("_", " ") for c in alarms.columns})
    hours = effect.hours.rename({"meter_id": "meter", "left_out": "left out", "brought_back": "brought back"})
    faults = effect.faults.rename({c: c.replace("_", " ") for c in effect.faults.columns})
    found = {"Faults of the simulation": faults} if faults.height else {}
    return {**by_scope, "Alarms of the window": alarms, **found, "Hours that are learned from differently": hours}


def write_page(settings: Settings, effect: Effect) -> Path:
    """`reports/feedback/<first>_<last>.html`, replaced as a whole; returns its path."""
    import jinja2

    source = Path(__file__).with_name("feedback.html.jinja").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    file = settings.reports / "feedback" / f"{effect.first}_{effect.last}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".part")
    partial.write_text(template.render(effect=effect, summary=summary(effect), tables=tables(effect)), encoding="utf-8")
    partial.replace(file)
    return file
