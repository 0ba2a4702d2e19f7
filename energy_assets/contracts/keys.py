"""Whether rows share a key, found out cheaply where they are in order.

Belongs here: nothing else. Contracts and readers both ask it.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def any_shared(frame: pl.DataFrame, key: Sequence[str]) -> bool:
    """Whether two rows of the frame agree in all columns of the key; nulls agree with nulls.

    Rows that strictly rise, by the key as it stands or by its times first, share none: one look at each pair of
    neighbours says so, at a small part of what a table of all keys costs. Files mostly are in one of these orders.

    >>> any_shared(pl.DataFrame({"a": ["x", "x", "y"], "b": [1, 2, 1]}), ["a", "b"])
    False
    >>> any_shared(pl.DataFrame({"a": ["x", "y", "x"], "b": [1, 1, 1]}), ["a", "b"])
    True
    """
    times_first = sorted(key, key=lambda name: not isinstance(frame.schema[name], pl.Datetime))
    for order in (list(key), times_first):
        if frame.select(_rises(order).slice(1).all().fill_null(value=False)).item():
            return False
    return bool(frame.select(key).is_duplicated().any())


def _rises(order: Sequence[str]) -> pl.Expr:
    """Whether each row comes after the one before it; null counts as no."""
    rises = pl.lit(value=False)
    for name in reversed(order):
        here, before = pl.col(name), pl.col(name).shift(1)
        rises = (here > before) | ((here == before) & rises)
    return rises.fill_null(value=False)
