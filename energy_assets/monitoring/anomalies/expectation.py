"""What a meter usually does, from its own past only.

Belongs here: the expectation and its usual error, hour by hour. Does not belong here: judging the difference.

Online, every value is made of rows before its own, so that a row's expectation never changes when later rows come in.
A review after the fact looks at the rows on both sides.
"""

from __future__ import annotations

from enum import Enum

import polars as pl

WEEKS = 6  # same hours of the week that the median takes
DAYS = 20  # same hours of the day, until there are enough weeks
RECENT_HOURS = 168
ERROR_DAYS = 28
LEVEL_BOUNDS = (0.7, 1.4)
SCALE_FLOOR = 0.03  # of the meter's mean: below this a difference is noise however regular the meter is


class Sight(Enum):
    """Which rows an hour may be judged by."""

    PAST = "past"  # online: those before it
    BOTH = "both"  # a review after the fact: those before and after it


def with_expectation(
    hourly: pl.DataFrame, forecasts: pl.DataFrame | None = None, sight: Sight = Sight.PAST
) -> pl.DataFrame:
    """The rows, sorted by meter and time, with what was to be expected of each.

    Added columns, all in kWh and null where the past is too short:
    `usual_kwh`, the median of the last six values of the same hour of the week (at least three; before that the same
    hour of the last twenty days, at least five);
    `expected_kwh`, the forecast where there is one, else the usual value at the level of the last seven days (median
    ratio, kept between 0.7 and 1.4, so that a season is followed and a broken unit is not);
    `error_kwh`, the usual error: 1.4826 times the median absolute difference over the last 28 values at this hour of
    day, at least 3 % of the meter's recent mean;
    `typical_kwh`, the mean magnitude over the last four weeks.

    The past is taken from `demand_kwh` (cleaned); the difference to judge is that of `demand_reported_kwh`.

    Args:
        hourly: meter_id, interval_start_utc, local_date, local_hour, demand_reported_kwh, demand_kwh; and is_holiday
            (of the local date) if the calendar is at hand: a holiday is then expected to be like a Sunday.
        forecasts: meter_id, interval_start_utc, expected_kwh, as issued before the hour; optional.
        sight: `BOTH` centres every window on the hour and leaves the hour itself in, a sixth of a median.
    """
    if sight is Sight.BOTH and forecasts is not None:
        raise ValueError("forecasts are for judging online; leave them out of a review")
    lag, center = (1, False) if sight is Sight.PAST else (0, True)
    meter = ["meter_id"]
    rows = hourly.sort("meter_id", "interval_start_utc").with_columns(
        day_of_week=day_of_week(hourly), clean=_finite("demand_kwh")
    )
    same_week_hour = ["meter_id", "day_of_week", "local_hour"]
    same_hour = ["meter_id", "local_hour"]
    past = pl.col("clean").shift(lag)
    rows = rows.with_columns(
        usual_kwh=pl.coalesce(
            past.rolling_median(WEEKS, min_samples=3, center=center).over(same_week_hour),
            past.rolling_median(DAYS, min_samples=5, center=center).over(same_hour),
        ),
        typical_kwh=past.abs().rolling_mean(ERROR_DAYS * 24, min_samples=48, center=center).over(meter),
    )
    ratio = pl.when(pl.col("usual_kwh") > 0.01 * pl.col("typical_kwh")).then(pl.col("clean") / pl.col("usual_kwh"))
    level = ratio.shift(lag).rolling_median(RECENT_HOURS, min_samples=24, center=center).over(meter).clip(*LEVEL_BOUNDS)
    rows = rows.with_columns(expected_kwh=pl.col("usual_kwh") * level.fill_null(1.0))
    if forecasts is not None:
        given = forecasts.select("meter_id", "interval_start_utc", forecast_kwh="expected_kwh")
        rows = (
            rows.join(given, on=["meter_id", "interval_start_utc"], how="left", maintain_order="left")
            .with_columns(expected_kwh=pl.coalesce("forecast_kwh", "expected_kwh"))
            .drop("forecast_kwh")
        )
    difference = (pl.col("clean") - pl.col("expected_kwh")).abs()
    error = difference.shift(lag).rolling_median(ERROR_DAYS, min_samples=5, center=center).over(same_hour) * 1.4826
    return rows.with_columns(
        error_kwh=pl.max_horizontal(error, pl.when(error.is_not_null()).then(SCALE_FLOOR * pl.col("typical_kwh")))
    ).drop("clean")


def day_of_week(hourly: pl.DataFrame) -> pl.Expr:
    """1 to 7, Monday first, of the local date; a holiday, where the frame tells by `is_holiday`, counts as a Sunday."""
    weekday = pl.col("local_date").dt.weekday()
    if "is_holiday" not in hourly.columns:
        return weekday
    return pl.when(pl.col("is_holiday").fill_null(value=False)).then(pl.lit(7, dtype=pl.Int8)).otherwise(weekday)


def _finite(column: str) -> pl.Expr:
    return pl.when(pl.col(column).is_finite()).then(pl.col(column))
