"""A warehouse full of bad input beside good: files and their `sources.yaml`, written by `make`.

What each is for stands at its source. Demand is a plain daily shape: what is tested is what becomes of the bad rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from tests.warehouses import NOW, SMALL, Folder

HOUR = timedelta(hours=1)
HISTORY = timedelta(days=60)
# Ids that end a literal, a line, a cell, a tag, a template or a path where somebody forgot that they are text.
STRANGE = (
    "Robert'); DROP TABLE raw.meters;--", 'a"b|c', "two\nlines", "[/b]$x^{<script>alert(1)</script>", "{{ 1 / 0 }} %s",
    "../../Zähler 😀\u202e",
)  # fmt: skip
STRANGE_FILE = 'it\'s; "strange" ${x} [1] 😀.csv'
STRANGE_FOLDER = 'ware\'house; "x" é'
LAST = NOW - 5 * HOUR  # the newest hour that is known at the issue time


def demand(at: datetime, scale: float = 1.0) -> float:
    """kWh of an hour: a day's shape, a little different from day to day."""
    return round(scale * (2 + math.sin(at.hour / 24 * 2 * math.pi) + 0.1 * (at.toordinal() % 7)), 3)


def hours(start: datetime, end: datetime) -> Iterable[datetime]:
    """Every hour from `start` to `end`."""
    return (start + n * HOUR for n in range(int((end - start) / HOUR)))


def make(path: Path) -> Folder:
    """The folder, ready to run."""
    homes = {"type": "meter_files", "kind": "household", "timezone": "UTC", "unit": "kWh", "locations": ["holes"],
             "columns": {"timestamp": "time", "meter_id": "meter", "value": "kwh"}}  # fmt: skip
    sources = [
        {"name": "good", "path": "good.csv", **homes},
        {"name": "newcomer", "path": "newcomer.csv", **homes},  # three days of history
        {"name": "stopped", "path": "stopped.csv", **homes},  # a year ago
        {"name": "future", "path": "future.csv", **homes},  # its clock is a year ahead for a day
        {"name": "wild", "path": "wild.csv", **homes},  # negative and absurd values
        {"name": "text", "path": "text.csv", **homes},  # words where numbers belong
        {"name": "missing", "path": "missing.csv", **homes},  # no such file
        {"name": "empty", "path": "empty.csv", **homes},
        {"name": "strange", "path": STRANGE_FILE, **homes},  # ids and a file name that are made to break something
        {"name": "same_id", "path": "same_id.csv", **homes, "kind": "industrial"},  # another meter by the name of one
        {
            "name": "weather_with_holes", "type": "weather_files", "path": "weather.csv", "location_id": "holes",
            "timezone": "UTC", "columns": {"timestamp": "time", "temperature_c": "celsius"}, "content": "forecast",
            "country": "DE",
        },
    ]  # fmt: skip
    folder = Folder.make(path, {**SMALL, "sources": [*SMALL["sources"], *sources]})
    begin, year = LAST - HISTORY, timedelta(days=365)

    def write(name: str, meters: Iterable[str], times: Iterable[datetime], value: Callable[[datetime], object]) -> None:
        quoted = ['"' + m.replace('"', '""') + '"' if set(m) & set('",\n') else m for m in meters]
        lines = [f"{t:%Y-%m-%dT%H:%M:%SZ},{m},{value(t)}" for m in quoted for t in times]
        (path / name).write_text("\n".join(["time,meter,kwh", *lines]) + "\n")

    def wild(at: datetime) -> float:
        back = (LAST - at) / HOUR
        return -3.0 if back == 30 else 5e6 if back == 50 else demand(at)

    def words(at: datetime) -> object:
        return "broken" if (LAST - at) / HOUR == 40 else demand(at)

    write("good.csv", ["good_1", "good_2"], list(hours(begin, LAST)), demand)
    write("newcomer.csv", ["newcomer"], hours(LAST - timedelta(days=3), LAST), demand)
    write("stopped.csv", ["stopped"], hours(begin - year, LAST - year), demand)
    write("future.csv", ["future"], [*hours(begin, LAST), *hours(NOW + year, NOW + year + timedelta(days=1))], demand)
    write("wild.csv", ["wild"], hours(begin, LAST), wild)
    write("text.csv", ["text"], hours(begin, LAST), words)
    write(STRANGE_FILE, STRANGE, list(hours(begin, LAST)), demand)
    (path / "empty.csv").write_bytes(b"")
    write("same_id.csv", ["good_1"], hours(begin, LAST), lambda t: demand(t, 400))
    weather = [t for t in hours(begin - timedelta(days=2), NOW + timedelta(days=2)) if t.day % 5 and t.hour % 7]
    lines = [f"{t:%Y-%m-%dT%H:%M:%SZ},{8 + 4 * math.sin(t.hour / 4):.1f}" for t in weather]
    (path / "weather.csv").write_text("\n".join(["time,celsius", *lines]) + "\n")
    return folder
