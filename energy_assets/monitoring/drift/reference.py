"""A reference held back: what each meter would draw had nothing changed since some weeks ago.

Belongs here: a regression on calendar and weather per meter, fitted anew for every week on what lay well before it.
Does not belong here: what a week's residuals mean (`statistics.py`), thresholds.

What is issued follows the errors of the last days, so a lasting change is gone from its residuals before two weeks
have seen it. The reference knows no demand of the last weeks, and what it misses stays missed.
"""

from __future__ import annotations

import numpy as np
import polars as pl

GAP_WEEKS = 4  # weeks before the one in question that the reference has not seen
LEAST_WEEKS = 26  # of history before it
YEAR_WEEKS = 52  # from so much history on it knows the time of the year
HOUR_WAVES, YEAR_WAVES = 3, 2
HEATING_C, COOLING_C = 15.0, 20.0
DAY_CLASSES = 5  # Tuesday to Thursday, Monday, Friday, Saturday, Sunday or holiday
ALPHA = 1.0  # of the ridge, in hours
MEMORIES = ("1h", "24h", "72h")  # over which the temperature is averaged: walls remember
Matrix = np.ndarray


def held_back(frame: pl.DataFrame) -> pl.DataFrame:
    """Demand beside a reference that was fitted on the weeks up to `GAP_WEEKS` before each week, meter by meter.

    A ridge regression on hour x day class, on the time of the year x hour (from a year of history on), and on heating
    and cooling degrees of the hour and the days before it x hour. A meter without temperatures takes the forecast that
    somebody published of it in their place, if there is one: it is the only trace of the weather that is left.

    All weeks of a meter cost one pass: normal equations are summed up week by week and solved once per week.

    Args:
        frame: meter_id, kind, interval_start_utc, interval_end_utc, local_date, local_hour, day_of_week (1 = Monday),
            is_holiday, demand_kwh, temperature_c, published_kwh; the last three may be null. One row per hour, those
            without demand too.

    Returns:
        meter_id, kind, week (its Monday, a local date), interval_start_utc, interval_end_utc, local_hour, demand_kwh,
        reference_kwh, reference_start_utc, reference_end_utc; weeks with fewer than 30 weeks of history are left out.
    """
    rows = frame.sort("meter_id", "interval_start_utc").with_columns(
        week=pl.col("local_date").dt.truncate("1w"), weather_kwh=pl.col("published_kwh"),
        **{
            f"temperature_{memory}": pl.col("temperature_c")
            .rolling_mean_by("interval_start_utc", memory).over("meter_id")
            for memory in MEMORIES
        },
    )  # fmt: skip
    parts = [_of_one(part) for part in rows.partition_by("meter_id", maintain_order=True)]
    kept = ("meter_id", "kind", "week", "interval_start_utc", "interval_end_utc", "local_hour", "demand_kwh",
            "reference_kwh", "reference_start_utc", "reference_end_utc")  # fmt: skip
    return pl.concat([p.select(kept) for p in parts]) if parts else pl.DataFrame(schema=dict.fromkeys(kept, pl.Null))


def _of_one(rows: pl.DataFrame) -> pl.DataFrame:
    demand = rows["demand_kwh"].cast(pl.Float64).to_numpy()
    scale = float(np.nanmean(np.abs(demand))) if np.isfinite(demand).any() else 1.0
    scale = scale or 1.0
    calendar, year, weather = _terms(rows, scale)
    terms = np.concatenate([calendar, weather, year], axis=1)
    number = rows["week"].rank("dense").to_numpy() - 1
    first = np.searchsorted(number, np.arange(number.max() + 2))
    usable = np.isfinite(demand) & np.isfinite(terms).all(axis=1)
    terms, said = np.where(np.isfinite(terms), terms, np.nan), np.full(len(demand), np.nan)
    size, young = terms.shape[1], terms.shape[1] - year.shape[1]
    gram, moment = np.zeros((size, size)), np.zeros(size)
    weeks = len(first) - 1
    for week in range(weeks):  # weeks, not rows: each adds its sums and asks for one solution
        seen = week - GAP_WEEKS  # the weeks before this one are in the sums
        if seen > 0:
            add = slice(first[seen - 1], first[seen])
            known = terms[add][usable[add]]
            gram += known.T @ known
            moment += known.T @ (demand[add][usable[add]] / scale)
        if seen < LEAST_WEEKS:
            continue
        used = size if seen >= YEAR_WEEKS else young
        solved = np.linalg.solve(gram[:used, :used] + ALPHA * np.eye(used), moment[:used])
        ask = slice(first[week], first[week + 1])
        said[ask] = np.maximum(terms[ask, :used] @ solved, 0.0) * scale
    start = rows["interval_start_utc"][0]
    seen_until = pl.Series(first[np.maximum(number - GAP_WEEKS, 0)])
    return rows.with_columns(
        reference_kwh=pl.Series(said, dtype=pl.Float64).fill_nan(None),
        reference_start_utc=pl.lit(start),
        reference_end_utc=rows["interval_start_utc"].gather(seen_until),
    ).filter(pl.int_range(pl.len()) >= first[min(LEAST_WEEKS + GAP_WEEKS, weeks)])


def _terms(rows: pl.DataFrame, scale: float) -> tuple[Matrix, Matrix, Matrix]:
    """Calendar, time of the year and weather: (hours, terms) each."""
    hour = rows["local_hour"].cast(pl.Int64).to_numpy()
    weekday = pl.col("day_of_week")
    classes = rows.select(
        pl.when(pl.col("is_holiday").fill_null(value=False) | (weekday == 7)).then(4)
        .when(weekday == 6).then(3).when(weekday == 5).then(2).when(weekday == 1).then(1).otherwise(0)
    ).to_series().to_numpy()  # fmt: skip
    calendar = np.zeros((rows.height, 24 * DAY_CLASSES))
    calendar[np.arange(rows.height), classes * 24 + hour] = 1.0
    of_day = _waves(hour / 24, HOUR_WAVES)
    of_year = _waves(rows["local_date"].dt.ordinal_day().to_numpy() / 365.25, YEAR_WAVES)[:, 1:]
    if rows["temperature_c"].count() >= rows.height / 2:
        kept = rows.select(f"temperature_{memory}" for memory in MEMORIES).to_numpy()
        weather = np.concatenate([np.maximum(HEATING_C - kept, 0), np.maximum(kept - COOLING_C, 0)], axis=1) / 10
    elif rows["published_kwh"].count() >= rows.height / 2:
        weather = rows.select(pl.col("published_kwh").cast(pl.Float64) / scale).to_numpy()
    else:
        weather = np.zeros((rows.height, 0))
    return calendar, _products(of_day, of_year), _products(of_day, weather)


def _waves(share: Matrix, count: int) -> Matrix:
    angles = 2 * np.pi * share[:, None] * np.arange(1, count + 1)
    return np.concatenate([np.ones((len(share), 1)), np.sin(angles), np.cos(angles)], axis=1)


def _products(one: Matrix, other: Matrix) -> Matrix:
    return np.asarray((one[:, :, None] * other[:, None, :]).reshape(len(one), -1))
