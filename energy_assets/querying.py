"""SQL on the published copy for people at a shell."""

from __future__ import annotations

import duckdb

from energy_assets.settings import Settings

# A read-only file keeps nobody from writing another one with COPY, or from reading whatever the process may read.
ALONE: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class QueryError(ValueError):
    """The query cannot be answered; the message says why and what to do."""


def query_published(settings: Settings, sql: str, *, as_csv: bool = False) -> str:
    """The result of `sql` on `serving/energy.duckdb` as a text table or CSV.

    Raises:
        QueryError: nothing is published yet, or DuckDB rejects the query, which can neither write nor read anything
            but the published tables: no other file, no network, no extension.
    """
    file = settings.serving / "energy.duckdb"
    if not file.exists():
        raise QueryError(f"nothing is published at {file} yet; run `energy-assets run --warehouse {settings.folder}`")
    con = duckdb.connect(str(file), read_only=True, config=ALONE)
    try:
        con.execute("SET TimeZone='UTC'")
        con.execute("SET lock_configuration=true")
        result = con.sql(sql)
        if result is None:
            return ""
        return str(result.pl().write_csv()).rstrip("\n") if as_csv else str(result).rstrip("\n")
    except duckdb.Error as error:
        raise QueryError(str(error)) from None
    finally:
        con.close()
