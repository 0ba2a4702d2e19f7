"""CSV and Parquet as frames with the rows of the file numbered; CSV columns stay text.

Belongs here: rows and columns. Does not belong here: what they mean, so nothing is parsed but the table itself.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from energy_assets.sources.base import REJECTED_SCHEMA, SourceError, SourceFile
from energy_assets.sources.files import decode, read_bytes

CELL = "cell of "
LINES_AT_ONCE = 16_000_000  # characters


@dataclass(frozen=True)
class TableRows:
    """The rows of a file: `frame` has `file_row` (1 is the first data row); `rows` counts those rejected here too.

    Of a part of a file, `file_rows` numbers its rows.
    """

    frame: pl.DataFrame
    rows: int
    rejected: pl.DataFrame
    file_rows: pl.Series | None = None


def read_table(file: SourceFile, delimiter: str, expected: Sequence[str], table_name: str) -> TableRows:
    """A CSV or Parquet file, plain or packed; which of the two it is, its first bytes say.

    Args:
        file: the file.
        delimiter: of the fields of a CSV.
        expected: columns that must be there; more may be.
        table_name: for the rejected rows.

    Raises:
        SourceError: `wrong_columns`, `empty_file` (also: a header without rows), `unreadable_file`, and what
            `read_bytes` and `decode` raise.
    """
    return table_rows(read_bytes(file), file.path, delimiter, expected, table_name)


def table_rows(content: bytes, path: Path, delimiter: str, expected: Sequence[str], table_name: str) -> TableRows:
    """The same from a file's bytes, unpacked."""
    if content.startswith(b"PAR1"):
        return parquet_rows(content, path, expected)
    return csv_rows(decode(content, path), path, delimiter, expected, table_name)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Around what reads Parquet: raises `unreadable_file`."""
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise SourceError(
            "unreadable_file", f"{path}: truncated or damaged Parquet ({error}). Fetch it again."
        ) from None


def parquet_rows(content: bytes, path: Path, expected: Sequence[str]) -> TableRows:
    with readable(path):
        frame = pl.read_parquet(io.BytesIO(content))
        check_columns(frame.columns, expected, path)
        frame = frame.with_columns(plain_values(frame.schema, expected, path))
    check_rows(frame.height, path)
    return TableRows(_numbered(frame), frame.height, pl.DataFrame(schema=REJECTED_SCHEMA))


def csv_rows(text: str, path: Path, delimiter: str, expected: Sequence[str], table_name: str) -> TableRows:
    """The rows of a CSV text, all columns text, names without surrounding spaces.

    Blank lines are no rows. A row with more or fewer fields than the header is rejected as `wrong_field_count`: it
    cannot be known which of its fields is which; one with a quote that is not closed as `broken_quotes`.
    """
    names = header(text, path, delimiter, expected)
    regular = is_regular(text, delimiter, len(names))
    if regular:
        frame = _plain(text, delimiter, names)
        if frame is not None:
            check_rows(frame.height, path)
            return TableRows(_numbered(frame), frame.height, pl.DataFrame(schema=REJECTED_SCHEMA))
    return _ragged(text, path, delimiter, names, table_name, by_line=regular)


def header(text: str, path: Path, delimiter: str, expected: Sequence[str]) -> list[str]:
    """The names of a CSV's columns. Raises `wrong_columns`."""
    names = [name.strip() for name in _fields(text.partition("\n")[0].rstrip("\r"), delimiter, strict=False)]
    check_columns(names, expected, path)
    if len(set(names)) != len(names):
        twice = sorted({n for n in names if names.count(n) > 1})
        raise SourceError("wrong_columns", f"{path}: columns {twice} stand twice in the header; name them apart")
    return names


def is_regular(text: str, delimiter: str, fields: int) -> bool:
    """Whether every line has the header's number of fields; a quoted delimiter or line break says no, harmlessly."""
    text, start = text.rstrip("\r\n"), 0
    while start <= len(text):
        end = text.find("\n", start + LINES_AT_ONCE)
        end = len(text) if end < 0 else end
        if not _are_regular(pl.Series(text[start:end].split("\n")), delimiter, fields):
            return False
        start = end + 1
    return True


def _are_regular(lines: pl.Series, delimiter: str, fields: int) -> bool:
    return bool((lines.str.count_matches(delimiter, literal=True).cast(pl.Int64) == fields - 1).all()) and (
        fields > 1 or not lines.str.strip_chars().eq("").any()
    )


def _plain(text: str, delimiter: str, names: list[str]) -> pl.DataFrame | None:
    """The fast way; None if quotes that nobody closed make less rows than lines of it."""
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode()), separator=delimiter, infer_schema=False, new_columns=names, raise_if_empty=False
        )
    except pl.exceptions.PolarsError:
        return None
    return frame if frame.height == text.rstrip("\r\n").count("\n") else None


