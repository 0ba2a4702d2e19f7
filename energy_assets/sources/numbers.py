"""Numbers out of columns that may hold text, numbers, placeholders for missing, or rubbish."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

MISSING_TEXTS = ("", "-", "N/A", "n/e", "NA", "null", "NULL", "NaN", "nan", "?")


def with_number(frame: pl.DataFrame, column: str, name: str, missing: Sequence[str] = MISSING_TEXTS) -> pl.DataFrame:
    """The frame with `name` (Float64, null where missing or no number) and `<name>_bad` (true where no number).

    A cell is missing if it is null, or its text without surrounding spaces is one of `missing`. Infinities are no
    numbers; a NaN is missing if `missing` has "NaN", as dataframes write it for a hole, and else no number.

    >>> with_number(pl.DataFrame({"x": ["1.5", "?", "much", "inf"]}), "x", "v").select("v", "v_bad").rows()
    [(1.5, False), (None, False), (None, True), (None, True)]
    """
    kind = frame.schema[column]
    if kind.is_numeric():
        given = pl.col(column).cast(pl.Float64)
        if "NaN" in missing or "nan" in missing:
            given = given.fill_nan(None)
        is_missing = given.is_null()
    else:
        text = pl.col(column).cast(pl.String).str.strip_chars()
        is_missing = text.is_null() | text.is_in(list(missing))
        given = text.cast(pl.Float64, strict=False)
    bad = ~is_missing & ~given.is_finite().fill_null(value=False)
    return frame.with_columns(
        pl.when(~is_missing & ~bad).then(given).otherwise(None).alias(name),
        bad.alias(f"{name}_bad"),
    )
