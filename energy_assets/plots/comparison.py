"""Comparisons: models beside each other, promises beside outcomes, features beside each other.

Belongs here: pictures of figures that stand for many hours. Does not belong here: the figures themselves (`metrics`).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from energy_assets.plots.style import BAND, COLOURS, MUTED, figure, png

AXIS_LETTERS = 66  # that fit below the axis of `errors_by`


def feature_importance(importance: Mapping[str, float], title: str = "Feature importance", *, top: int = 15) -> bytes:
    """Horizontal bars of the most important features.

    Args:
        importance: share or gain per feature; drawn as shares of their sum.
    """
    total = sum(importance.values()) or 1.0
    largest = sorted(importance, key=lambda name: (-importance[name], name))[:top][::-1]
    with figure(height=1.0 + 0.22 * max(len(largest), 1)) as (drawn, axes):
        axes.barh(largest, [importance[name] / total * 100 for name in largest], color=BAND, height=0.65)
        axes.set_title(title)
        axes.set_xlabel("share of the gain, %")
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        return png(drawn)


def calibration(frame: pl.DataFrame, title: str = "Calibration") -> bytes:
    """How often actuals stayed at or below each quantile, against the diagonal where promise and outcome agree.

    Args:
        frame: quantile, observed (both shares) and, for several lines, model_name.
    """
    with figure(width=4.2, height=3.9) as (drawn, axes):
        axes.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=":", label="as promised")
        named = frame if "model_name" in frame.columns else frame.with_columns(model_name=pl.lit("observed"))
        parts = named.sort("model_name", "quantile").partition_by("model_name", as_dict=True, maintain_order=True)
        for colour, ((name,), part) in zip(COLOURS, parts.items(), strict=False):
            axes.plot(
                (part["quantile"] * 100).to_list(),
                (part["observed"] * 100).to_list(),
                marker="o",
                markersize=4,
                color=colour,
                linewidth=1.5,
                label=str(name),
            )
        axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
        axes.set_title(title)
        axes.set_xlabel("quantile, %")
        axes.set_ylabel("actuals at or below it, %")
        axes.legend(loc="upper left")
        return png(drawn)


def metric_bars(frame: pl.DataFrame, title: str, *, unit: str, name: str = "model_name", value: str = "value") -> bytes:
    """Horizontal bars with their figures, to compare models.

    Args:
        frame: `name` (labels) and `value` (lengths), drawn from top to bottom in the frame's order.
        title: which metric of what.
        unit: for the label.
    """
    rows = frame.reverse()
    with figure(height=1.0 + 0.3 * max(rows.height, 1)) as (drawn, axes):
        lengths = rows[value].cast(pl.Float64).to_list()
        bars = axes.barh(rows[name].to_list(), lengths, color=BAND, height=0.6)
        axes.bar_label(bars, [f"{length:,.3g}" for length in lengths], padding=4, fontsize=8.5)
        axes.margins(x=0.12)
        axes.set_title(title)
        axes.set_xlabel(unit)
        axes.grid(visible=False)
        return png(drawn)


def errors_by(
    frame: pl.DataFrame, title: str, *, unit: str, label: str, colours: Mapping[str, str], part: str = "part"
) -> bytes:
    """An error in parts of the hours (months, hours of the day, kinds of day), a line per model.

    Args:
        frame: `part` (labels, drawn in the frame's order), model_name, value; parts that a model lacks leave a gap.
        title: which error.
        unit: for the vertical axis.
        label: what the parts are.
        colours: per model, in the order of drawing; models without one are left out. The picture has no legend: several
            stand beside each other, and one is enough for all.
    """
    parts = frame[part].unique(maintain_order=True).to_list()
    with figure(width=5.6, height=2.9) as (drawn, axes):
        for name, colour in colours.items():
            values = dict(frame.filter(pl.col("model_name") == name).select(part, "value").iter_rows())
            if values:
                line = [values.get(p, float("nan")) for p in parts]
                axes.plot(range(len(parts)), line, color=colour, marker="o", markersize=3, linewidth=1.6)
        every = -(-sum(len(p) + 1 for p in parts) // AXIS_LETTERS) or 1  # labels must not run into each other
        axes.set_xticks(range(0, len(parts), every), parts[::every])
        axes.set_ylim(bottom=0)
        axes.set_title(title)
        axes.set_ylabel(unit)
        axes.set_xlabel(label)
        return png(drawn)
