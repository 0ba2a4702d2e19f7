"""Readings that a clock or a file's order put in the wrong place.

Belongs here: the hour at which the clock changes, and rows that step back. Does not belong here: a daily profile that
has moved (`clock_shift.py`).
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from energy_assets.monitoring.anomalies.events import FLAG_SCHEMA, flags
from energy_assets.monitoring.anomalies.rules.parts import HOUR, METER, before

MIN_STEPS_BACK = 2
HALF_OR_TWICE = 0.2  # about the factors 1/2 and 2
QUIET = 4.0  # usual errors that a halved or doubled hour has to stand out by
_KEY = [METER, "interval_start_utc"]


def dst_fold(hours: pl.DataFrame, rejected: pl.DataFrame | None) -> pl.DataFrame:
    """The hour that the clock repeats or skips, gone wrong.

    In autumn one of the two passes is missing, holds the energy of both (or half of it), or is a copy of the other;
    in spring an hour beside the change is half or twice what it should be, or the file has a row for the hour that
    never was. Levels are compared with the hours around the change, so that a mild night is not taken for it.
    """
    value = pl.col("demand_reported_kwh")
    step = pl.col("local_hour") - before(pl.col("local_hour"))
    hourly_step = pl.col("interval_start_utc") - before(pl.col("interval_start_utc")) == HOUR
    ratio = value / pl.when(pl.col("expected_kwh") > 0).then(pl.col("expected_kwh"))
    rows = hours.with_columns(
        second=((step == 0) & hourly_step).fill_null(value=False),
        sprung=(step.is_in([2, -22]) & hourly_step).fill_null(value=False),
        ratio=ratio,
        around=ratio.rolling_median(13, min_samples=6, center=True).over(METER),
        equal=(value == before(value)).fill_null(value=False),
    )
    first = before(pl.col("second"), -1).fill_null(value=False)
    beside = pl.col("sprung") | before(pl.col("sprung"), -1).fill_null(value=False)
    fold = pl.col("second") | first
    known_around = before(value, 2).is_not_null() & before(value, -2).is_not_null()
    absent = fold & value.is_null() & known_around
    relative = pl.col("ratio") / pl.col("around")
    off = pl.any_horizontal((relative / factor - 1).abs() < HALF_OR_TWICE for factor in (2.0, 0.5))
    stands_out = (value - pl.col("expected_kwh") * pl.col("around")).abs() > QUIET * pl.col("error_kwh")
    pair = pl.col("equal") & ~before(pl.col("equal")) & ~before(pl.col("equal"), -1)  # and no longer run
    often = pair.cast(pl.Float64).shift(1).rolling_mean(672, min_samples=48).over(METER) > 0.02
    copied = pl.col("second") & pair & ~often.fill_null(value=False) & (value != 0)
    wrong = absent | ((fold | beside) & off & stands_out) | copied
    score, repaired = pl.coalesce(relative, pl.lit(1.0)).clip(1.0), None
    found = flags(rows.filter(wrong.fill_null(value=False)), "dst_fold", "rule", score, 1.0, repaired)
    if rejected is None:
        return found
    filled = rejected.filter(pl.col("reason") == "nonexistent_local_time", pl.col("interval_start_utc").is_not_null())
    doubled = rejected.filter(pl.col("reason").str.starts_with("duplicate_"))
    at = pl.col("interval_start_utc").dt.truncate("1h")
    keys = [
        rows.join(filled.select(METER, interval_start_utc=at).unique(), on=_KEY, how="semi"),
        rows.filter(fold).join(doubled.select(METER, interval_start_utc=at).unique(), on=_KEY, how="semi"),
    ]
    aside = flags(pl.concat(keys), "dst_fold", "rejected_row", pl.lit(1.0), 1.0)
    return pl.concat([found, aside]).unique(_KEY, keep="first", maintain_order=True)


def file_order(readings: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Readings that stand a whole number of days beside their place in the file, again and again.

    A row whose neighbours in the file are two intervals apart belongs between them. Where it is stamped whole days
    off, the publisher stamps midnight with the wrong date; values cannot show it, the order of the rows does.
    """
    if readings.is_empty() or "file_row" not in readings.columns:
        return pl.DataFrame(schema=FLAG_SCHEMA)
    start = pl.col("interval_start_utc")
    length = pl.col("interval_end_utc") - start
    of_file = [METER, "load_id"]
    place = start.shift(1).over(of_file) + length
    off = (start - place).dt.total_seconds()
    between = (start.shift(-1) - start.shift(1)).over(of_file) == 2 * length
    rows = (
        readings.sort(*of_file, "file_row")
        .with_columns(displaced=(between & (off != 0) & (off % 86400 == 0)).fill_null(value=False))
        .filter("displaced")
        .with_columns(times=pl.len().over(METER))
        .select(
            METER,
            interval_start_utc=start.dt.truncate("1h"),
            interval_end_utc=start.dt.truncate("1h") + timedelta(hours=1),
            times="times",
            demand_reported_kwh=pl.lit(None, dtype=pl.Float64),
            expected_kwh=pl.lit(None, dtype=pl.Float64),
        )
        .unique([METER, "interval_start_utc"], keep="first", maintain_order=True)
        .join(meters.select(METER), on=METER, how="semi", maintain_order="left")
    )
    return flags(rows, "clock_shift", "file_order", pl.col("times"), float(MIN_STEPS_BACK))
