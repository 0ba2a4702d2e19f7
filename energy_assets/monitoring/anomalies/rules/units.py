"""A level off by the factor of a wrong unit while the shape stays.

Belongs here: one rule and its factors. Does not belong here: other changes of level (`level_shift.py`).
"""

from __future__ import annotations

from itertools import pairwise
from math import log10

import polars as pl

from energy_assets.monitoring.anomalies.events import flags
from energy_assets.monitoring.anomalies.rules.parts import METER, TAIL_HOURS, past_quantile

# kWh for Wh or MWh, kW over a quarter of an hour for kWh, a misplaced decimal.
FACTORS = (4.0, 10.0, 100.0, 1000.0, 1e6)
SCALE_WINDOW = 12
LONG_WINDOW = 24  # for a factor of four at meters whose hours scatter
ABSURD = 10.0
STEADY_ALL_DAY = 0.1
UNDERCUT, FLOOR_AGE = 0.4, 72  # of the lowest usual hours until three days ago
# A level on its own: as many hours together have never been so high, or so low, in sixty days.
BREAKS_RECORD, UNDERCUTS_RECORD = 1.4, 1.7
RECORD_MIN_HOURS = 28 * 24
RECORD_TOLERANCE = 0.2  # of the log of a factor of four
_LOGS = tuple(sorted(sign * log10(f) for f in FACTORS for sign in (1, -1)))
_FOUR = log10(4.0)


def unit_scale(hours: pl.DataFrame) -> pl.DataFrame:
    """A level off by 4, 10, 100, 1000 or a million, or a part of it, while the shape stays.

    Four signs, any of which counts:
    the median of log10(reported / usual) over twelve hours is close to that of a factor, scatters little, is four
    times as far off as such medians are usually (an empty home uses a tenth of its usual), the values still vary as
    they usually do (a stuck or dead meter is not taken for it), and a fourth or a tenth undercuts the usual floor or
    holds by night and by day;
    for a factor of four at meters of irregular hours, the lowest, the middle and the highest hours of a day have all
    risen by it;
    the median of twelve hours is 1.4 times the highest such median of sixty days, or 1.7 times below the lowest, and
    about four times, or a fourth of, what was to be expected;
    three hours in a row stand above ten times the highest usual hours, or at a thousandth of the usual and below a
    tenth of the lowest, which is absurd however short.
    The repaired value is the reported one divided by the factor. Where only the record speaks there is none: it may
    be an empty home after all.
    """
    reported, usual = pl.col("demand_reported_kwh"), pl.col("usual_kwh")
    positive = (reported > 0) & (usual > 0)
    rows = hours.with_columns(
        log_ratio=pl.when(positive).then((reported / usual).log10()),
        log_reported=pl.when(positive).then(reported.log10()),
        log_usual=pl.when(positive).then(usual.log10()),
        floor=past_quantile(0.005, pl.col("demand_kwh").shift(FLOOR_AGE)),  # not what the fault has made of it
    ).with_columns(
        absurd=(
            ((pl.col("high") > 0) & (reported > ABSURD * pl.col("high")))
            | ((reported < pl.col("floor") / ABSURD) & ((pl.col("log_ratio") + 3.0).abs() < 0.5))
        )
        .fill_null(value=False)
        .cast(pl.Int32),
    )
    half = SCALE_WINDOW // 2
    rows = rows.with_columns(
        median=_rolling("log_ratio", "median", SCALE_WINDOW, half),
        scatter=_rolling("log_ratio", "std", SCALE_WINDOW, half),
        varies=_rolling("log_reported", "std", SCALE_WINDOW, half)
        >= 0.5 * _rolling("log_usual", "std", SCALE_WINDOW, half),
        in_a_row=_rolling("absurd", "sum", 3, 3),
    ).with_columns(habit=_habit("median", SCALE_WINDOW))
    rows = rows.with_columns(nearest=_nearest(pl.col("median")))
    size = pl.col("nearest").abs()  # small factors can be a holiday: closer, and with less scatter
    close = pl.when(size > 1.5).then(0.15).when(size > 0.8).then(0.1).otherwise(0.06)
    steady = pl.when(size > 1.5).then(0.3).when(size > 0.8).then(0.15).otherwise(0.1)
    regular = (
        ((pl.col("median") - pl.col("nearest")).abs() < close)
        & (pl.col("median").abs() > 4 * pl.col("habit"))
        & (pl.col("scatter") < steady)
        & pl.col("varies")
    )
    rows = rows.with_columns(factor_log=pl.when(regular).then("nearest").otherwise(_all_by_four()))
    # an empty home or a works that rests is quiet, but no quieter than its floor,
    undercut = _rolling("demand_reported_kwh", "min", LONG_WINDOW, 1) < UNDERCUT * pl.col("floor")
    # and it has another shape than usual: not a fourth by day and by night
    all_day = (_rolling("log_ratio", "std", LONG_WINDOW, LONG_WINDOW) < STEADY_ALL_DAY).fill_null(value=False)
    small = pl.col("factor_log").is_between(-1.5, 0.0)
    alone = pl.when(~small | undercut | all_day).then("factor_log")
    rows = _with_medians(rows).with_columns(
        factor_log=pl.coalesce(alone, _record_by_four()), by_shape=alone.is_not_null().cast(pl.Int32)
    )
    # the ends of the event lie in windows that are half outside it
    wide = 2 * SCALE_WINDOW
    rows = rows.with_columns(
        highest=_rolling("factor_log", "max", wide, 1), lowest=_rolling("factor_log", "min", wide, 1)
    ).with_columns(
        near=pl.any_horizontal((pl.col("log_ratio") - pl.col(end)).abs() < 0.35 for end in ("highest", "lowest"))
        .fill_null(value=False)
        .cast(pl.Int32)
    )
    shifted = (pl.col("near") == 1) & (_rolling("near", "sum", wide, 1) >= half)
    absurd = ((pl.col("absurd") == 1) & (_rolling("in_a_row", "max", 3, 1) == 3)).fill_null(value=False)
    by_median = pl.when((pl.col("highest") - pl.col("log_ratio")).abs() < 0.35).then("highest").otherwise("lowest")
    # single hours of a home scatter: the factor of an absurd run is that of its median hour
    of_run = _nearest(pl.when(absurd).then("log_ratio").median().over(METER, _run_of(absurd)))
    log_factor = pl.when(shifted).then(by_median).otherwise(of_run)
    sure = absurd | (_rolling("by_shape", "max", wide, 1) == 1)
    rows = rows.with_columns(log_factor=log_factor, flagged=shifted | absurd, sure=sure).filter("flagged")
    repaired = pl.when("sure").then(reported / 10.0 ** pl.col("log_factor"))
    score = 10.0 ** pl.col("log_factor").abs()
    return flags(rows, "unit_scale", "rule", score, min(FACTORS), repaired=repaired)


