"""Local time of meters, and the hours and days that a price or a charge holds in.

Belongs here: wall clocks and masks as expressions over frames. Does not belong here: prices, peaks.
"""

from __future__ import annotations

import polars as pl

ALL = "all"


def with_local_time(frame: pl.DataFrame, instant: str) -> pl.DataFrame:
    """The frame with `local_time`, the wall clock of each row's `timezone` at the instant of a column.

    A loop over the few zones: a polars column has only one.

    Example:
        >>> from datetime import UTC, datetime
        >>> rows = pl.DataFrame({"timezone": ["Asia/Tokyo"], "at": [datetime(2026, 1, 1, 20, tzinfo=UTC)]})
        >>> with_local_time(rows, "at")["local_time"].item()
        datetime.datetime(2026, 1, 2, 5, 0)
    """
    clock = pl.col(instant).dt
    local = [
        pl.when(pl.col("timezone") == zone).then(clock.convert_time_zone(zone).dt.replace_time_zone(None))
        for zone in frame["timezone"].unique().sort()
    ]
    return frame.with_columns(local_time=pl.coalesce([*local, clock.replace_time_zone(None)]))


def in_window(window: pl.Expr, local_time: pl.Expr) -> pl.Expr:
    """Whether a wall clock lies in local hours as tariffs write them: `all`, `07:00-21:00`, `22:00-06:00`.

    Example:
        >>> from datetime import datetime
        >>> rows = pl.DataFrame({"window": ["all", "07:00-21:00", "22:00-06:00"], "at": [datetime(2026, 1, 1, 23)] * 3})
        >>> rows.select(inside=in_window(pl.col("window"), pl.col("at")))["inside"].to_list()
        [True, False, True]
    """
    minute = local_time.dt.hour().cast(pl.Int32) * 60 + local_time.dt.minute()
    start, end = (
        window.str.slice(at, 2).cast(pl.Int32, strict=False) * 60
        + window.str.slice(at + 3, 2).cast(pl.Int32, strict=False)
        for at in (0, 6)
    )
    through_midnight = (minute >= start) | (minute < end)
    between = (minute >= start) & (minute < end)
    inside = pl.when(start < end).then(between).otherwise(through_midnight)
    return pl.when(window == ALL).then(True).otherwise(inside)


def on_calendar(calendar: pl.Expr, is_workday: pl.Expr) -> pl.Expr:
    """Whether a day is one of those that a tariff names: `all`, `workdays`, `weekends_and_holidays`."""
    return pl.when(calendar == ALL).then(True).when(calendar == "workdays").then(is_workday).otherwise(~is_workday)


def demand_window(window: pl.Expr, calendar: pl.Expr) -> pl.Expr:
    """Hours and days in one word, as the tables of peaks write them.

    Example:
        >>> rows = pl.DataFrame({"w": ["all", "07:00-21:00"], "c": ["all", "workdays"]})
        >>> rows.select(demand_window(pl.col("w"), pl.col("c")))["w"].to_list()
        ['all', '07:00-21:00 workdays']
    """
    return pl.when(calendar == ALL).then(window).otherwise(pl.concat_str(window, calendar, separator=" "))
