"""Values that stand still, or that nobody measured: zeros, flat lines, copies, straight lines.

Belongs here: rules about runs of hours. Does not belong here: single hours (`tails.py`).
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from energy_assets.monitoring.anomalies.events import flags
from energy_assets.monitoring.anomalies.rules.parts import METER, NEAR, adjoins, before

MIN_RUN_HOURS = 5  # a fault of six hours at a finer interval fills five whole ones
MIN_ZERO_HOURS = 3
MIN_COPIED_HOURS = 6
MIN_STRAIGHT_HOURS = 4
MIN_DECLARED_HOURS = 25  # a day that is estimated and then corrected is the ordinary course of metering
ROUNDING_KWH = 4e-6  # of values that are kept to six decimals
RARE_SHARE = 0.1  # zero at an hour of the week is rare below this share of its past
USUAL_PER_DAY = 1 / 14


def flatline(hours: pl.DataFrame) -> pl.DataFrame:
    """The same value, not zero, for five hours and more, where runs half as long are not usual."""
    value = pl.col("demand_reported_kwh")
    same = (value - before(value)).abs() <= 1e-6 * value.abs()
    runs = _with_runs(hours, same & adjoins(), value.is_not_null() & (value.abs() > 1e-9))
    return _unusual_runs(runs, "flatline", "rule", MIN_RUN_HOURS, pl.col("run_hours"))


def zero_run(hours: pl.DataFrame) -> pl.DataFrame:
    """Zeros where zeros are rare: at least three hours of the run are hours of the week that were hardly ever zero.

    Only the run's first week counts, since after that its own zeros have become the past.
    """
    value = pl.col("demand_reported_kwh")
    zero = (value.abs() <= 1e-9).fill_null(value=False)
    by_week, by_day = [METER, "day_of_week", "local_hour"], [METER, "local_hour"]
    share = pl.coalesce(_past_share(zero, value, by_week, 3), _past_share(zero, value, by_day, 7))
    runs = _with_runs(hours, before(zero) & adjoins(), zero)
    runs = runs.join(
        hours.select(METER, "interval_start_utc", rare=zero & (share < RARE_SHARE)), on=[METER, "interval_start_utc"]
    ).with_columns(rare_hours=(pl.col("rare") & _in_first_week()).sum().over(METER, "run_start"))
    found = runs.filter(pl.col("rare_hours") >= NEAR * MIN_ZERO_HOURS)
    return _unusual_runs(found, "zero_run", "rule", MIN_ZERO_HOURS, pl.col("rare_hours"))


def estimated_run(hours: pl.DataFrame) -> pl.DataFrame:
    """Hours that nobody measured: exact copies of the day or the week before, and straight lines.

    Copies vary as readings do (at least four values), and neither they nor straight lines are usual for the meter. Of a
    run only the first week counts: what repeats itself for longer is a load profile, and the meter's own way.
    """
    value = pl.col("demand_reported_kwh")
    found = []
    for lag in (24, 168):
        copied = (value - before(value, lag)).abs() <= 1e-9 * value.abs()
        in_step = before(pl.col("interval_start_utc"), lag) + timedelta(hours=lag) == pl.col("interval_start_utc")
        same = copied & in_step & (value.abs() > 1e-9)
        runs = _with_runs(hours, same & before(same.fill_null(value=False)) & adjoins(), same.fill_null(value=False))
        varied = runs.filter(
            (pl.col("demand_reported_kwh").n_unique() >= pl.min_horizontal(4, pl.col("run_hours"))).over(METER, "run"),
            _in_first_week(),
        )
        found.append(_unusual_runs(varied, "estimated_run", "copied", MIN_COPIED_HOURS, pl.col("run_hours")))
    step = value - before(value)
    bend = (step - before(step)).abs() <= 1e-6 * value.abs() + ROUNDING_KWH
    straight = (bend & (step.abs() > 1e-5 * value.abs()) & adjoins() & before(adjoins())).fill_null(value=False)
    runs = _with_runs(hours, straight & before(straight), straight)
    found.append(_unusual_runs(runs, "estimated_run", "straight", MIN_STRAIGHT_HOURS, pl.col("run_hours")))
    key = [METER, "interval_start_utc"]
    return pl.concat(found).unique(key, keep="first", maintain_order=True)


def declared_estimate(hours: pl.DataFrame) -> pl.DataFrame:
    """Values that the publisher itself calls estimated, for more than a day."""
    if "quality" not in hours.columns:
        return flags(hours.clear(), "estimated_run", "declared", pl.lit(0.0), 0.0)
    said = (pl.col("quality") == "estimated").fill_null(value=False)
    runs = _with_runs(hours, before(said) & adjoins(), said)
    return _unusual_runs(runs, "estimated_run", "declared", MIN_DECLARED_HOURS, pl.col("run_hours"))


def _in_first_week() -> pl.Expr:
    return pl.col("interval_start_utc") < pl.col("run_start") + timedelta(days=7)


def _past_share(event: pl.Expr, value: pl.Expr, group: list[str], min_samples: int) -> pl.Expr:
    seen = value.is_not_null().cast(pl.Int64).cum_sum().shift(1).over(group)
    happened = event.cast(pl.Int64).cum_sum().shift(1).over(group)
    return pl.when(seen >= min_samples).then(happened / seen)


def _with_runs(hours: pl.DataFrame, continues: pl.Expr, member: pl.Expr) -> pl.DataFrame:
    """The hours that belong to runs, with start and length of their run and the meter's days before it."""
    numbered = (
        hours.with_columns(_continues=continues.fill_null(value=False), _member=member)
        .with_columns(
            run=(~pl.col("_continues")).cum_sum().over(METER), first=pl.col("interval_start_utc").min().over(METER)
        )
        .filter("_member")
        .drop("_continues", "_member")
    )
    run = [METER, "run"]
    return numbered.with_columns(
        run_start=pl.col("interval_start_utc").min().over(run), run_hours=pl.len().over(run)
    ).with_columns(past_days=(pl.col("run_start") - pl.col("first")).dt.total_days())


def _unusual_runs(runs: pl.DataFrame, kind: str, detector: str, min_hours: int, score: pl.Expr) -> pl.DataFrame:
    """Hours of the runs that are long enough and have no habit of earlier runs at least half as long."""
    each = (
        runs.filter(2 * pl.col("run_hours") >= NEAR * min_hours)
        .select(METER, "run_start", "run_hours", "past_days")
        .unique()
    )
    long = runs.filter(pl.col("run_hours") >= NEAR * min_hours)
    habit = (
        each.filter(pl.col("run_hours") >= NEAR * min_hours)
        .join(each.select(METER, earlier="run_start", earlier_hours="run_hours"), on=METER)
        .filter(pl.col("earlier") < pl.col("run_start"), 2 * pl.col("earlier_hours") >= pl.col("run_hours"))
        .group_by(METER, "run_start")
        .agg(times=pl.len())
    )
    per_day = pl.col("times") / pl.max_horizontal(pl.col("past_days"), 14)
    unusual = long.join(habit, on=[METER, "run_start"], how="left").filter(
        (per_day <= USUAL_PER_DAY).fill_null(value=True)
    )
    return flags(unusual, kind, detector, score, float(min_hours))
