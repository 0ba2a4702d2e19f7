"""What every reader takes and gives. Readers know a published format and nothing of DuckDB, Dagster or the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

REJECTED_SCHEMA = pl.Schema(
    {
        "table_name": pl.String,
        "file_row": pl.Int64,
        "column_name": pl.String,
        "raw_text": pl.String,
        "reason": pl.String,
        "message": pl.String,
    }
)


class SourceError(ValueError):
    """A file as a whole cannot be read. The message names the file, what was expected and what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class SourceFile:
    """One file to read. `sha256` is of the file as it lies there (packed, if it is packed)."""

    path: Path
    sha256: str


@dataclass
class Batch:
    """What one file (or one call of the simulator) holds.

    `tables` maps `raw.<table>` to a frame of the contract's columns without `load_id` and `loaded_at_utc`, which the
    loader adds. `rejected` has the columns of `REJECTED_SCHEMA`. `rows` counts the data rows of the file: each of them
    is in a table or in `rejected`.
    """

    rows: int
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED_SCHEMA))
