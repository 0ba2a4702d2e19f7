"""Rules with a reason code: what a broken meter, clock or unit does to readings.

Belongs here: one function per reason code over the frame that `with_expectation` made; each gives flagged hours.
Does not belong here: merging hours to events, and what no rule can name (`contextual.py`).

Zero, flat or high is normal for some meters. So each rule measures against the meter's own past, and a pattern that
has come often (more than once a fortnight) is usual and stays silent.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from energy_assets.monitoring.anomalies.events import FLAG_SCHEMA, flags

MIN_RUN_HOURS = 6  # identical values for less are no flatline
MIN_ZERO_HOURS = 3
RARE_SHARE = 0.1  # zero at an hour of the week is rare below this share of its past
USUAL_PER_DAY = 1 / 14
TAIL_HOURS = 60 * 24
TAIL_MIN_HOURS = 14 * 24
TAIL_FACTOR = 7.0 / 3.0  # seven scales of the exponential tail: once in about 25 years of hours
SPIKE_MIN_RATIO = 1.3
SCALE_WINDOW = 12


def missing(hours: pl.DataFrame, issued_at: datetime) -> pl.DataFrame:
    """Hours without a reading that should be there by now, and the silence since a meter's last reading.

    A reading is due after 1.25 times the delay that 95 % of the meter's readings stay within, and an hour: a meter
    that reports once a day is not missing in the meantime. A silence lasts until the issue time.
    """
    known = pl.col("demand_reported_kwh").is_not_null()
    delay = (pl.col("known_at_utc") - pl.col("interval_end_utc")).filter(known)
    meter = hours.group_by("meter_id").agg(
        due=pl.duration(
            seconds=(1.25 * delay.dt.total_seconds().quantile(0.95)).fill_null(0.0).clip(0.0).cast(pl.Int64) + 3600
        ),
        first=pl.col("interval_start_utc").filter(known).min(),
        last_end=pl.col("interval_end_utc").max(),
    )
    due = pl.col("interval_end_utc") + pl.col("due") <= issued_at
    absent = hours.join(meter, on="meter_id").filter(~known, due, pl.col("interval_start_utc") > pl.col("first"))
    # one long row stands for the hours that the frame does not even list; `merge` joins it with the gap before it
    silent = meter.filter(pl.col("last_end") + pl.col("due") < issued_at, pl.col("first").is_not_null()).select(
        "meter_id",
        interval_start_utc="last_end",
        interval_end_utc=pl.lit(issued_at, dtype=pl.Datetime("us", "UTC")),
        demand_reported_kwh=pl.lit(None, dtype=pl.Float64),
        expected_kwh=pl.lit(None, dtype=pl.Float64),
    )
    columns = silent.columns
    return flags(pl.concat([absent.select(columns), silent.select(columns)]), "missing", "rule", _length(), 1.0)


def duplicate(duplicates: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Intervals that stand more than once in what was delivered.

    Args:
        duplicates: meter_id, interval_start_utc, versions (how many readings the interval has).
        meters: meter_id, interval_minutes.
    """
    if duplicates.is_empty():
        return pl.DataFrame(schema=FLAG_SCHEMA)
    doubled = duplicates.join(meters.select("meter_id", "interval_minutes"), on="meter_id").select(
        "meter_id",
        "interval_start_utc",
        "versions",
        interval_end_utc=pl.col("interval_start_utc") + pl.duration(minutes=pl.col("interval_minutes")),
        demand_reported_kwh=pl.lit(None, dtype=pl.Float64),
        expected_kwh=pl.lit(None, dtype=pl.Float64),
    )
    return flags(doubled.filter(pl.col("versions") >= 2), "duplicate", "rule", pl.col("versions"), 2.0)


def negative(hours: pl.DataFrame) -> pl.DataFrame:
    """Demand below zero, at meters that are not often below zero (a net meter over solar panels is)."""
    below = pl.col("demand_reported_kwh") < 0
    share = below.cast(pl.Float64).shift(1).cum_sum() / pl.col("demand_reported_kwh").shift(1).cum_count()
    usual = (share.over("meter_id") > 0.05).fill_null(value=False)
    return flags(hours.filter(below & ~usual), "negative", "rule", -pl.col("demand_reported_kwh"), 0.0)


