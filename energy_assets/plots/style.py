"""What all pictures share: the house style, the canvas, axes of time and of power.

Belongs here: how a picture looks. Does not belong here: what it shows.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
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
OTHERS = ("#7b8794", "#2f9e6e", "#b5487a", "#6b5bb5", "#8a6d3b", "#3aa6b9", "#5c7c2f", "#c0504d", "#1f2933")
PALETTE = 96

_STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a meter may be called $x$
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


def as_markdown(png: bytes, alternative: str = "plot") -> str:
    """The picture inside Markdown text, as Dagster's metadata shows it."""
    return f"![{alternative}]({as_data_uri(png)})"


def as_data_uri(png: bytes) -> str:
    """The picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def model_colours(names: Sequence[str], *, ours: str) -> dict[str, str]:
    """A colour per model, the same in every picture: ours blue, the publisher orange, the others by name."""
    others = iter(sorted(set(names) - {ours, "publisher"}))
    return {ours: BAND, "publisher": PUBLISHER} | dict(zip(others, OTHERS, strict=False))


@contextmanager
def figure(width: float = 7.6, height: float = 3.1) -> Iterator[tuple[Figure, Axes]]:
    """A figure and its axes within the house style, which ends with the block."""
    # half a second of import that nothing but a drawing run should pay
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")
        yield figure, figure.subplots()


def png(figure: Figure) -> bytes:
    """The picture's bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    # a palette is a third of the size and looks the same
    picture.quantize(colors=PALETTE, dither=Image.Dither.NONE).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def times(frame: pl.DataFrame, timezone: str, column: str = "interval_start_utc") -> list[Any]:
    """A column of instants in a time zone."""
    return frame[column].dt.convert_time_zone(timezone).to_list()


def time_axis(axes: Axes, timezone: str) -> None:
    """Ticks of instants, as people there read them."""
    axes.set_xlabel(f"time, {timezone}")
    axes.margins(x=0.01)
    date_ticks(axes, ZoneInfo(timezone))


def date_ticks(axes: Axes, zone: tzinfo | None) -> None:
    """A few ticks, each as short as its neighbours allow."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=9, tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]


def thousands(axes: Axes) -> None:
    """Digits of the vertical axis in groups of three."""
    from matplotlib.ticker import FuncFormatter

    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.10g}"))


def legend(axes: Axes) -> None:
    """Beside the picture, where there is anything to name."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.3)