def _all_by_four() -> pl.Expr:
    """The log of a factor of four where a day's lowest, middle and highest hours have risen by it.

    A fourth of an irregular meter's usual cannot be told from an empty home.
    """
    moved = []
    for q, tolerance in ((0.1, 0.25), (0.5, 0.2), (0.9, 0.2)):
        now = pl.col("log_reported").rolling_quantile(q, "linear", LONG_WINDOW, min_samples=18, center=True).over(METER)
        clean = pl.when(pl.col("demand_kwh") > 0).then(pl.col("demand_kwh").log10())
        usual = past_quantile(q, clean)
        moved.append((now - usual, tolerance))
    together = pl.all_horizontal((difference - _FOUR).abs() < tolerance for difference, tolerance in moved)
    return pl.when(together).then(_FOUR)


def _with_medians(rows: pl.DataFrame) -> pl.DataFrame:
    """Columns `now`, `due` and `past`: half a day's median as reported, as expected, and cleaned half a day before."""

    def median(column: str) -> pl.Expr:
        return pl.col(column).rolling_median(SCALE_WINDOW, min_samples=SCALE_WINDOW - 1, center=True)

    return rows.with_columns(
        now=median("demand_reported_kwh").over(METER),
        due=median("expected_kwh").over(METER),
        past=median("demand_kwh").shift(SCALE_WINDOW).over(METER),
    )


def _record_by_four() -> pl.Expr:
    """The log of a factor of four, or of a fourth, where half a day's median breaks its record by about that."""
    now, past = pl.col("now"), pl.col("past")
    highest = past.rolling_max(TAIL_HOURS, min_samples=RECORD_MIN_HOURS).over(METER)
    lowest = past.rolling_min(TAIL_HOURS, min_samples=RECORD_MIN_HOURS).over(METER)
    off = (now / pl.col("due")).log10()
    above = (now > BREAKS_RECORD * highest) & ((off - _FOUR).abs() < RECORD_TOLERANCE)
    below = (now * UNDERCUTS_RECORD < lowest) & ((off + _FOUR).abs() < RECORD_TOLERANCE)
    return pl.when(above).then(_FOUR).when(below).then(-_FOUR)


def _nearest(median: pl.Expr) -> pl.Expr:
    """The log of the factor that is nearest to a median of logs."""
    best: pl.Expr = pl.lit(_LOGS[0])
    for lower, upper in pairwise(_LOGS):
        best = pl.when(median > (lower + upper) / 2).then(upper).otherwise(best)
    return pl.when(median.is_not_null()).then(best)


def _habit(column: str, window: int) -> pl.Expr:
    """How far off such medians have usually been in the four weeks before the window."""
    past = pl.col(column).abs().shift(window).rolling_median(28 * 24, min_samples=168)
    return 1.4826 * past.over(METER).fill_null(0.0)


def _rolling(name: str, statistic: str, window: int, min_samples: int) -> pl.Expr:
    roll = getattr(pl.col(name), f"rolling_{statistic}")
    expression: pl.Expr = roll(window, min_samples=min_samples, center=True).over(METER)
    return expression


def _run_of(member: pl.Expr) -> pl.Expr:
    return (member != member.shift(1)).fill_null(value=True).cum_sum().over(METER)
