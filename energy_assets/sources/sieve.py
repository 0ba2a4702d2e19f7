"""Setting rows aside with a reason: what every reader does with what it cannot take.

Belongs here: the bookkeeping of rejected rows. Does not belong here: which rows are wrong.
"""

from __future__ import annotations

import polars as pl

from energy_assets.contracts.keys import any_shared
from energy_assets.sources.base import REJECTED_SCHEMA


class Sieve:
    """A frame from which rows are set aside.

    `frame` holds the rows still good; it has a column `file_row`. What `set_aside` takes out is in `rejected()`.

    >>> sieve = Sieve(pl.DataFrame({"file_row": [1, 2], "x": ["1", "a"]}), "raw.meter_readings")
    >>> sieve.set_aside(pl.col("x") == "a", reason="not_a_number", message="a number is expected", column="x", raw="x")
    >>> sieve.frame["x"].to_list(), sieve.rejected()["raw_text"].to_list()
    (['1'], ['a'])
    """

    def __init__(self, frame: pl.DataFrame, table_name: str, rejected: pl.DataFrame | None = None) -> None:
        self.frame = frame
        self.table_name = table_name
        self._rejected = [] if rejected is None else [rejected]

    def set_aside(
        self,
        where: pl.Expr,
        *,
        reason: str,
        message: str | pl.Expr,
        column: str | pl.Expr | None = None,
        raw: str | pl.Expr | None = None,
    ) -> None:
        """Takes the rows out for which `where` is true (null is false)."""
        wrong = self.note(where, reason=reason, message=message, column=column, raw=raw)
        if wrong is not None:
            self.frame = self.frame.filter(~wrong)

    def note(
        self,
        where: pl.Expr,
        *,
        reason: str,
        message: str | pl.Expr,
        column: str | pl.Expr | None = None,
        raw: str | pl.Expr | None = None,
    ) -> pl.Series | None:
        """Writes rows down as rejected and leaves them in the frame: for a row of which only one column is wrong.

        Returns the mask of these rows, or None if there are none.
        """
        wrong = self.frame.select(where.fill_null(value=False).alias("wrong")).to_series()
        if not wrong.any():
            return None
        raw_text = pl.col(raw) if isinstance(raw, str) else raw
        self._rejected.append(
            self.frame.filter(wrong).select(
                table_name=pl.lit(self.table_name),
                file_row=pl.col("file_row").cast(pl.Int64),
                column_name=pl.lit(column, dtype=pl.String) if not isinstance(column, pl.Expr) else column,
                raw_text=pl.lit(None, dtype=pl.String) if raw_text is None else raw_text.cast(pl.String),
                reason=pl.lit(reason),
                message=message if isinstance(message, pl.Expr) else pl.lit(message),
                meter_id=self._known("meter_id"),
                interval_start_utc=self._known("interval_start_utc"),
            )
        )
        return wrong

    def _known(self, column: str) -> pl.Expr:
        """What is known by now of whose and which interval the row is."""
        return pl.col(column) if column in self.frame.columns else pl.lit(None, dtype=REJECTED_SCHEMA[column])

    def set_aside_duplicates(self, key: list[str], same: list[str], *, raw: str, message: str) -> None:
        """Keeps the first row of each `key`; later ones go as `duplicate_identical` or `duplicate_disagrees`.

        `same` names the columns in which an identical row equals the first; `message` says what a key is.
        """
        if not any_shared(self.frame, key):
            return
        self.frame = self.frame.with_columns(
            _repeat=pl.int_range(pl.len()).over(key) > 0,
            _first_row=pl.col("file_row").first().over(key),
            _agrees=pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).first().over(key)) for c in same),
        )
        says = pl.format("row {} has the same {}", pl.col("_first_row"), pl.lit(message))
        self.set_aside(
            pl.col("_repeat") & pl.col("_agrees"),
            reason="duplicate_identical",
            message=says + pl.lit("; kept once"),
            raw=raw,
        )
        self.set_aside(
            pl.col("_repeat"),
            reason="duplicate_disagrees",
            message=says + pl.lit(" and other values; the first row is kept"),
            raw=raw,
        )
        self.frame = self.frame.drop("_repeat", "_first_row", "_agrees")

    def rejected(self) -> pl.DataFrame:
        """All rows set aside or noted so far, in the order of the file."""
        if not self._rejected:
            return pl.DataFrame(schema=REJECTED_SCHEMA)
        return pl.concat(self._rejected).cast(REJECTED_SCHEMA).sort("file_row", maintain_order=True)
