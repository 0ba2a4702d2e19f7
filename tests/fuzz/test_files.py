"""Whatever bytes lie in a file: rows, rejected rows or a SourceError that names the file, and no row lost."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.sources import SourceError, read_parts, source_file
from energy_assets.sources.feedback_files import read_feedback_file
from tests.fuzz.strange import CELLS, FEEDBACK, FUZZ, LONG, READERS, files, parquet, spoiled_bytes
from tests.unit.sources.reading import PARIS, RECEIVED, check, source

FAULTS_OF_A_READER = {"lost_rows", "reader_failed"}
TYPES = (
    *(pl.String, pl.Binary, pl.Boolean, pl.Int8, pl.UInt64, pl.Float32, pl.Float64, pl.Date, pl.Time, pl.Categorical),
    *(pl.Datetime("ns"), pl.Datetime("ms", "Asia/Tokyo"), pl.Duration, pl.Decimal(38, 10), pl.List(pl.Int8), pl.Null),
    pl.Struct({"a": pl.Int8}),
)  # fmt: skip


def refused(error: SourceError, path: Path) -> None:
    """The file is to blame, and named."""
    assert error.reason not in FAULTS_OF_A_READER, error
    assert path.name in str(error)


def read_strange(path: Path, content: bytes, reader: str) -> int:
    """Rows of the file, all of them accounted for; 0 if it was refused with a reason."""
    path.write_bytes(content)
    try:
        batches = list(read_parts(source(**READERS[reader][1]), source_file(path), PARIS, RECEIVED))
    except SourceError as error:
        refused(error, path)
        return 0
    for batch in batches:
        check(batch)  # holds it against the contracts, and counts
        assert batch.rows > 0
        assert batch.rejected.select("reason", "message").null_count().row(0) == (0, 0)
    return sum(batch.rows for batch in batches)


@pytest.mark.parametrize("reader", READERS)
@FUZZ
@given(data=st.data())
def test_a_spoiled_file_gives_rows_or_a_reason(reader: str, data: st.DataObject, tmp_path: Path) -> None:
    content = data.draw(files(READERS[reader][0]))
    read_strange(tmp_path / "strange.csv", content, reader)


@FUZZ
@given(content=files(FEEDBACK))
def test_a_spoiled_file_of_statements_gives_rows_or_a_reason(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "feedback.csv"
    path.write_bytes(content)
    try:
        said, rejected = read_feedback_file(source_file(path), "UTC", {"correct": "correct", "unsure": "unsure"})
    except SourceError as error:
        refused(error, path)
        return
    numbers = pl.concat([said["file_row"], rejected["file_row"]]).unique().sort().to_list()
    assert numbers == list(range(1, len(numbers) + 1))
    assert "author" not in rejected.columns


@FUZZ
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8))
def test_every_line_of_a_plain_table_is_counted(rows: list[tuple[str, str, str]], tmp_path: Path) -> None:
    """Counted from the outside: by lines, where no quote or carriage return can say what a line is."""
    plain = [[cell for cell in row if not set(cell) & set('"\r\n\x00\ufeff')] for row in rows]
    lines = [",".join(row) for row in plain]
    text = "\n".join(["time,value,meter,known,quality", *lines]) + "\n"
    wanted = sum(1 for line in lines if line.strip())
    assert read_strange(tmp_path / "plain.csv", text.encode(), "long") == wanted


@pytest.mark.parametrize("reader", ["long", "wide", "register", "weather", "telemetry", "forecasts", "open_meteo"])
@FUZZ
@given(data=st.data())
def test_parquet_of_any_types_gives_rows_or_a_reason(reader: str, data: st.DataObject, tmp_path: Path) -> None:
    names = ("time", "value", "meter", "known", "quality", "temperature_2m", "file_row")
    good = pl.read_csv(io.StringIO(LONG), infer_schema=False)
    columns = {}
    for name in data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True)):
        kind = data.draw(st.sampled_from(TYPES))
        values = good[name] if name in good.columns else good["value"]
        columns[name] = values if kind == pl.String else pl.Series([None, *data.draw(values_of(kind))], dtype=kind)
    height = min(len(column) for column in columns.values())
    content = parquet(pl.DataFrame({name: column.head(height) for name, column in columns.items()}))
    rows = read_strange(tmp_path / "strange.parquet", content, reader)
    assert rows in (0, height)


@FUZZ
@given(data=st.data())
def test_spoiled_parquet_gives_rows_or_a_reason(data: st.DataObject, tmp_path: Path) -> None:
    content = data.draw(spoiled_bytes(parquet(pl.read_csv(io.StringIO(LONG), infer_schema=False))))
    read_strange(tmp_path / "strange.parquet", content, "long")


def values_of(kind: pl.DataType) -> st.SearchStrategy[list[object]]:
    """Two values of a polars type, ends of its range among them."""
    from polars.testing.parametric import series

    return series(dtype=kind, min_size=2, max_size=2, allow_null=True).map(lambda s: s.to_list())
