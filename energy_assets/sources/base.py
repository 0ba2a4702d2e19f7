"""What every reader takes and gives. Readers know a published format and nothing of DuckDB, Dagster or the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

REJECTED_SCHEMA = pl.Schema(
    [
        ("table_name", pl.String()),
        ("file_row", pl.Int64()),
        ("column_name", pl.String()),
        ("raw_text", pl.String()),
        ("reason", pl.String()),
        ("message", pl.String()),
        ("meter_id", pl.String()),
        ("interval_start_utc", pl.Datetime("us", "UTC")),
    ]
)


class SourceError(ValueError):
    """A file as a whole cannot be read. The message names the file, what was expected and what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def lies_in_the_file(self) -> bool:
        """Whether the same bytes would fail again; what lies in settings or places is tried again at every run."""
        return self.reason not in ("missing_file", "outside_folders", "too_large")


@dataclass(frozen=True)
class Bounds:
    """How far a file may reach. `folders`: where it may lie once links are followed; none means anywhere.

    No file may be larger than `largest_bytes`, packed or unpacked, nor grow more than `expansion` times while it is
    unpacked, beyond the size that any machine bears.
    """

    folders: tuple[Path, ...] = ()
    largest_bytes: int = 4096 * 1_000_000
    expansion: int = 250


@dataclass(frozen=True)
class SourceFile:
    """One file to read. `sha256` is of the file as it lies there (packed, if it is packed)."""

    path: Path
    sha256: str
    bounds: Bounds = Bounds()


@dataclass
class Batch:
    """What one file (or one call of the simulator) holds.

    `tables` maps `raw.<table>` to a frame of the contract's columns without `load_id` and `loaded_at_utc`, which the
    loader adds. `rejected` has the columns of `REJECTED_SCHEMA`. `rows` counts the data rows of the file: each of them
    is in a table or in `rejected`.

    `loaded_rows` numbers the file's rows of which something went into a table. A row stands there and in `rejected` if
    one of its columns was good and another was not. Rejections with `file_row` 0 speak of the file as a whole. A batch
    that is a part of a file says in `file_rows` which rows it is made of; else they are 1 to `rows`.
    """

    rows: int
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED_SCHEMA))
    loaded_rows: pl.Series | None = None
    file_rows: pl.Series | None = None

    def unaccounted(self) -> list[int]:
        """Rows of the file that are neither in a table nor rejected; there must be none. Empty without `loaded_rows`.

        >>> Batch(rows=3, loaded_rows=pl.Series([1, 3])).unaccounted()
        [2]
        """
        if self.loaded_rows is None:
            return []
        rejected = self.rejected["file_row"].filter(self.rejected["file_row"] > 0)
        every = pl.int_range(1, self.rows + 1, dtype=pl.Int64, eager=True) if self.file_rows is None else self.file_rows
        if self.loaded_rows.equals(every):
            return []
        seen = pl.concat([self.loaded_rows.cast(pl.Int64), rejected]).unique()
        return every.filter(~every.is_in(seen.implode())).to_list()
