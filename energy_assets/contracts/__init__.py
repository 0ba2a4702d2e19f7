"""Every table that Python writes: columns, types, units, keys, meaning.

This is the one place from which DDL, checks on loaded batches, Dagster metadata and the data dictionary are made.
Tables made by SQL are described in `dbt_project/` and nowhere else.
"""

from __future__ import annotations

from energy_assets.contracts import anomalies, drift, flexibility, forecasts, load_shifting, raw, scores
from energy_assets.contracts.types import Column, ContractError, Table

__all__ = ["SCHEMAS", "TABLES", "Column", "ContractError", "Table", "table"]

TABLES: dict[str, Table] = {
    t.qualified: t for module in (raw, forecasts, flexibility, load_shifting, anomalies, scores, drift) for t in module.TABLES
}
SCHEMAS: tuple[str, ...] = tuple(dict.fromkeys(t.schema for t in TABLES.values()))


def table(qualified: str) -> Table:
    """The contract of `schema.table`.

    Raises:
        KeyError: no such table is written by Python; the message lists those that are.
    """
    try:
        return TABLES[qualified]
    except KeyError:
        raise KeyError(f"{qualified} is no table of contracts; there are: {', '.join(sorted(TABLES))}") from None