def _ragged(text: str, path: Path, delimiter: str, names: list[str], table_name: str, *, by_line: bool) -> TableRows:
    """The careful way for the rare file that is no plain table: row by row, as only that tells which row is broken.

    Quoted fields may hold line breaks; unless a quote is never closed: then a line is a row, lest the rest of the file
    disappear in one field.
    """
    rows = _rows_by_line(text, delimiter) if by_line or text.count('"') % 2 else _rows(text, delimiter)
    if any(len(fields) != len(names) and "\n" in raw for fields, raw in rows):
        rows = _rows_by_line(text, delimiter)
    check_rows(len(rows), path)
    numbered = list(enumerate(rows, 1))
    good = [(number, *fields) for number, (fields, _) in numbered if len(fields) == len(names)]
    bad = [
        (
            table_name,
            number,
            None,
            raw[:500],
            "wrong_field_count" if fields else "broken_quotes",
            f"{len(fields)} fields where the header has {len(names)}" if fields else "a quote is not closed",
            None,
            None,
        )
        for number, (fields, raw) in numbered
        if len(fields) != len(names)
    ]
    schema: dict[str, pl.DataType] = {"file_row": pl.Int64(), **dict.fromkeys(names, pl.String())}
    return TableRows(
        pl.DataFrame(good, schema=schema, orient="row"),
        len(rows),
        pl.DataFrame(bad, schema=REJECTED_SCHEMA, orient="row"),
    )


def _rows(text: str, delimiter: str) -> list[tuple[list[str], str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    next(reader)
    try:
        return [(row, delimiter.join(row)) for row in reader if row]
    except csv.Error:  # a field beyond any length: an open quote
        return _rows_by_line(text, delimiter)


def _rows_by_line(text: str, delimiter: str) -> list[tuple[list[str], str]]:
    return [(_fields(line, delimiter), line) for line in text.replace("\r", "").split("\n")[1:] if line.strip()]


def _fields(line: str, delimiter: str, *, strict: bool = True) -> list[str]:
    """The fields of a line; none if its quotes are broken, or a field is beyond any length."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=strict), [])
    except csv.Error:
        return []


def own_names(frame: pl.DataFrame, columns: Mapping[str, str | None], *, with_cells: bool = False) -> pl.DataFrame:
    """`file_row` and the columns that a source describes, under names that no file's column can get in the way of.

    Args:
        frame: rows of a file.
        columns: our name of a column to the file's; None where the source has none.
        with_cells: of a wide file; the columns that are not described come too, `CELL` before their names.
    """
    described = {name: column for name, column in columns.items() if column}
    cells = [n for n in frame.columns if n != "file_row" and n not in described.values()] if with_cells else []
    return frame.select(
        "file_row",
        *(pl.col(column).alias(name) for name, column in described.items()),
        *(pl.col(name).alias(CELL + name) for name in cells),
    )


def check_columns(found: Sequence[str], expected: Sequence[str], path: Path) -> None:
    """Raises `wrong_columns` naming what is missing, what is there and what to do."""
    missing = [name for name in expected if name not in found]
    if missing:
        raise SourceError(
            "wrong_columns",
            f"{path}: columns {missing} not found; the file has {list(found)}, expected are {list(expected)}. "
            "Correct the columns or the delimiter in sources.yaml, or fetch the right file.",
        )


def check_cells(found: Sequence[str], described: Sequence[str], path: Path) -> None:
    """Raises `wrong_columns` where a wide file has no column of a meter."""
    if not set(found) - {"file_row", *described}:
        raise SourceError(
            "wrong_columns",
            f"{path}: no columns beside {list(described)}; one per meter is expected. Is it layout: long?",
        )


def plain_values(schema: pl.Schema, expected: Sequence[str], path: Path) -> list[pl.Expr]:
    """What to make of the columns of a Parquet file that hold no plain values: bytes are text.

    A list, a record or a length of time in a column that nobody named becomes the name of its type, as text: whoever
    takes it for a number sees what it is.

    Raises:
        SourceError: `wrong_columns`, one that is expected holds such.
    """
    strange = {name: kind for name, kind in schema.items() if kind.is_nested() or kind == pl.Duration}
    for name in expected:
        if name in strange:
            raise SourceError(
                "wrong_columns", f"{path}: column {name} holds {strange[name]}; text, numbers or times are expected"
            )
    binary = [pl.col(name).cast(pl.String) for name, kind in schema.items() if kind == pl.Binary]
    named = [pl.when(pl.col(n).is_not_null()).then(pl.lit(str(kind))).alias(n) for n, kind in strange.items()]
    return [*binary, *named]


def check_rows(rows: int, path: Path) -> None:
    """Raises `empty_file` where there are none."""
    if rows == 0:
        raise SourceError("empty_file", f"{path}: columns but no rows. Fetch the file again, or take it away.")


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("file_row"))
