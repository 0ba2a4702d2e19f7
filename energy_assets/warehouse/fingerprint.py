"""A table's content as one number, or as one per month, whatever the order of its rows. Audit columns do not count.

Belongs here: what content is, how a table is cut into parts, and the marks of these. Does not belong here: what is done
with parts that changed (`published_copy`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import duckdb

from energy_assets.contracts import TABLES
from energy_assets.warehouse.connection import first_row

# How rows came here, in tables made by SQL: the same names as the audit columns of the contracts.
AUDIT_NAMES = frozenset(c.name for t in TABLES.values() for c in t.columns if c.audit)
# A large table is cut by month of the first of these columns that it has, so that old months are written once.
MONTH_COLUMNS = (
    "interval_start_utc", "valid_at_utc", "local_date", "issued_at_utc", "current_end_utc", "start_utc",
)  # fmt: skip
LARGE_ROWS = 50_000
WHOLE, TIMELESS = "all", "none"  # the one part of a small table; the rows of a large one that have no time


@dataclass(frozen=True)
class Layout:
    """How a table is made: `columns` with their types, and the one whose months cut it (None: it has none)."""

    table: str
    columns: tuple[tuple[str, str], ...]
    month_column: str | None

    @property
    def content(self) -> str:
        """The columns that are content, as SQL lists them."""
        table = TABLES.get(self.table)
        audit = AUDIT_NAMES if table is None else {c.name for c in table.columns if c.audit}
        return ", ".join(f'"{name}"' for name, _ in self.columns if name not in audit)

    @property
    def order(self) -> str:
        """The order to store rows in: by time first, where stamps repeat and take a third of the room."""
        names = [name for name, _ in self.columns]
        first = [self.month_column] if self.month_column else []
        return ", ".join(f'"{name}"' for name in dict.fromkeys([*first, *names]))

    def condition(self, part: str) -> str:
        """SQL that holds for the rows of a part; a range, so that storage is skipped where no row can be."""
        if part == WHOLE:
            return "TRUE"
        if part == TIMELESS:
            return f'"{self.month_column}" IS NULL'
        start = date.fromisoformat(f"{part}-01")
        end = date(start.year + start.month // 12, start.month % 12 + 1, 1)
        kind = dict(self.columns)[self.month_column or ""]
        low, high = (f"'{day}'::{kind}" for day in (start, end))
        return f'"{self.month_column}" >= {low} AND "{self.month_column}" < {high}'


def layout(con: duckdb.DuckDBPyConnection, table: str) -> Layout:
    """The layout of `schema.table`."""
    columns = tuple((name, kind) for name, kind, *_ in con.execute(f"DESCRIBE {table}").fetchall())
    names = {name for name, _ in columns}
    return Layout(table, columns, next((c for c in MONTH_COLUMNS if c in names), None))


def marks(con: duckdb.DuckDBPyConnection, of: Layout) -> dict[str, str]:
    """`<rows>:<sum of row hashes>` of each part: of a large table's months (`2026-03`), else of `all`.

    A sum (not an exclusive or) so that a doubled row does not cancel out.
    """
    months = _by_month(con, of, of.table)
    return months if of.month_column and rows_of(months) >= LARGE_ROWS else {WHOLE: total(months)}


def marks_of(
    con: duckdb.DuckDBPyConnection, of: Layout, parts: Collection[str], *, database: str | None = None
) -> dict[str, str]:
    """The marks of these parts alone, here or in the table of the same name of another attached database.

    A part without rows is left out, but for `all`.
    """
    if not parts:
        return {}
    table = f"{database}.{of.table}" if database else of.table
    found = _by_month(con, of, f"{table} WHERE {' OR '.join(of.condition(part) for part in parts)}")
    return {WHOLE: total(found)} if WHOLE in parts else found


def months_of_rows(con: duckdb.DuckDBPyConnection, of: Layout, ranges: Collection[tuple[int, int]]) -> list[str]:
    """The parts that rows of these ranges of row ids, both ends included, belong to in a large table."""
    if not ranges:
        return []
    rows = " OR ".join(f"rowid BETWEEN {first} AND {last}" for first, last in ranges)
    found = con.execute(
        f"SELECT DISTINCT coalesce(strftime({_month(of)}, '%Y-%m'), '{TIMELESS}') FROM {of.table} WHERE {rows}"
    ).fetchall()
    return [part for (part,) in found]


def rows_of(marks: Mapping[str, str]) -> int:
    """Rows of all these parts."""
    return sum(int(mark.split(":")[0]) for mark in marks.values())


def total(parts: Mapping[str, str]) -> str:
    """The mark of a whole table from those of its parts."""
    pairs = [mark.split(":") for mark in parts.values()]
    return f"{sum(int(rows) for rows, _ in pairs)}:{sum(int(hashes) for _, hashes in pairs)}"


def fingerprint(con: duckdb.DuckDBPyConnection, table: str) -> str:
    """The mark of `schema.table` as a whole."""
    row = first_row(con, f"SELECT count(*) || ':' || coalesce(sum(hash({layout(con, table).content})), 0) FROM {table}")
    assert row is not None
    return str(row[0])


def tables_of(con: duckdb.DuckDBPyConnection, schemas: Iterable[str]) -> list[str]:
    """Tables and views of the schemas by qualified name, in order."""
    found = con.execute(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables "
        "WHERE list_contains(?, table_schema) AND table_catalog = current_database() ORDER BY ALL",
        [list(schemas)],
    ).fetchall()
    return [name for (name,) in found]


def fingerprints(con: duckdb.DuckDBPyConnection, schemas: Iterable[str]) -> dict[str, str]:
    """Fingerprint of every table and view of the schemas, by qualified name."""
    return {name: fingerprint(con, name) for name in tables_of(con, schemas)}


def _by_month(con: duckdb.DuckDBPyConnection, of: Layout, source: str) -> dict[str, str]:
    return dict(
        con.execute(
            f"""SELECT coalesce(strftime(month, '%Y-%m'), '{TIMELESS}') AS part, rows || ':' || hashes
            FROM (SELECT {_month(of)} AS month, count(*) AS rows, coalesce(sum(hash({of.content})), 0) AS hashes
                  FROM {source} GROUP BY ALL)
            ORDER BY part"""
        ).fetchall()
    )


def _month(of: Layout) -> str:
    if of.month_column is None:
        return "NULL::TIMESTAMP"
    # A month of UTC without the calendar of time zones, which takes longer than hashing the rows.
    is_date = dict(of.columns)[of.month_column] == "DATE"
    column = f'"{of.month_column}"'
    return f"datetrunc('month', {column if is_date else f'make_timestamp(epoch_us({column}))'})"
