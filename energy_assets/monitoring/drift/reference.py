"""A reference held back: what each meter would draw had nothing changed for some weeks.

Belongs here: a regression on calendar and weather per meter, which for every week knows only what lay well before it.
Does not belong here: what a week's residuals mean (`statistics.py`), thresholds.

What is issued follows the errors of the last days, so a lasting change is gone from its residuals before two weeks have
seen it. The reference knows no demand of the last weeks: what it misses stays missed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

GAP_WEEKS = 4  # before a week that the reference has not seen: a drift has as long to be found
LEAST_WEEKS = 20  # that it has to have seen
LONG_WEEKS, YEAR_WEEKS = 80, 52  # a history of 80 weeks gives up those before which it had not seen a year
REFIT_WEEKS = 4
HEATING_C, COOLING_C = 15.0, 20.0
MEMORIES = ("1h", "24h", "72h")  # over which temperatures are averaged: walls remember
DAY_CLASSES = 5  # Tuesday to Thursday, Monday, Friday, Saturday, Sunday or holiday
HOUR_WAVES = 3
YEAR_WAVES, SHAPE_WAVES = 6, 2  # of the level over the year, and of the day's shape
ALPHA = 0.05  # of the ridge, in hours: enough for a solution
COLUMNS = ("meter_id", "kind", "week", "interval_start_utc", "interval_end_utc", "local_hour", "demand_kwh",
           "reference_kwh", "reference_start_utc", "reference_end_utc")  # fmt: skip
EXPLAINING = ("week", "local_date", "local_hour", "day_of_week", "is_holiday", "temperature_c", *MEMORIES,
              "published_kwh")  # fmt: skip
Matrix = NDArray[np.float64]


def held_back(frame: pl.DataFrame) -> pl.DataFrame:
    """Demand beside a reference that has not seen the last four weeks before it, meter by meter.

    A ridge regression on hour x day class, on the time of the year and of the day (from a year of history on), and on
    heating and cooling degrees of the hour and the days before it x hour; fitted anew every fourth week. A meter
    without temperatures takes the forecast that somebody published of it in their place, if there is one: it is the
    only trace of the weather that is left.

    All weeks of a meter cost one pass: normal equations are summed up week by week and solved once per fit. Meters with
    the same hours and weather, one after the other, share what does not depend on their demand.

    Args:
        frame: meter_id, kind, interval_start_utc, interval_end_utc, local_date, local_hour, day_of_week (1 = Monday),
            is_holiday, demand_kwh, temperature_c, published_kwh (the last four may be null); a row per hour, without
            demand too.

    Returns:
        `COLUMNS`, sorted by meter and time; `week` is the local Monday. Weeks before which the reference had seen too
        little are left out.
    """
    rows = frame.sort("meter_id", "interval_start_utc").with_columns(
        pl.col("demand_kwh", "temperature_c", "published_kwh").cast(pl.Float64),
        week=pl.col("local_date").dt.truncate("1w"),
    )
    hour = pl.col("interval_start_utc")
    rows = rows.with_columns(
        pl.col("temperature_c").rolling_mean_by(hour, memory).over("meter_id").alias(memory) for memory in MEMORIES
    )
    parts, explained, design = [], pl.DataFrame(), None
    with threadpool_limits(limits=1, user_api="blas"):  # small systems: more threads only wait for each other
        for part in rows.partition_by("meter_id", maintain_order=True):
            scale = _scale(part)
            published = pl.Series(part["published_kwh"].to_numpy() / scale).fill_nan(None)
            by = part.select(EXPLAINING).with_columns(published_kwh=published)
            if design is None or not by.equals(explained):
                explained, design = by, _Design.of(by)
            parts.append(_of_one(part, scale, design))
    empty = rows.clear().with_columns(
        reference_kwh=pl.lit(0.0), reference_start_utc=hour, reference_end_utc=hour
    )  # fmt: skip
    return pl.concat([empty, *parts]).select(COLUMNS)


@dataclass(frozen=True)
class _Design:
    """What demand is explained by: (hours, terms), the first of them `steady`, the others the time of the year.

    `first` is the row that each week begins with, `whole` are the normal equations of weeks without gaps.
    """

    terms: Matrix
    steady: int
    known: NDArray[np.bool_]
    first: NDArray[np.int64]
    whole: dict[int, Matrix] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: pl.DataFrame) -> _Design:
        steady, of_year = _terms(rows)
        terms = np.concatenate([*steady, *of_year], axis=1)
        known = np.isfinite(terms).all(axis=1)
        number = rows["week"].rank("dense").cast(pl.Int64).to_numpy() - 1
        first = np.searchsorted(number, np.arange(number[-1] + 2))
        return cls(terms, sum(part.shape[1] for part in steady), known, first)

    def equations(self, week: int, usable: NDArray[np.bool_]) -> tuple[Matrix, Matrix]:
        """Terms of the usable hours of a week, and their normal equations."""
        rows = slice(self.first[week], self.first[week + 1])
        if not np.array_equal(usable[rows], self.known[rows]):
            terms = self.terms[rows][usable[rows]]
            return terms, terms.T @ terms
        terms = self.terms[rows] if usable[rows].all() else self.terms[rows][usable[rows]]
        if week not in self.whole:
            self.whole[week] = terms.T @ terms
        return terms, self.whole[week]


def _scale(rows: pl.DataFrame) -> float:
    start = pl.col("week") < pl.col("week").min() + pl.duration(weeks=LEAST_WEEKS)  # what comes later moves no figure
    return float(rows.filter(start)["demand_kwh"].abs().mean() or 1.0)  # type: ignore[arg-type]


def _of_one(rows: pl.DataFrame, scale: float, design: _Design) -> pl.DataFrame:
    terms, first = design.terms, design.first
    demand = rows["demand_kwh"].to_numpy()
    usable = np.isfinite(demand) & design.known
    weeks, size = len(first) - 1, terms.shape[1]
    least = YEAR_WEEKS if weeks >= LONG_WEEKS else LEAST_WEEKS
    gram, moment = np.zeros((size, size)), np.zeros(size)
    said = np.full(len(demand), np.nan)
    solved: Matrix = np.zeros(0)
    for week in range(GAP_WEEKS + 1, weeks):  # weeks, not rows
        seen = week - GAP_WEEKS
        added = slice(first[seen - 1], first[seen])
        known, equations = design.equations(seen - 1, usable)
        gram += equations
        moment += known.T @ (demand[added][usable[added]] / scale)
        if seen < least:
            continue
        if not len(solved) or week % REFIT_WEEKS == 0:
            used = size if seen >= YEAR_WEEKS else design.steady
            solved = np.asarray(np.linalg.solve(gram[:used, :used] + ALPHA * np.eye(used), moment[:used]), np.float64)
        asked = slice(first[week], first[week + 1])
        said[asked] = np.maximum(terms[asked, : len(solved)] @ solved, 0.0) * scale
    seen_until = np.maximum(np.arange(weeks) - GAP_WEEKS, 0)
    return rows.with_columns(
        reference_kwh=pl.Series(said).fill_nan(None),
        reference_start_utc=pl.col("interval_start_utc").first(),
        reference_end_utc=rows["interval_start_utc"].gather(np.repeat(first[seen_until], np.diff(first))),
    ).filter(pl.int_range(pl.len()) >= first[min(least + GAP_WEEKS, weeks)])


def _terms(rows: pl.DataFrame) -> tuple[list[Matrix], list[Matrix]]:
    """Calendar and weather, and the time of the year: (hours, terms) each."""
    hour = rows["local_hour"].cast(pl.Int64).to_numpy()
    weekday = pl.col("day_of_week")
    day_class = rows.select(
        pl.when(pl.col("is_holiday").fill_null(value=False) | (weekday == 7)).then(4)
        .when(weekday == 6).then(3).when(weekday == 5).then(2).when(weekday == 1).then(1).otherwise(0)
    ).to_series().to_numpy()  # fmt: skip
    calendar = np.zeros((rows.height, 24 * DAY_CLASSES))
    calendar[np.arange(rows.height), day_class * 24 + hour] = 1.0
    of_day = _waves(hour / 24, HOUR_WAVES)
    year = rows["local_date"].dt.ordinal_day().to_numpy() / 365.25
    shapes = _products(of_day[:, 1:], _waves(year, SHAPE_WAVES)[:, 1:])
    return [calendar, _products(of_day, _weather(rows))], [_waves(year, YEAR_WAVES)[:, 1:], shapes]


def _weather(rows: pl.DataFrame) -> Matrix:
    if rows["temperature_c"].count() >= rows.height / 2:
        kept = rows.select(MEMORIES).to_numpy()
        return np.concatenate([np.maximum(HEATING_C - kept, 0), np.maximum(kept - COOLING_C, 0)], axis=1) / 10
    if rows["published_kwh"].count() >= rows.height / 2:
        return np.asarray(rows.select("published_kwh").to_numpy())
    return np.zeros((rows.height, 0))


def _waves(share: Matrix, count: int) -> Matrix:
    """1, and sines and cosines of a cycle."""
    angles = 2 * np.pi * share[:, None] * np.arange(1, count + 1)
    return np.concatenate([np.ones((len(share), 1)), np.sin(angles), np.cos(angles)], axis=1)


def _products(one: Matrix, other: Matrix) -> Matrix:
    return np.asarray((one[:, :, None] * other[:, None, :]).reshape(len(one), -1))
