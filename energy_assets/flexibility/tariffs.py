"""What energy and power cost in given intervals, as known at an issue time.

Belongs here: which price holds when. Does not belong here: which peaks are billed (`incumbents.py`), bills, advice.

Of several energy prices that hold at one time the one that began last counts, of those the one of the narrower window:
a price for some hours stands before the one for all. A window that runs over midnight belongs, hour by hour, to the day
that the hour lies in.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from energy_assets.flexibility.clock import ALL, demand_window, in_window, on_calendar

PUBLISHED, EXPECTED = "published", "expected"
HOURLY = timedelta(hours=3)  # a row that holds no longer is one of a series of prices by the hour
STAND_IN_DAYS = (7, 14, 21, 28)  # the same hour of the week, the newest first


def energy_prices(tariffs: pl.DataFrame, intervals: pl.DataFrame, issued_at: datetime) -> pl.DataFrame:
    """The price per kWh of each interval.

    Where the price by the hour is not published yet at the issue time, the one of the same hour of the week before
    stands in (UTC: in the week after a change of clocks the hour beside it), and `price_basis` says `expected`.

    Args:
        tariffs: rows of `raw.tariffs`; those known after the issue time do not count.
        intervals: meter_id, tariff_id, interval_start_utc, local_time (wall clock of the start), is_workday.
        issued_at: aware.

    Returns:
        The intervals in their order with price, price_basis (published, expected) and currency, null where there is
        none.
    """
    at = issued_at.astimezone(UTC)
    known = tariffs.filter(pl.col("component") == "energy", pl.col("known_at_utc") <= at)
    by_hour = (pl.col("valid_to_utc") - pl.col("valid_from_utc") <= HOURLY).fill_null(value=False)
    series = known.filter(by_hour).select("tariff_id", "valid_from_utc", "valid_to_utc", "price", "currency")
    series = series.sort("valid_from_utc")
    named = intervals.with_row_index("_row")
    found = [_standing(known.filter(~by_hour), named), _of_series(series, named, 0)]
    late = [_of_series(series, named, days) for days in STAND_IN_DAYS]
    whole = pl.concat([f.with_columns(_rank=pl.lit(rank)) for rank, f in enumerate([found[1], found[0], *late])])
    best = whole.sort("_row", "_rank").unique("_row", keep="first", maintain_order=True)
    basis = pl.when(pl.col("_rank") < len(found)).then(pl.lit(PUBLISHED)).otherwise(pl.lit(EXPECTED))
    best = best.select("_row", "price", "currency", price_basis=basis)
    return named.join(best, on="_row", how="left", maintain_order="left").drop("_row")


def demand_prices(tariffs: pl.DataFrame, issued_at: datetime) -> pl.DataFrame:
    """What a kW of a month's highest power costs: tariff_id, demand_window, price_per_kw, currency.

    A price per kW and year is shared out over the months. With the mean of the last twelve maxima a kW costs a
    twelfth in each of the next twelve months, which comes to the same.

    Args:
        tariffs: rows of `raw.tariffs`.
        issued_at: what was known later, or does not hold then, does not count.
    """
    at = pl.lit(issued_at.astimezone(UTC))
    holds = (pl.col("valid_from_utc") <= at) & (pl.col("valid_to_utc").is_null() | (pl.col("valid_to_utc") > at))
    return (
        tariffs.filter(pl.col("component") == "demand", pl.col("known_at_utc") <= at, holds)
        .with_columns(
            demand_window=demand_window(pl.col("window"), pl.col("calendar")),
            price_per_kw=pl.col("price") / pl.when(pl.col("unit") == "kW_year").then(12.0).otherwise(1.0),
        )
        .sort("valid_from_utc", "known_at_utc", "price")
        .group_by("tariff_id", "demand_window", maintain_order=True)
        .agg(pl.col("price_per_kw", "currency").last())
    )


def _standing(rows: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """Prices by window and calendar."""
    start, end = pl.col("valid_from_utc"), pl.col("valid_to_utc")
    holding = named.select("_row", "tariff_id", "interval_start_utc", "local_time", "is_workday").join(
        rows.select("tariff_id", "window", "calendar", "valid_from_utc", "valid_to_utc", "price", "currency"),
        on="tariff_id",
    )
    at = pl.col("interval_start_utc")
    return (
        holding.filter(
            start <= at,
            end.is_null() | (end > at),
            in_window(pl.col("window"), pl.col("local_time")),
            on_calendar(pl.col("calendar"), pl.col("is_workday")),
        )
        .with_columns(_narrow=(pl.col("window") != ALL).cast(pl.Int8) + (pl.col("calendar") != ALL).cast(pl.Int8))
        .sort("_row", "valid_from_utc", "_narrow", "window", "price")
        .group_by("_row", maintain_order=True)
        .agg(pl.col("price", "currency").last())
    )


def _of_series(series: pl.DataFrame, named: pl.DataFrame, days_before: int) -> pl.DataFrame:
    """Prices by the hour, of so many days before."""
    wanted = named.select("_row", "tariff_id", at=pl.col("interval_start_utc") - timedelta(days=days_before))
    found = wanted.sort("at").join_asof(
        series, left_on="at", right_on="valid_from_utc", by="tariff_id", check_sortedness=False
    )
    return found.filter(pl.col("at") < pl.col("valid_to_utc")).select("_row", "price", "currency")
