"""Helpers of the tests of readers: sources from fields, files from text, batches held against their contracts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from energy_assets.config import FileSource, Market
from energy_assets.config.sources import AnySource
from energy_assets.contracts import table
from energy_assets.sources import Batch, read, source_file

PARIS = Market(timezone="Europe/Paris", country="FR")
RECEIVED = datetime(2025, 1, 1, tzinfo=UTC)


def source(**fields: Any) -> FileSource:
    """A validated source; `name` and `path` are filled in."""
    described = TypeAdapter(AnySource).validate_python({"name": "test", "path": "x", **fields})
    assert isinstance(described, FileSource)
    return described


def read_text(folder: Path, text: str | bytes, file_name: str = "file.csv", **fields: Any) -> Batch:
    """The batch of a file with this content."""
    path = folder / file_name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_path(path, **fields)


def read_path(path: Path, received_at: datetime = RECEIVED, market: Market = PARIS, **fields: Any) -> Batch:
    """The batch of a file, after it has been held against the contracts."""
    batch = read(source(**fields), source_file(path), market, received_at)
    check(batch)
    return batch


def check(batch: Batch) -> None:
    """Tables fit their contracts (keys included) and every row of the file is somewhere."""
    stamp = pl.lit(RECEIVED).cast(pl.Datetime("us", "UTC"))
    for name, frame in batch.tables.items():
        contract = table(name)
        assert set(frame.columns) == {c.name for c in contract.columns} - {"load_id", "loaded_at_utc"}
        audit = {"load_id": pl.lit(1, dtype=pl.Int64), "loaded_at_utc": stamp}
        contract.conform(frame.with_columns(e.alias(n) for n, e in audit.items() if n in contract.by_name))
    assert batch.loaded_rows is not None
    assert batch.unaccounted() == []


def reasons(batch: Batch) -> list[tuple[int, str]]:
    """Row and reason of what was rejected, in the order of the file."""
    return list(batch.rejected.select("file_row", "reason").iter_rows())


def utc(text: str) -> datetime:
    """An instant, written as 2024-01-31 12:00."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
