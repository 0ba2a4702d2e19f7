"""Rows of the benchmarks: `benchmarks/results.json` and the page `docs/benchmarks.md`, which is written from it.

Belongs here: what a row is, keeping rows of other measurements, the page. Does not belong here: measuring. A part that
is measured alone replaces its own rows and leaves the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from energy_assets.settings import PROJECT_ROOT
from tests.bench.measuring import Measured

RESULTS = PROJECT_ROOT / "benchmarks" / "results.json"
PAGE = PROJECT_ROOT / "docs" / "benchmarks.md"
MARK = "<!-- what follows is written by `make bench` -->"


@dataclass(frozen=True)
class Row:
    """One measurement. `target` is what `ratio` is to stay under, or `value` where there is no floor to divide by.

    `group` is the part of the bench and the heading on the page, `floor` the same unit as `value`, `command` what
    repeats it.
    """

    name: str
    value: float
    floor: float | None
    target: float | None
    group: str
    command: str
    unit: str = "s"
    cpu_s: float | None = None
    peak_mb: float | None = None
    note: str = ""

    @classmethod
    def of(
        cls, measured: Measured, *, group: str, command: str, floor: float | None = None, target: float | None = None
    ) -> Row:
        """The wall seconds of a piece of work."""
        return cls(
            measured.name, measured.wall_s, floor, target, group, command,
            cpu_s=measured.cpu_s, peak_mb=measured.peak_mb, note=measured.note,
        )  # fmt: skip

    @property
    def ratio(self) -> float | None:
        """Value over floor."""
        return self.value / self.floor if self.floor else None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        return (self.value if self.ratio is None else self.ratio) <= self.target

    def to_json(self) -> dict[str, object]:
        """As it stands in the file, rounded to what repeats."""
        shown = asdict(self) | {"ratio": self.ratio}
        return {key: round(v, 3) if isinstance(v := shown[key], float) else v for key in ORDER}


ORDER = ("name", "value", "floor", "ratio", "target", "unit", "cpu_s", "peak_mb", "note", "group", "command")


def read(file: Path = RESULTS) -> list[Row]:
    """The rows that stand; none before the first bench."""
    if not file.exists():
        return []
    return [Row(**{k: v for k, v in row.items() if k != "ratio"}) for row in json.loads(file.read_text())]


def keep(rows: Iterable[Row], file: Path = RESULTS, page: Path = PAGE) -> None:
    """Puts rows in the place of those with their names, first in their groups, and writes the page anew."""
    new = {row.name: row for row in rows}
    standing = read(file)
    groups = dict.fromkeys(row.group for row in [*standing, *new.values()])
    every = [*new.values(), *(row for row in standing if row.name not in new)]
    every = [row for group in groups for row in every if row.group == group]
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps([row.to_json() for row in every], indent=1) + "\n")
    if page.exists():
        said = page.read_text().partition(MARK)[0]
        page.write_text(f"{said}{MARK}\n{page_of(every)}")


def page_of(rows: list[Row]) -> str:
    """The tables, a heading per group."""
    lines: list[str] = []
    for group in dict.fromkeys(row.group for row in rows):
        own = [row for row in rows if row.group == group]
        lines += ["", f"## {group}", "", "| what | value | floor | ratio | target | | CPU s | peak MB | |",
                  "|---|--:|--:|--:|--:|---|--:|--:|---|"]  # fmt: skip
        lines += [_line(row) for row in own]
        commands = dict.fromkeys(row.command for row in own)
        lines += ["", "Repeated by " + ", ".join(f"`{command}`" for command in commands) + "."]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    met = {True: "reached", False: "**missed**", None: ""}[row.met]
    cells = [
        row.name, f"{_number(row.value)} {row.unit}", _number(row.floor), _number(row.ratio), _number(row.target), met,
        _number(row.cpu_s), "" if row.peak_mb is None else f"{row.peak_mb:.0f}", row.note,
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