def flatline(hours: pl.DataFrame) -> pl.DataFrame:
    """The same value, not zero, for six hours and more, where runs half as long are not usual."""
    value = pl.col("demand_reported_kwh")
    same = (value - value.shift(1)).abs() <= 1e-6 * value.abs()
    runs = _with_runs(hours, same.over("meter_id") & _adjoins(), value.is_not_null() & (value.abs() > 1e-9))
    return _unusual_runs(runs, "flatline", MIN_RUN_HOURS, pl.col("run_hours"))


def zero_run(hours: pl.DataFrame) -> pl.DataFrame:
    """Zeros where zeros are rare: at least three hours of the run are hours of the week that were hardly ever zero.

    Only the run's first week counts, since after that its own zeros have become the past.
    """
    value = pl.col("demand_reported_kwh")
    zero = (value.abs() <= 1e-9).fill_null(value=False)
    by_week, by_day = ["meter_id", "day_of_week", "local_hour"], ["meter_id", "local_hour"]
    share = pl.coalesce(_past_share(zero, value, by_week, 3), _past_share(zero, value, by_day, 7))
    runs = _with_runs(hours, zero.shift(1).over("meter_id") & _adjoins(), zero)
    in_first_week = pl.col("interval_start_utc") < pl.col("run_start") + timedelta(days=7)
    runs = runs.join(
        hours.select("meter_id", "interval_start_utc", rare=zero & (share < RARE_SHARE)),
        on=["meter_id", "interval_start_utc"],
    ).with_columns(rare_hours=(pl.col("rare") & in_first_week).sum().over("meter_id", "run_start"))
    return _unusual_runs(
        runs.filter(pl.col("rare_hours") >= MIN_ZERO_HOURS), "zero_run", MIN_ZERO_HOURS, pl.col("rare_hours")
    )


def unit_scale(hours: pl.DataFrame) -> pl.DataFrame:
    """A level off by a power of ten while the shape stays: kWh for Wh, kW for MW, a misplaced decimal.

    The median of log10(reported / usual) over twelve hours is close to a whole number other than zero, scatters
    little, is four times as far off as the meter is usually (an empty home uses a tenth of its usual), and the values
    still vary as they usually do (so that a stuck or dead meter is not taken for it).
    A shorter event counts if it is absurd: three hours in a row above ten times the highest usual hours.
    """
    reported, usual = pl.col("demand_reported_kwh"), pl.col("usual_kwh")
    positive = (reported > 0) & (usual > 0)
    rows = hours.with_columns(
        log_ratio=pl.when(positive).then((reported / usual).log10()),
        log_reported=pl.when(positive).then(reported.log10()),
        log_usual=pl.when(positive).then(usual.log10()),
        high=_past_quantile(0.995),
    )

    def rolling(name: str, statistic: str, window: int, min_samples: int) -> pl.Expr:
        roll = getattr(pl.col(name), f"rolling_{statistic}")
        expression: pl.Expr = roll(window, min_samples=min_samples, center=True).over("meter_id")
        return expression

    half = SCALE_WINDOW // 2
    rows = rows.with_columns(
        median=rolling("log_ratio", "median", SCALE_WINDOW, half),
        varies=rolling("log_reported", "std", SCALE_WINDOW, half)
        >= 0.5 * rolling("log_usual", "std", SCALE_WINDOW, half),
        scatter=rolling("log_ratio", "std", SCALE_WINDOW, half),
        habit=1.4826
        * pl.col("log_ratio").abs().shift(1).rolling_median(28 * 24, min_samples=168).over("meter_id").fill_null(0.0),
        absurd=((pl.col("high") > 0) & (reported > 10 * pl.col("high"))).fill_null(value=False).cast(pl.Int32),
    ).with_columns(power=pl.col("median").round(), in_a_row=rolling("absurd", "sum", 3, 3))
    single = pl.col("power").abs() == 1  # a tenth can be a holiday: closer, and with less scatter
    off_by = (
        (pl.col("power") != 0)
        & ((pl.col("median") - pl.col("power")).abs() < pl.when(single).then(0.1).otherwise(0.15))
        & (pl.col("median").abs() > 4 * pl.col("habit"))
        & (pl.col("scatter") < pl.when(single).then(0.15).otherwise(0.3))
        & pl.col("varies")
    )
    rows = rows.with_columns(power=pl.when(off_by).then(pl.col("power")))
    # the ends of the event lie in windows that are half outside it
    wide = 2 * SCALE_WINDOW
    rows = rows.with_columns(
        highest=rolling("power", "max", wide, 1), lowest=rolling("power", "min", wide, 1)
    ).with_columns(
        near=pl.any_horizontal((pl.col("log_ratio") - pl.col(end)).abs() < 0.35 for end in ("highest", "lowest"))
        .fill_null(value=False)
        .cast(pl.Int32)
    )
    shifted = (pl.col("near") == 1) & (rolling("near", "sum", wide, 1) >= half)
    absurd = (pl.col("absurd") == 1) & (rolling("in_a_row", "max", 3, 1) == 3)
    score = pl.coalesce("log_ratio", (reported / pl.col("high")).log10()).abs()
    return flags(rows.filter(shifted | absurd.fill_null(value=False)), "unit_scale", "rule", score, 0.65)


