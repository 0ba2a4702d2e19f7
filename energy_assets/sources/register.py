"""Cumulative registers to energy per interval.

A register is read at an instant: the stamp is neither start nor end, so `timestamp_marks` says nothing here. The
energy of an interval is the difference of two readings exactly one interval apart, and it lies before the later one.
Where readings are further apart (a gap) the energy cannot be told apart by interval, and the last interval of the gap
is `missing`; where they are closer, or off the grid, the row is `off_grid`. The first reading of a meter in a file
only starts the count and is set aside as `first_register_value`.

Rollover: a register that falls has either run over or been changed. With `rollover` (the value after which it starts
again at 0) a fall is a rollover if the energy that follows from it is under half of a full turn; any other fall, and
every fall without `rollover`, is set aside as `register_went_back`, and counting goes on from the lower value.
"""

from __future__ import annotations

import polars as pl

from energy_assets.config import MeterFiles
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.units import to_kwh


def register_to_intervals(sieve: Sieve, source: MeterFiles, column: str | pl.Expr | None, raw: str) -> None:
    """Adds interval_start_utc, interval_end_utc and energy_kwh to rows of register readings.

    Args:
        sieve: rows with file_row, meter_id, at (instant), number (the register's value) and quality.
        source: its `interval_minutes`, `rollover`, `unit` and `scale` count.
        column: the file's name of the column, for rejected rows.
        raw: the frame's column of the raw text.
    """
    minutes = source.interval_minutes
    length = pl.duration(minutes=minutes)
    at = pl.col("at")
    sieve.set_aside_duplicates(["meter_id", "at"], ["number", "quality"], raw=raw, message="meter and time")
    before = pl.col("number").shift(1).over("meter_id", order_by="at")
    sieve.frame = sieve.frame.with_columns(
        _since=(at - at.shift(1)).over("meter_id", order_by="at"),
        _before=before,
        _moved=pl.col("number") - before,
        interval_start_utc=at - length,
    )
    sieve.set_aside(
        pl.col("_since").is_null(),
        reason="first_register_value",
        message="a register counts from its first reading on; there is nothing before to subtract",
        column=column,
        raw=raw,
    )
    if source.rollover:
        over = pl.col("_moved") + source.rollover
        turned = (pl.col("_moved") < 0) & (over >= 0) & (over < source.rollover / 2)
        sieve.frame = sieve.frame.with_columns(_moved=pl.when(turned).then(over).otherwise("_moved"))
    sieve.set_aside(
        pl.col("_moved") < 0,
        reason="register_went_back",
        message=pl.format("the reading before was {}; a new meter, or `rollover` is not set", pl.col("_before")),
        column=column,
        raw=raw,
    )
    whole = (pl.col("_since") == length) & pl.col("_moved").is_not_null()
    sieve.frame = sieve.frame.with_columns(
        interval_end_utc=at,
        energy_kwh=pl.when(whole).then(to_kwh(pl.col("_moved"), source.unit, minutes, source.scale)),
        quality=pl.when(whole).then("quality").otherwise(pl.lit("missing")),
    ).drop("_since", "_before", "_moved")
