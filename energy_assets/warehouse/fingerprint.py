"""A table's content as one number, whatever the order of its rows. Audit columns do not count."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from energy_assets.contracts import TABLES
from energy_assets.warehouse.connection import first_row

# How rows came here, in tables made by SQL: the same names as the audit columns of the contracts.
AUDIT_NAMES = frozenset(c.name for t in TABLES.values() for c in t.columns if c.audit)


def fingerprint(con: duckdb.DuckDBPyConnection, table: str) -> str:
    """`<rows>:<sum of row hashes>` of `schema.table`.

    A sum (not an exclusive or) so that a doubled row does not cancel out.
    """
    columns = ", ".join(f'"{c}"' for c in content_columns(con, table))
    row = first_row(con, f"SELECT count(*), coalesce(sum(hash({columns})::HUGEINT), 0)::VARCHAR FROM {table}")
    assert row is not None
    return f"{row[0]}:{row[1]}"


def content_columns(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Columns that are content: all of a table's but the audit ones, in order."""
    names = [r[0] for r in con.execute(f"DESCRIBE {table}").fetchall()]
    audit = {c.name for c in TABLES[table].columns if c.audit} if table in TABLES else AUDIT_NAMES
    return [n for n in names if n not in audit]


def fingerprints(con: duckdb.DuckDBPyConnection, schemas: Iterable[str]) -> dict[str, str]:
    """Fingerprint of every table and view of the schemas, by qualified name."""
    wanted = list(schemas)
    found = con.execute(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables "
        "WHERE list_contains(?, table_schema) AND table_catalog = current_database() ORDER BY ALL",
        [wanted],
    ).fetchall()
    return {name: fingerprint(con, name) for (name,) in found}
