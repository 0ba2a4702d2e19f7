"""Drift over time: scores beside their thresholds, week by week.

Belongs here: the timeline of one meter or kind. Does not belong here: what is beyond a threshold; it comes as a column.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl

from energy_assets.plots.style import BAND, MUTED, PUBLISHER, date_ticks, figure, legend, png

METHODS: Mapping[str, tuple[str, float]] = {"level": ("level, %", 100.0), "hour_shape": ("shape of the day, %", 100.0)}


def drift_timeline(weeks: pl.DataFrame, title: str, begins: date | None = None) -> bytes:
    """Level and shape of the day against the reference: score, threshold, and the weeks in which drift stood raised.

    Args:
        weeks: week, column_name, method, score, threshold, raised of one meter or kind; weeks without a threshold are
            left out.
        title: whose drift it is.
        begins: the day on which a drift was put in, if one was.
    """
    rows = weeks.filter(pl.col("column_name") == "reference", pl.col("threshold").is_not_null()).sort("week")
    with figure(height=3.6) as (drawn, whole):
        whole.remove()
        panels = drawn.subplots(len(METHODS), 1, sharex=True)
        for axes, (method, (label, factor)) in zip(panels, METHODS.items(), strict=True):
            part = rows.filter(pl.col("method") == method)
            ends = (part["week"] + timedelta(days=7)).to_numpy()
            axes.step(ends, part["threshold"].to_numpy() * factor, where="mid", color=PUBLISHER, linewidth=1.3,
                      label="threshold")  # fmt: skip
            axes.plot(ends, part["score"].to_numpy() * factor, "-o", markersize=2.6, color=BAND, linewidth=1.2,
                      label="score")  # fmt: skip
            top = max(float(axes.get_ylim()[1]), 1e-6)
            axes.fill_between(ends, 0, top, where=np.asarray(part["raised"].to_numpy(), dtype=bool), step="mid",
                              color=PUBLISHER, alpha=0.25, linewidth=0, label="raised")  # fmt: skip
            axes.set_ylim(0, top)
            axes.set_ylabel(label)
            if begins is not None:
                axes.axvline(np.datetime64(begins), color=MUTED, linewidth=1.2, linestyle="--", label="drift put in")
        panels[0].set_title(title)
        legend(panels[0])
        date_ticks(panels[-1], None)
        return png(drawn)
