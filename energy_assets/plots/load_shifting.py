"""A meter's day before and after its loads are moved.

Belongs here: the picture of one planned day. Does not belong here: what to move.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from energy_assets.plots.style import ACTUAL, BAND, MUTED, PUBLISHER, figure, legend, png, thousands, time_axis


def shifted_day(outlook: pl.DataFrame, title: str, *, timezone: str = "UTC") -> bytes:
    """Power before and after the moves, with the band of the forecast, the billed peak so far, and the price below.

    Args:
        outlook: rows of `flexibility.load_shift_outlook` of one meter and issue.
        title: which meter and day.
    """
    rows = outlook.sort("interval_start_utc")
    edges = [*rows["interval_start_utc"].dt.convert_time_zone(timezone), rows["interval_end_utc"]
             .dt.convert_time_zone(timezone)[-1]]  # fmt: skip

    def stepped(column: pl.Series) -> np.ndarray:
        values = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return np.append(values, values[-1])

    before, after = stepped(rows["before_p50_kw"]), stepped(rows["before_p50_kw"] + rows["moved_kw"])
    with figure(height=3.6) as (drawn, axes):
        low, high = stepped(rows["before_p10_kw"]), stepped(rows["before_p90_kw"])
        axes.fill_between(
            edges, low, high, step="post", color=BAND, alpha=0.14, linewidth=0, label="10-90 % band, before"
        )
        axes.step(
            edges, before, where="post", color=ACTUAL, linewidth=1.1, linestyle=(0, (4, 2)), label="before (median)"
        )
        axes.step(edges, after, where="post", color=BAND, linewidth=1.9, label="after (median)")
        if rows["incumbent_peak_kw"].drop_nulls().len():
            axes.step(edges, stepped(rows["incumbent_peak_kw"]), where="post", color="#b5487a", linewidth=1.2,
                      linestyle=":", label="billed peak so far")  # fmt: skip
        top = np.nanmax(np.concatenate([high, after, stepped(rows["incumbent_peak_kw"])]))
        axes.set_ylim(-0.28 * top, 1.06 * top)
        axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= 1.06 * top])
        axes.axhline(0, color=MUTED, linewidth=0.8)
        price = axes.twinx()
        values = stepped(rows["price"])
        price.fill_between(edges, values, step="post", color=PUBLISHER, alpha=0.45, linewidth=0)
        price.set_ylim(0, 5.4 * max(float(np.nanmax(values)), 1e-9))
        price.set_yticks([])
        price.spines["right"].set_visible(False)
        dearest = f"{np.nanmin(values):.3f} to {np.nanmax(values):.3f} {rows['currency'][0]}/kWh"
        axes.fill_between([], [], color=PUBLISHER, alpha=0.45, label=f"price, {dearest}")
        axes.set_ylabel("kW")
        axes.set_title(title)
        thousands(axes)
        time_axis(axes, timezone)
        legend(axes)
        return png(drawn)
