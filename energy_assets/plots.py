"""Small pictures for the UI's metadata and the README, as PNG bytes.

Belongs here: drawing. Does not belong here: numbers; what is drawn comes as a frame. Only `Figure` objects on the Agg
canvas are used, never pyplot: no window, no global state. The same frame gives the same bytes.

Every function gives one PNG below about 60 kB. Times are drawn in `timezone`, as the axis says.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
BAND, ACTUAL, PUBLISHER = "#1d6fb8", "#1f2933", "#d9822b"
COLOURS = ("#1d6fb8", "#d9822b", "#2f9e6e", "#b5487a", "#6b5bb5", "#8a6d3b", "#3aa6b9", "#7b8794")
MAX_POINTS = 2_000  # per line; more than the picture has pixels
PALETTE = 96

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titleweight": "bold",
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


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
    factor, unit = _power_unit(largest)
    levels = {round(q, 4) for q in frame["quantile"].unique().to_list()}
    wide = (
        frame.with_columns(level=pl.col("quantile").round(4).cast(pl.String))
        .pivot("level", index="interval_start_utc", values="demand_kwh", aggregate_function="first")
        .sort("interval_start_utc")
    )
    with _figure() as (figure, axes):
        times = _times(wide, timezone)
        for low, high, alpha in ((0.05, 0.95, 0.14), (0.1, 0.9, 0.20), (0.25, 0.75, 0.32)):
            if {low, high} <= levels:
                axes.fill_between(
                    times,
                    wide[str(low)].to_numpy() * factor,
                    wide[str(high)].to_numpy() * factor,
                    color=BAND,
                    alpha=alpha,
                    linewidth=0,
                    label=f"{round((high - low) * 100)} % band",
                )
        if 0.5 in levels:
            axes.plot(times, wide["0.5"].to_numpy() * factor, color=BAND, linewidth=2, label="median")
        others = ((publisher, PUBLISHER, "--", "publisher"), (actual, ACTUAL, "-", "actual"))
        for other, colour, dash, name in others:
            if other is not None and other.height:
                rows = other.sort("interval_start_utc")
                line = rows["demand_kwh"].to_numpy() * factor
                axes.plot(_times(rows, timezone), line, dash, color=colour, linewidth=1.5, label=name)
        axes.set_title(title)
        axes.set_ylabel(f"mean power, {unit}")
        _thousands(axes)
        _time_axis(axes, timezone)
        _legend(axes)
        return _png(figure)


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
    with _figure() as (figure, axes):
        for colour, (name, part) in zip(COLOURS, parts.items(), strict=False):
            rows = part.sort(time).gather_every(1 + part.height // MAX_POINTS)
            axes.plot(
                _times(rows, timezone, time),
                rows[value].cast(pl.Float64).to_numpy(),
                color=colour,
                linewidth=1.1,
                label=name,
            )
        axes.set_title(title if len(parts) <= len(COLOURS) else f"{title} (first {len(COLOURS)} of {len(parts)})")
        axes.set_ylabel(unit)
        _time_axis(axes, timezone)
        if by is not None:
            _legend(axes)
        return _png(figure)


def row_counts_by_day(frame: pl.DataFrame, title: str = "Rows per day") -> bytes:
    """Bars of rows per day, to see holes and doubled days at a glance.

    Args:
        frame: day (DATE), rows.
    """
    rows = frame.sort("day")
    with _figure(height=2.2) as (figure, axes):
        days = rows["day"].to_numpy()
        if rows.height <= 90:
            apart = np.diff(days.astype("datetime64[D]").astype(np.int64)).min(initial=31)  # months may stand for days
            axes.bar(days, rows["rows"].to_numpy(), color=BAND, width=0.85 * float(apart))
        else:  # hundreds of bars are slow and blur
            axes.fill_between(days, rows["rows"].to_numpy(), step="mid", color=BAND, linewidth=0)
        axes.set_title(title)
        axes.set_ylabel("rows")
        axes.set_ylim(bottom=0)
        _thousands(axes)
        _date_ticks(axes, None)
        return _png(figure)


def feature_importance(importance: Mapping[str, float], title: str = "Feature importance", *, top: int = 15) -> bytes:
    """Horizontal bars of the most important features.

    Args:
        importance: share or gain per feature; drawn as shares of their sum.
    """
    total = sum(importance.values()) or 1.0
    largest = sorted(importance, key=lambda name: (-importance[name], name))[:top][::-1]
    with _figure(height=1.0 + 0.22 * max(len(largest), 1)) as (figure, axes):
        axes.barh(largest, [importance[name] / total * 100 for name in largest], color=BAND, height=0.65)
        axes.set_title(title)
        axes.set_xlabel("share of the gain, %")
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        return _png(figure)


def calibration(frame: pl.DataFrame, title: str = "Calibration") -> bytes:
    """How often actuals stayed at or below each quantile, against the diagonal where promise and outcome agree.

    Args:
        frame: quantile, observed (both shares) and, for several lines, model_name.
    """
    with _figure(width=4.2, height=3.9) as (figure, axes):
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
        return _png(figure)


def metric_bars(frame: pl.DataFrame, title: str, *, unit: str, name: str = "model_name", value: str = "value") -> bytes:
    """Horizontal bars with their figures, to compare models.

    Args:
        frame: `name` (labels) and `value` (lengths), drawn from top to bottom in the frame's order.
        title: which metric of what.
        unit: for the label.
    """
    rows = frame.reverse()
    with _figure(height=1.0 + 0.3 * max(rows.height, 1)) as (figure, axes):
        lengths = rows[value].cast(pl.Float64).to_list()
        bars = axes.barh(rows[name].to_list(), lengths, color=BAND, height=0.6)
        axes.bar_label(bars, [f"{length:,.3g}" for length in lengths], padding=4, fontsize=8.5)
        axes.margins(x=0.12)
        axes.set_title(title)
        axes.set_xlabel(unit)
        axes.grid(visible=False)
        return _png(figure)


def as_markdown(png: bytes, alternative: str = "plot") -> str:
    """The picture inside Markdown text, as Dagster's metadata shows it."""
    return f"![{alternative}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})"


@contextmanager
def _figure(width: float = 7.6, height: float = 3.1) -> Iterator[tuple[Figure, Axes]]:
    """A figure and its axes within the house style, which ends with the block."""
    # half a second of import that nothing but a drawing run should pay
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")
        yield figure, figure.subplots()


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    # a palette is a third of the size and looks the same
    picture.quantize(colors=PALETTE, dither=Image.Dither.NONE).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _times(frame: pl.DataFrame, timezone: str, column: str = "interval_start_utc") -> list[Any]:
    return frame[column].dt.convert_time_zone(timezone).to_list()


def _time_axis(axes: Axes, timezone: str) -> None:
    axes.set_xlabel(f"time, {timezone}")
    axes.margins(x=0.01)
    _date_ticks(axes, ZoneInfo(timezone))


def _date_ticks(axes: Axes, zone: tzinfo | None) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=9, tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]


def _thousands(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.10g}"))


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.3)


def _power_unit(largest: float) -> tuple[float, str]:
    """kW below 100 MW, then MW: an axis of eight digits is read by nobody."""
    return (1e-3, "MW") if largest >= 1e5 else (1.0, "kW")
