"""Views that are published as views, because they repeat what is published anyway.

Belongs here: which views these are, and writing them. Does not belong here: tables, and views that ask for what is not
published, which become tables (`published_copy`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb


def views_of(con: duckdb.DuckDBPyConnection, schemas: Iterable[str], database: str | None = None) -> dict[str, str]:
    """The statement that makes each view of the schemas, here or in another attached database, by qualified name."""
    return dict(
        con.execute(
            "SELECT schema_name || '.' || view_name, sql FROM duckdb_views() "
            "WHERE database_name = coalesce(?, current_database()) AND list_contains(?, schema_name) ORDER BY ALL",
            [database, list(schemas)],
        ).fetchall()
    )


def self_contained(con: duckdb.DuckDBPyConnection, schemas: Iterable[str]) -> dict[str, str]:
    """Those of the views that name nothing but tables of the schemas, and these by schema and table alone.

    Tried beside these tables without rows, in a database of another name, which a reader may give it too. In views that
    dbt makes, DuckDB before 2 keeps the name of the file: they become tables there.
    """
    tables = con.execute(
        """SELECT schema_name, table_name,
            string_agg(format('"{}" {}', column_name, data_type), ', ' ORDER BY column_index)
        FROM duckdb_columns() SEMI JOIN duckdb_tables() USING (database_name, schema_name, table_name)
        WHERE database_name = current_database() AND list_contains(?, schema_name) GROUP BY ALL""",
        [list(schemas)],
    ).fetchall()
    found = {}
    with duckdb.connect() as without_rows:
        for schema, table, columns in tables:
            without_rows.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            without_rows.execute(f'CREATE TABLE "{schema}"."{table}" ({columns})')
        for name, sql in views_of(con, schemas).items():
            try:
                without_rows.execute(sql)
            except duckdb.Error:
                continue
            found[name] = sql
    return found


def make_views(con: duckdb.DuckDBPyConnection, views: Mapping[str, str], database: str) -> None:
    """Makes the views in the database whose tables they are about."""
    used = con.execute("SELECT current_database()").fetchall()[0][0]
    con.execute(f'USE "{database}"')
    for sql in views.values():
        con.execute(sql)
    con.execute(f'USE "{used}"')
