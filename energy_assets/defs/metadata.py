"""What every table asset shows in the UI: rows, columns, time range, a small plot."""

import base64
import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
import duckdb

from energy_assets.contracts import Table
from energy_assets.warehouse import first_row

TIME_COLUMNS = (
    "interval_start_utc",
    "valid_at_utc",
    "observed_at_utc",
    "window_start_utc",
    "start_utc",
    "issued_at_utc",
    "local_date",
    "trained_at_utc",
    "decided_at_utc",
)


def column_schema(table: Table) -> dg.TableSchema:
    """The contract as Dagster's column schema."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=c.name,
                type=c.type,
                description=c.meaning,
                constraints=dg.TableColumnConstraints(
                    nullable=c.nullable, other=[f"one of {', '.join(c.allowed)}"] if c.allowed else []
                ),
                tags={"key": ""} if c.key else {},
            )
            for c in table.columns
        ],
        constraints=dg.TableConstraints(other=[f"key: {', '.join(table.key)}"]),
    )


def table_metadata(con: duckdb.DuckDBPyConnection, table: Table) -> dict[str, Any]:
    """Row count and time range of a table as it stands."""
    time = next((c for c in TIME_COLUMNS if c in table.by_name), None)
    extent = f', min("{time}")::VARCHAR, max("{time}")::VARCHAR' if time else ""
    row = first_row(con, f"SELECT count(*){extent} FROM {table.qualified}")
    assert row is not None
    metadata: dict[str, Any] = {"dagster/row_count": row[0], "dagster/table_name": table.qualified}
    if time and row[1] is not None:
        metadata |= {"time_column": time, "time_first": row[1], "time_last": row[2]}
    return metadata


def plot(png: bytes) -> dg.MarkdownMetadataValue:
    """A PNG as metadata that the UI shows in place."""
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")


def cell(value: object) -> str:
    """A value in a Markdown table: one line, and no markup of whoever chose a name.

    >>> cell("a|b <i>")
    'a\\\\|b \\\\<i>'
    """
    return re.sub(r"([\\`*\[\]<|&])", r"\\\1", " ".join(str(value).split()))


def spec_metadata(table: Table) -> Mapping[str, Any]:
    """What is known of a table before it is made."""
    return {"dagster/column_schema": column_schema(table), "dagster/table_name": table.qualified}


def table_spec(table: Table, *, group: str, kinds: set[str], owner: str | None = None, **more: Any) -> dg.AssetSpec:
    """The asset of a table of contracts: its key is `[schema, table]`."""
    return dg.AssetSpec(
        [table.schema, table.name],
        description=table.meaning,
        group_name=group,
        kinds={"python", "duckdb", *kinds},
        owners=[owner or table.owner],
        metadata=spec_metadata(table),
        **more,
    )
