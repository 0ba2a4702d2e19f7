"""SQL on the published copy for people at a shell."""

from __future__ import annotations

import duckdb
import polars as pl

from energy_assets.settings import Settings


class QueryError(ValueError):
    """The query cannot be answered; the message says why and what to do."""


def query_published(settings: Settings, sql: str, *, as_csv: bool = False) -> str:
    """The result of `sql` on `serving/energy.duckdb` as a text table or CSV.

    Raises:
        QueryError: nothing is published yet, or DuckDB rejects the query (which cannot write: the file is opened
            read-only).
    """
    file = settings.serving / "energy.duckdb"
    if not file.exists():
        raise QueryError(f"nothing is published at {file} yet; run `energy-assets run --warehouse {settings.folder}`")
    con = duckdb.connect(str(file), read_only=True)
    try:
        con.execute("SET TimeZone='UTC'")
        relation = con.sql(sql)
        frame = relation.pl() if relation is not None else pl.DataFrame()
    except duckdb.Error as error:
        raise QueryError(str(error)) from None
    finally:
        con.close()
    if as_csv:
        return str(frame.write_csv()).rstrip("\n")
    with pl.Config(tbl_rows=100, tbl_cols=30, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True,
                   tbl_formatting="ASCII_MARKDOWN", tbl_width_chars=200, fmt_str_lengths=60):  # fmt: skip
        return str(frame)
