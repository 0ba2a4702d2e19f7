"""Series over time: forecasts with their bands, demand, rows per day.

Belongs here: pictures whose axis is time. Does not belong here: comparisons of models (`comparison.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from energy_assets.plots.style import (
    ACTUAL,
    BAND,
    COLOURS,
    PUBLISHER,
    date_ticks,
    figure,
    legend,
    png,
    thousands,
    time_axis,
    times,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_POINTS = 2_000  # per line; more than the picture has pixels


def forecast_band(
    frame: pl.DataFrame,
    title: str,
    actual: pl.DataFrame | None = None,
    publisher: pl.DataFrame | None = None,
    *,
    timezone: str = "UTC",
) -> bytes:
    """A quantile forecast of one meter: median, 50, 80 and 90 % bands, and what came true or others said.

    Args:
        frame: interval_start_utc, quantile, demand_kwh of hourly intervals; bands whose quantiles are absent are left
            out.
        title: what is forecast and when.
        actual: interval_start_utc, demand_kwh; optional.
        publisher: interval_start_utc, demand_kwh of somebody else's forecast; optional.
    """
    frames = [frame, *(f for f in (actual, publisher) if f is not None)]
    largest = max((float(f["demand_kwh"].abs().max() or 0.0) for f in frames), default=0.0)  # type: ignore[arg-type]
    factor, unit = power_unit(largest)
    wide = wide_levels(frame)
    with figure() as (drawn, axes):
        hours = times(wide, timezone)
        draw_band(axes, hours, wide, factor)
        others = ((publisher, PUBLISHER, "--", "publisher"), (actual, ACTUAL, "-", "actual"))
        for other, colour, dash, name in others:
            if other is not None and other.height:
                rows = other.sort("interval_start_utc")
                line = rows["demand_kwh"].to_numpy() * factor
                axes.plot(times(rows, timezone), line, dash, color=colour, linewidth=1.5, label=name)
        axes.set_title(title)
        axes.set_ylabel(f"mean power, {unit}")
        thousands(axes)
        time_axis(axes, timezone)
        legend(axes)
        return png(drawn)


def series(
    frame: pl.DataFrame,
    title: str,
    *,
    value: str = "demand_kwh",
    by: str | None = None,
    time: str = "interval_start_utc",
    unit: str = "kWh per hour",
    timezone: str = "UTC",
) -> bytes:
    """Lines over time, one per value of `by` (at most eight, the first by name).

    Args:
        frame: `time` (instants), `value` (nulls leave gaps) and, if named, `by`.
        title: what it shows.
        unit: unit of `value`, for the label.
    """
    parts = {"": frame}
    if by is not None:
        parts = {str(key): part for (key,), part in frame.sort(by).partition_by(by, as_dict=True).items()}
    with figure() as (drawn, axes):
        for colour, (name, part) in zip(COLOURS, parts.items(), strict=False):
            rows = part.sort(time).gather_every(1 + part.height // MAX_POINTS)
            axes.plot(
                times(rows, timezone, time),
                rows[value].cast(pl.Float64).to_numpy(),
                color=colour,
                linewidth=1.1,
                label=name,
            )
        axes.set_title(title if len(parts) <= len(COLOURS) else f"{title} (first {len(COLOURS)} of {len(parts)})")
        axes.set_ylabel(unit)
        time_axis(axes, timezone)
        if by is not None:
            legend(axes)
        return png(drawn)


def row_counts_by_day(frame: pl.DataFrame, title: str = "Rows per day") -> bytes:
    """Bars of rows per day, to see holes and doubled days at a glance.

    Args:
        frame: day (DATE), rows; up to about a hundred days.
    """
    rows = frame.sort("day")
    with figure(height=2.2) as (drawn, axes):
        axes.bar(rows["day"].to_numpy(), rows["rows"].to_numpy(), color=BAND, width=0.85)
        axes.set_title(title)
        axes.set_ylabel("rows")
        axes.set_ylim(bottom=0)
        thousands(axes)
        date_ticks(axes, None)
        return png(drawn)


def wide_levels(frame: pl.DataFrame) -> pl.DataFrame:
    """Quantiles side by side: interval_start_utc and a column per level, named like `0.05`."""
    return (
        frame.with_columns(level=pl.col("quantile").round(4).cast(pl.String))
        .pivot("level", index="interval_start_utc", values="demand_kwh", aggregate_function="first")
        .sort("interval_start_utc")
    )


def draw_band(axes: Axes, hours: list[Any], wide: pl.DataFrame, factor: float) -> None:
    """Bands and median of what `wide_levels` gives, as far as their levels are there."""
    for low, high, alpha in ((0.05, 0.95, 0.14), (0.1, 0.9, 0.20), (0.25, 0.75, 0.32)):
        if {str(low), str(high)} <= set(wide.columns):
            axes.fill_between(
                hours,
                wide[str(low)].to_numpy() * factor,
                wide[str(high)].to_numpy() * factor,
                color=BAND,
                alpha=alpha,
                linewidth=0,
                label=f"{round((high - low) * 100)} % band",
            )
    if "0.5" in wide.columns:
        axes.plot(hours, wide["0.5"].to_numpy() * factor, color=BAND, linewidth=2, label="median")


def power_unit(largest: float) -> tuple[float, str]:
    """kW below 100 MW, then MW: an axis of eight digits is read by nobody."""
    return (1e-3, "MW") if largest >= 1e5 else (1.0, "kW")
