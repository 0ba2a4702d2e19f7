"""A day with its peaks: band, thresholds, windows, and the probability of each hour.

Belongs here: pictures of peaks. Does not belong here: bands (`time_series.py`), what counts as a peak.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from energy_assets.plots.style import ACTUAL, COLOURS, MUTED, figure, legend, png, thousands, time_axis, times
from energy_assets.plots.time_series import draw_band, power_unit, wide_levels

NAMES = {"capacity": "capacity", "incumbent": "billed peak so far", "seasonal_quantile": "season's quantile"}
OF_BASIS = dict(zip(NAMES, (COLOURS[3], COLOURS[1], COLOURS[2]), strict=True))
REACH = 1.6  # thresholds further above the band than this share of it would flatten the day


def peak_day(
    forecast: pl.DataFrame,
    hours: pl.DataFrame,
    windows: pl.DataFrame,
    title: str,
    actual: pl.DataFrame | None = None,
    *,
    names: Mapping[str, str] = NAMES,
    timezone: str = "UTC",
) -> bytes:
    """A forecast day of one meter against its thresholds.

    Args:
        forecast: interval_start_utc, quantile, demand_kwh of hours.
        hours: threshold_basis, interval_start_utc, threshold_kw, probability: rows of `flexibility.peak_probabilities`.
        windows: threshold_basis, window_start_utc, window_end_utc, probability (rows of `flexibility.demand_peaks`);
            shaded, with their probability.
        title: whose day it is.
        actual: interval_start_utc, demand_kwh; optional.
        names: what a basis is called.
    """
    highest = float(forecast["demand_kwh"].max() or 0.0)  # type: ignore[arg-type]
    factor, unit = power_unit(highest)
    wide = wide_levels(forecast)
    drawn_bases = [basis for basis in OF_BASIS if basis in set(hours["threshold_basis"])]
    with figure(height=4.0) as (drawn, whole):
        whole.remove()
        band, chance = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1.2))
        draw_band(band, times(wide, timezone), wide, factor)
        for number, basis in enumerate(drawn_bases):
            of_basis = hours.filter(pl.col("threshold_basis") == basis).sort("interval_start_utc")
            threshold = of_basis["threshold_kw"][0]
            if threshold <= REACH * highest:
                band.axhline(threshold * factor, color=OF_BASIS[basis], linestyle="--", linewidth=1.3,
                             label=names.get(basis, basis))  # fmt: skip
            width = 0.8 / 24 / len(drawn_bases)
            moved = of_basis.with_columns(
                pl.col("interval_start_utc") + timedelta(days=(number - (len(drawn_bases) - 1) / 2) * width)
            )
            chance.bar(times(moved, timezone), (of_basis["probability"] * 100).to_list(), width=width,
                       color=OF_BASIS[basis])  # fmt: skip
        for window in windows.filter(pl.col("threshold_basis").is_in(drawn_bases)).iter_rows(named=True):
            half = timedelta(minutes=30)
            start, end = window["window_start_utc"] - half, window["window_end_utc"] - half
            colour = OF_BASIS[window["threshold_basis"]]
            band.axvspan(start, end, color=colour, alpha=0.10, linewidth=0)
            chance.hlines(window["probability"] * 100, start, end, color=colour, linewidth=1.3)
            middle = (start + (end - start) / 2, window["probability"] * 100)
            chance.annotate(f"{window['probability']:.0%}", middle, xytext=(0, 2), textcoords="offset points",
                            ha="center", fontsize=7.5, color=colour)  # fmt: skip
        if actual is not None and actual.height:
            rows = actual.sort("interval_start_utc")
            band.plot(times(rows, timezone), rows["demand_kwh"].to_numpy() * factor, color=ACTUAL, linewidth=1.5,
                      label="actual")  # fmt: skip
        band.set_title(title)
        band.set_ylabel(f"mean power, {unit}")
        thousands(band)
        chance.set_ylim(0, 112)
        chance.set_yticks([0, 50, 100])
        chance.set_ylabel("probability, %", color=MUTED)
        time_axis(chance, timezone)
        legend(band)
        return png(drawn)