def spike(hours: pl.DataFrame) -> pl.DataFrame:
    """An hour far above the meter's highest usual hours.

    The tail of the last 60 days is taken as exponential beyond the 90 % quantile, as in the peaks-over-threshold
    method; an hour counts from the level that such a tail reaches once in decades, and from 1.3 times the 99.5 %
    quantile. The hour has to be far above its own expectation too.
    """
    rows = hours.with_columns(high=_past_quantile(0.995), upper=_past_quantile(0.9)).filter(pl.col("high") > 0)
    limit = pl.max_horizontal(
        pl.col("high") + TAIL_FACTOR * (pl.col("high") - pl.col("upper")), SPIKE_MIN_RATIO * pl.col("high")
    )
    value = pl.col("demand_reported_kwh")
    above_own = value - pl.col("expected_kwh") > 6 * pl.col("error_kwh")
    return flags(
        rows.filter((value > limit) & above_own.fill_null(value=True)),
        "spike",
        "rule",
        value / pl.col("high"),
        limit / pl.col("high"),
    )


def _past_quantile(q: float) -> pl.Expr:
    past = pl.col("demand_kwh").shift(1)
    return past.rolling_quantile(q, "linear", TAIL_HOURS, min_samples=TAIL_MIN_HOURS).over("meter_id")


def _length() -> pl.Expr:
    return (pl.col("interval_end_utc") - pl.col("interval_start_utc")).dt.total_seconds() / 3600.0


def _adjoins() -> pl.Expr:
    return (pl.col("interval_start_utc") == pl.col("interval_end_utc").shift(1)).over("meter_id")


def _past_share(event: pl.Expr, value: pl.Expr, group: list[str], min_samples: int) -> pl.Expr:
    seen = value.is_not_null().cast(pl.Int64).cum_sum().shift(1).over(group)
    happened = event.cast(pl.Int64).cum_sum().shift(1).over(group)
    return pl.when(seen >= min_samples).then(happened / seen)


def _with_runs(hours: pl.DataFrame, continues: pl.Expr, member: pl.Expr) -> pl.DataFrame:
    """The hours that belong to runs, with start and length of their run and the meter's days before it."""
    numbered = hours.with_columns(
        run=(~continues.fill_null(value=False)).cum_sum().over("meter_id"),
        first=pl.col("interval_start_utc").min().over("meter_id"),
    ).filter(member)
    run = ["meter_id", "run"]
    return numbered.with_columns(
        run_start=pl.col("interval_start_utc").min().over(run), run_hours=pl.len().over(run)
    ).with_columns(past_days=(pl.col("run_start") - pl.col("first")).dt.total_days())


def _unusual_runs(runs: pl.DataFrame, kind: str, min_hours: int, score: pl.Expr) -> pl.DataFrame:
    """Hours of the runs that are long enough and have no habit of earlier runs at least half as long."""
    long = runs.filter(pl.col("run_hours") >= min_hours)
    each = long.select("meter_id", "run_start", "run_hours", "past_days").unique()
    habit = (
        each.join(each.select("meter_id", earlier="run_start", earlier_hours="run_hours"), on="meter_id")
        .filter(pl.col("earlier") < pl.col("run_start"), 2 * pl.col("earlier_hours") >= pl.col("run_hours"))
        .group_by("meter_id", "run_start")
        .agg(times=pl.len())
    )
    per_day = pl.col("times") / pl.max_horizontal(pl.col("past_days"), 14)
    unusual = long.join(habit, on=["meter_id", "run_start"], how="left").filter(
        (per_day <= USUAL_PER_DAY).fill_null(value=True)
    )
    return flags(unusual, kind, "rule", score, float(min_hours))
