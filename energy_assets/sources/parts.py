"""Large files in parts by meter, so that memory does not grow with their rows.

Belongs here: where a file is cut. Does not belong here: what its columns mean.

Whatever a reader decides about a row of a long table (which of two rows comes first, which pass of a repeated hour,
what a register moved by) it decides within one meter. So parts of whole meters read like the file as a whole. The bytes
of the file stay in memory, packed as they are: they are the ones whose checksum was taken, whatever happens to the file
meanwhile. Row groups that hold none of a part's meters are passed over. A large CSV is packed as Parquet first.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from energy_assets.sources.base import REJECTED_SCHEMA
from energy_assets.sources.files import decode
from energy_assets.sources.tabular import (
    TableRows,
    check_columns,
    check_rows,
    csv_rows,
    header,
    is_regular,
    plain_values,
    readable,
    table_rows,
)

PART_ROWS = 2_500_000  # some 500 MB at work; smaller parts leave DuckDB many incomplete row groups to mend
COUNTED = "row of the file, counted"  # a name that no column of a file has


def table_parts(
    content: bytes, path: Path, delimiter: str, expected: Sequence[str], table_name: str, meter: str | None
) -> Iterator[TableRows]:
    """The rows of a CSV or Parquet file, in one piece if they are few, else in parts of whole meters.

    Args:
        content: the file's bytes.
        path: for messages.
        delimiter: of the fields of a CSV.
        expected: columns that must be there.
        table_name: for the rejected rows.
        meter: the column of those expected that says whose a row is; None if none does: then all is one piece.

    Raises:
        SourceError: as `tabular.read_table`.
    """
    if meter is None:
        yield table_rows(content, path, delimiter, expected, table_name)
        return
    if not content.startswith(b"PAR1"):
        text = decode(content, path)
        packed = _packed(text, path, delimiter, expected) if text.count("\n") > PART_ROWS else None
        if packed is None:
            yield csv_rows(text, path, delimiter, expected, table_name)
            return
        content = packed
        del text
    yield from _parquet_parts(content, path, expected, meter)


def _packed(text: str, path: Path, delimiter: str, expected: Sequence[str]) -> bytes | None:
    """The expected columns of a CSV as Parquet; None if it is no plain table, which takes looking at row by row."""
    names = header(text, path, delimiter, expected)
    if not is_regular(text, delimiter, len(names)):
        return None
    packed = io.BytesIO()
    try:
        rows = pl.scan_csv(io.BytesIO(text.encode()), separator=delimiter, infer_schema=False, new_columns=names)
        rows.select(list(dict.fromkeys(expected))).sink_parquet(packed)
    except pl.exceptions.PolarsError:
        return None
    packed.seek(0)
    written = pl.scan_parquet(packed).select(pl.len()).collect().item()
    return packed.getvalue() if written == text.rstrip("\r\n").count("\n") else None


def _parquet_parts(content: bytes, path: Path, expected: Sequence[str], meter: str) -> Iterator[TableRows]:
    with readable(path):
        table = pl.scan_parquet(io.BytesIO(content), row_index_name=COUNTED, row_index_offset=1)
        schema = table.collect_schema()
    check_columns(schema.names()[1:], expected, path)
    table = table.with_columns(plain_values(schema, expected, path))
    with readable(path):
        rows = table.select(pl.len()).collect().item()
    check_rows(rows, path)
    with readable(path):
        cuts = _cuts(table, meter) if rows > PART_ROWS else [pl.lit(value=True)]
    wanted = [pl.col(COUNTED).cast(pl.Int64).alias("file_row"), *(pl.col(c) for c in dict.fromkeys(expected))]
    for cut in cuts:
        with readable(path):
            frame = table.filter(cut).select(wanted).collect()
        yield TableRows(frame, frame.height, pl.DataFrame(schema=REJECTED_SCHEMA), frame["file_row"])


def _cuts(table: pl.LazyFrame, meter: str) -> list[pl.Expr]:
    """Conditions that each row meets one of: ranges of ids, from the counts of rows per meter."""
    kind = table.collect_schema()[meter]
    given = pl.col(meter) if kind == pl.String or kind.is_integer() else pl.col(meter).cast(pl.String)
    counts = table.group_by(given.alias("given")).len("rows").collect(engine="streaming")
    # The id that a reader takes is without the spaces around it: rows of one meter stay together.
    counts = counts.with_columns(name=pl.col("given").cast(pl.String).str.strip_chars())
    plain = counts.select((pl.col("name") == pl.col("given").cast(pl.String)).all()).item()
    counts = counts.sort("given" if plain else "name", "given", nulls_last=True)
    counts = counts.with_columns(part=(pl.col("rows").cum_sum() - pl.col("rows")) // PART_ROWS)
    counts = counts.with_columns(pl.col("part").first().over("name"))
    cuts = []
    for ids in counts.drop_nulls("given").partition_by("part", maintain_order=True):
        within = given.is_between(pl.lit(ids["given"].min()), pl.lit(ids["given"].max()))
        cuts.append(within if plain else within & given.is_in(ids["given"].implode()))
    return cuts if counts["given"].null_count() == 0 else [*cuts, given.is_null()]
