"""What a contract is made of, and how a frame is held against it.

Belongs here: `Column`, `Table` and the checks that need nothing but a frame. The tables stand beside this file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from energy_assets.contracts.keys import any_shared

POLARS_TYPES: dict[str, Any] = {
    "VARCHAR": pl.String,
    "DOUBLE": pl.Float64,
    "FLOAT": pl.Float32,
    "BIGINT": pl.Int64,
    "INTEGER": pl.Int32,
    "BOOLEAN": pl.Boolean,
    "DATE": pl.Date,
    "TIMESTAMPTZ": pl.Datetime("us", "UTC"),
}


class ContractError(ValueError):
    """A frame does not fit its table's contract. The message names the table, the column and what was expected."""


@dataclass(frozen=True)
class Column:
    """One column. `unit` is shown to people; `audit` columns say how a row came here and are never content or key."""

    name: str
    type: str
    meaning: str
    key: bool = False
    nullable: bool = False
    audit: bool = False
    allowed: tuple[str, ...] = ()

    @property
    def polars_type(self) -> Any:
        """The polars type that DuckDB's `type` arrives as."""
        return POLARS_TYPES[self.type]


@dataclass(frozen=True)
class Table:
    """One table: its name, what a row means, its columns."""

    schema: str
    name: str
    meaning: str
    columns: tuple[Column, ...]
    owner: str = "team:data-platform"
    by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {c.name: c for c in self.columns})

    @property
    def qualified(self) -> str:
        """`schema.table`, as SQL writes it."""
        return f"{self.schema}.{self.name}"

    @property
    def key(self) -> tuple[str, ...]:
        """Columns that identify a row."""
        return tuple(c.name for c in self.columns if c.key)

    @property
    def content(self) -> tuple[str, ...]:
        """Columns that are the table's content: all but the audit columns."""
        return tuple(c.name for c in self.columns if not c.audit)

    @property
    def polars_schema(self) -> pl.Schema:
        """Column names and polars types in the table's order."""
        return pl.Schema({c.name: c.polars_type for c in self.columns})

    def empty(self) -> pl.DataFrame:
        """A frame of no rows that fits."""
        return pl.DataFrame(schema=self.polars_schema)

    def ddl(self) -> list[str]:
        """Statements that create the table and write its descriptions into DuckDB. Safe to repeat."""
        body = ", ".join(f'"{c.name}" {c.type}{"" if c.nullable else " NOT NULL"}' for c in self.columns)
        statements = [
            f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"',
            f"CREATE TABLE IF NOT EXISTS {self.qualified} ({body})",
            f"COMMENT ON TABLE {self.qualified} IS {_literal(self.meaning)}",
        ]
        statements += [
            f'COMMENT ON COLUMN {self.qualified}."{c.name}" IS {_literal(c.meaning)}' for c in self.columns
        ]
        return statements

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with the table's columns in order and type; absent nullable columns come as nulls.

        Raises:
            ContractError: a column is missing, superfluous, of another type, null where it may not be, outside its
                allowed values, or the key is not unique.
        """
        unknown = [name for name in frame.columns if name not in self.by_name]
        if unknown:
            raise ContractError(f"{self.qualified}: columns {unknown} are not in the contract {list(self.by_name)}")
        missing = [c.name for c in self.columns if c.name not in frame.columns and not c.nullable]
        if missing:
            raise ContractError(f"{self.qualified}: columns {missing} are missing")
        expressions = []
        for column in self.columns:
            if column.name not in frame.columns:
                expressions.append(pl.lit(None, dtype=column.polars_type).alias(column.name))
                continue
            given = frame.schema[column.name]
            if not _castable(given, column.polars_type):
                raise ContractError(f"{self.qualified}.{column.name}: {given} given, {column.type} expected")
            expressions.append(pl.col(column.name).cast(column.polars_type))
        frame = frame.select(expressions)
        self._check_values(frame)
        return frame

    def _check_values(self, frame: pl.DataFrame) -> None:
        for column in self.columns:
            values = frame[column.name]
            if not column.nullable and values.null_count():
                row = values.is_null().arg_max()
                raise ContractError(f"{self.qualified}.{column.name}: null in row {row}, a value is expected")
            if column.allowed:
                said = values.drop_nulls().unique()
                wrong = said.filter(~said.is_in(list(column.allowed)))
                if len(wrong):
                    raise ContractError(
                        f"{self.qualified}.{column.name}: {wrong.to_list()[:5]} given, "
                        f"one of {list(column.allowed)} expected"
                    )
            if column.type in ("DOUBLE", "FLOAT") and values.is_nan().any():
                raise ContractError(f"{self.qualified}.{column.name}: NaN given, a number or null expected")
        if self.key and frame.height and any_shared(frame, self.key):
            doubled = frame.filter(frame.select(self.key).is_duplicated())
            raise ContractError(
                f"{self.qualified}: {doubled.height} rows share a key {self.key}, the first is "
                f"{doubled.select(self.key).row(0)}"
            )


def _castable(given: Any, wanted: Any) -> bool:
    """Only casts that lose nothing and guess nothing: no text to number, no naive time to an instant."""
    if given == wanted or given == pl.Null:
        return True
    if isinstance(wanted, pl.Datetime):
        return isinstance(given, pl.Datetime) and given.time_zone is not None
    if wanted in (pl.Float64, pl.Float32):
        return bool(given.is_numeric())
    if wanted in (pl.Int64, pl.Int32):
        return bool(given.is_integer())
    return bool(wanted == pl.String and given in (pl.Categorical, pl.Enum))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def columns(*groups: Iterable[Column] | Column) -> tuple[Column, ...]:
    """One tuple out of single columns and shared groups."""
    result: list[Column] = []
    for group in groups:
        result.extend([group] if isinstance(group, Column) else group)
    return tuple(result)
