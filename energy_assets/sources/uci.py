"""UCI 235, "Individual household electric power consumption": one household near Paris, one row per minute.

Format: text separated by `;` (as published) or `,`, plain or zipped, with the columns Date, Time, Global_active_power
and others that are not used (an index column may stand before them). Units: Global_active_power is the mean of the
minute in kW; a reading is kW / 60 in kWh. Missing: `?`. Times: the stamp marks the start of the minute, in French
local time: the household's morning keeps its hour on the clock over both changes of the clock. The file holds a full
hour even where the clock skips one (rejected: it does not exist) and the repeated hour once (its first pass).

Dates: published as d/m/yyyy; copies mix d/m/yyyy, d/m/yy and m/d in one column. Which order the dates of a shape have
is decided once per file, by the order of its rows: the one that makes days follow one another. Where both do, it is
the published one.

Publication lag: none is stated, it is a data set; `publication_lag_minutes` plays the part of a meter that reports.
"""

from __future__ import annotations

from itertools import product

import polars as pl

from energy_assets.config import UciHousehold
from energy_assets.sources.base import Batch
from energy_assets.sources.files import decode, read_bytes
from energy_assets.sources.numbers import with_number
from energy_assets.sources.readings import READINGS, Reading, finish_readings, meter_tables
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.tabular import csv_rows
from energy_assets.sources.timestamps import UTC_TIME, set_aside_nonexistent, with_instants
from energy_assets.sources.units import to_kwh

POWER = "Global_active_power"
DATE = r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})$"
ORDERS = ("day_first", "month_first")


def read_uci_household(source: UciHousehold, reading: Reading) -> Batch:
    """One file of the data set as raw.meter_readings and raw.meters, at one minute.

    Raises:
        SourceError: the file cannot be read, or has other columns.
    """
    path = reading.file.path
    text = decode(read_bytes(reading.file), path)
    header = text.partition("\n")[0]
    table = csv_rows(text, path, ";" if header.count(";") else ",", ["Date", "Time", POWER], READINGS)
    sieve = Sieve(table.frame.select("file_row", "Date", "Time", POWER), READINGS, table.rejected)
    zone = source.timezone or reading.market.timezone
    sieve.frame = with_days(sieve.frame)
    clock = pl.col("Time").str.strip_chars().str.to_time("%H:%M:%S", strict=False)
    sieve.frame = sieve.frame.with_columns(
        at_naive=pl.col("day").dt.combine(clock, time_unit="us"),
        at_instant=pl.lit(None, dtype=UTC_TIME),
        meter_id=pl.lit(source.meter_id),
    )
    sieve.set_aside(
        pl.col("at_naive").is_null(),
        reason="bad_timestamp",
        message="d/m/yyyy and h:mm:ss are expected",
        column="Date",
        raw=pl.format("{} {}", pl.col("Date").fill_null(""), pl.col("Time").fill_null("")),
    )
    sieve.set_aside(
        pl.col("at_naive").dt.second() != 0,
        reason="off_grid",
        message="full minutes are expected",
        column="Time",
        raw="Time",
    )
    sieve.frame = with_instants(sieve.frame, "at", zone)
    set_aside_nonexistent(sieve, "at", raw="Time", column="Time", zone=zone)
    sieve.frame = with_number(sieve.frame, POWER, "number")
    sieve.set_aside(
        pl.col("number_bad"), reason="not_a_number", message="kW or ? are expected", column=POWER, raw=POWER
    )
    sieve.frame = sieve.frame.with_columns(
        interval_start_utc=pl.col("at"),
        interval_end_utc=pl.col("at") + pl.duration(minutes=1),
        energy_kwh=to_kwh(pl.col("number"), "kW", 1),
        quality=pl.when(pl.col("number").is_null()).then(pl.lit("missing")).otherwise(pl.lit("measured")),
    )
    readings = finish_readings(sieve, source, reading, "import", POWER, raw=POWER)
    return Batch(
        rows=table.rows,
        tables={READINGS: readings, **meter_tables(readings, source, reading.market)},
        rejected=sieve.rejected(),
        loaded_rows=readings["file_row"],
    )


def with_days(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with `day`: the dates of the text column `Date`, whose formats may be mixed, by the order of the rows.

    A date that only one order allows (13/1/2007) is that. For the others the order is chosen per shape (two or four
    digits of the year) so that, over the runs of equal dates, days go back as seldom, and then follow one another as
    often, as can be.

    >>> dates = ["12/1/07", "13/1/2007", "31/1/2007", "1/2/07"]
    >>> [str(d) for d in with_days(pl.DataFrame({"Date": dates}))["day"]]
    ['2007-01-12', '2007-01-13', '2007-01-31', '2007-02-01']
    """
    parts = pl.col("Date").str.strip_chars().str.extract_groups(DATE)
    a, b = (parts.struct.field(str(i)).cast(pl.Int32, strict=False) for i in (1, 2))
    year = parts.struct.field("3")
    short = year.str.len_chars() == 2
    full_year = year.cast(pl.Int32, strict=False) + pl.when(short).then(2000).otherwise(0)
    runs = (
        frame.select(
            run=pl.col("Date").rle_id(),
            short=short,
            day_first=_date(full_year, month=b, day=a),
            month_first=_date(full_year, month=a, day=b),
        )
        .group_by("run", maintain_order=True)
        .first()
    )
    choices = [_days(runs, dict(zip((True, False), orders, strict=True))) for orders in product(ORDERS, repeat=2)]
    best = min(choices, key=_disorder)  # the first of equals: day first, as published
    return frame.with_columns(best.gather(frame["Date"].rle_id()).alias("day"))


def _date(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    text = pl.format("{}-{}-{}", year, month.cast(pl.String).str.zfill(2), day.cast(pl.String).str.zfill(2))
    return text.str.to_date("%Y-%m-%d", strict=False)


def _days(runs: pl.DataFrame, order: dict[bool, str]) -> pl.Series:
    other = {"day_first": "month_first", "month_first": "day_first"}
    return runs.select(
        pl.when("short")
        .then(pl.coalesce(order[True], other[order[True]]))
        .otherwise(pl.coalesce(order[False], other[order[False]]))
    ).to_series()


def _disorder(days: pl.Series) -> tuple[int, int]:
    steps = days.drop_nulls().diff().drop_nulls().dt.total_days()
    return int((steps < 0).sum()), int((steps != 1).sum())
