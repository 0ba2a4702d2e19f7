"""Days instead of hours: where a meter's daily figures step up or down and stay there.

Belongs here: the daily figures that the detectors of persisting changes share, and the test for a step. Does not belong
here: which steps are faults (`level_shift.py`, `night_baseload.py`, `clock_shift.py`).

The test is a difference of medians, as in Page's and Pettitt's change-point tests with fixed windows: a median of five
days is moved neither by one odd day nor by a weekend. A step's day is settled by the four days after it and is
never revised, so that an event keeps its start.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from energy_assets.monitoring.anomalies.events import flags

BEFORE_DAYS, AFTER_DAYS = 14, 5
NOISE_DAYS = 60  # of the meter's own steps, great and small, that say what is usual
MIN_HOURS = 20  # of a day; the shortest local day has 23
ABRUPT = 0.45  # share of the step that the two days before may have taken, and that its first two may lack
LASTS_DAYS = 31  # by then the new level is the usual one
BLOCKS = 4  # of six hours
SHARED_SIZE, SHARED_BY, SHARED_SHARE = 0.3, 3, 0.4
NEAR = 0.7  # of the threshold: handed over, since feedback may have lowered it
CUSHION = 0.05  # of the typical hour: keeps ratios of small numbers small

_DAY = ["meter_id", "local_date"]
_METER = "meter_id"


def log_ratio(value: pl.Expr, reference: pl.Expr) -> pl.Expr:
    """log(value / reference), both raised by the cushion; null where one is, or where the meter is always at zero."""
    cushion = CUSHION * pl.col("typical_kwh")
    ratio = (value.clip(0.0) + cushion) / (reference.clip(0.0) + cushion)
    return pl.when(cushion > 0).then(ratio.log())


def unclaimed(hours: pl.DataFrame, claimed: pl.DataFrame) -> pl.DataFrame:
    """The hours, with no reading where a rule has named the hour already; the rows stay, so that days stay days."""
    hour = ["meter_id", "interval_start_utc"]
    named = claimed.select(hour).unique().with_columns(named=pl.lit(value=True))
    free = pl.when(pl.col("named").is_null()).then(pl.col("demand_reported_kwh"))
    return (
        hours.join(named, on=hour, how="left", maintain_order="left")
        .with_columns(demand_reported_kwh=free)
        .drop("named")
    )


def daily(hours: pl.DataFrame, claimed: pl.DataFrame) -> pl.DataFrame:
    """One row per meter and local day: how far its hours are from the usual, null for days with gaps.

    `level` is the median log ratio of the day's hours to their usual value, `block_0` to `block_3` that of six hours
    each, `quiet` that of the quarter of hours that are usually the lowest of the day, `busy` that of its usually higher
    half. Hours that a rule has claimed are left out.

    Args:
        hours: what `with_expectation` made.
        claimed: meter_id, interval_start_utc of hours that a rule has named already.
    """
    ratio, block = pl.col("ratio"), pl.col("local_hour") * BLOCKS // 24
    usual, value = pl.col("usual_kwh"), pl.col("demand_reported_kwh")
    days = (
        unclaimed(hours, claimed)
        .with_columns(ratio=log_ratio(value, usual))
        .group_by(_DAY)
        .agg(
            level=ratio.median(),
            quiet=ratio.filter(usual <= usual.quantile(0.25)).median(),
            busy=ratio.filter(usual >= usual.median()).median(),
            known=ratio.count(),
            **{f"block_{i}": ratio.filter(block == i).median() for i in range(BLOCKS)},
        )
    )
    figures = ["level", "quiet", "busy", *(f"block_{i}" for i in range(BLOCKS))]
    complete = pl.col("known") >= MIN_HOURS
    return days.sort(_DAY).with_columns(pl.when(complete).then(pl.col(name)).alias(name) for name in figures)


def before(column: str, days: int = BEFORE_DAYS) -> pl.Expr:
    """Median of the days before, of which three in four must be known."""
    return pl.col(column).rolling_median(days, min_samples=days * 3 // 4).shift(1).over(_METER)


def after(column: str, days: int = AFTER_DAYS) -> pl.Expr:
    """Median of the day and those after it, all but one known."""
    return pl.col(column).rolling_median(days, min_samples=days - 1).shift(1 - days).over(_METER)


def steps(days: pl.DataFrame, column: str, *, least: float, noise_factor: float) -> pl.DataFrame:
    """The days with the step that the column takes at each of them, and the threshold that it has to pass.

    Added columns: `base` (the level before), `step`, `size` (its magnitude), `abrupt` (the change came between the two
    days before and the two from this one on), `stays` (at most one of the five days is back by half), `new` (the share
    of the step that leads away from the level of the four weeks before `base`) and `threshold`: the greater of `least`
    and `noise_factor` times the meter's usual size of step, which is 1.4826 times the median over the 60 days whose
    steps were settled before this one began.

    Args:
        days: what `daily` made.
        column: one of its figures.
        least: smallest threshold, in logarithms.
        noise_factor: usual steps that are nothing special.
    """
    days = days.with_columns(base=before(column), step=after(column) - before(column))
    value, base, step = pl.col(column), pl.col("base"), pl.col("step")
    usual = 1.4826 * step.abs().rolling_median(NOISE_DAYS, min_samples=NOISE_DAYS // 3).shift(AFTER_DAYS).over(_METER)
    older = value.rolling_median(2 * BEFORE_DAYS, min_samples=BEFORE_DAYS // 2).shift(BEFORE_DAYS + 1).over(_METER)

    def taken(*days_ago: int) -> pl.Expr:
        """Share of the step, mean of days."""
        return pl.mean_horizontal((value.shift(days).over(_METER) - base) / step for days in days_ago)

    back = pl.sum_horizontal(
        ((value.shift(-day).over(_METER) - base) / step < 0.5).fill_null(value=False) for day in range(AFTER_DAYS)
    )
    return days.with_columns(
        size=step.abs(),
        stays=back <= 1,
        abrupt=(taken(0, -1) > 1 - ABRUPT) & (taken(1, 2) < ABRUPT),
        new=(step + base - older.fill_null(base)) / step,
        # a null stays: a meter that is too little known has no threshold
        threshold=(noise_factor * usual).clip(least),
    )


def shared(starts: pl.DataFrame, days: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Those of the steps that other meters of the kind take on the same day: weather and holidays, no fault of one.

    A step is shared by a meter whose own goes the same way and is at least 0.3 times as large. Three others and two in
    five of them make it common; a kind of three meters has none.

    Args:
        starts: meter_id, local_date, step, size of the steps that count.
        days: what `steps` made.
        meters: meter_id, kind.

    Returns:
        meter_id, local_date.
    """
    kinds = meters.select("meter_id", "kind")
    others = days.join(kinds, on="meter_id").select("kind", "local_date", other="meter_id", other_step="step")
    same = pl.col("other_step") * pl.col("step").sign() >= SHARED_SIZE * pl.col("size")
    return (
        starts.join(kinds, on="meter_id")
        .join(others.drop_nulls(), on=["kind", "local_date"])
        .filter(pl.col("meter_id") != pl.col("other"))
        .group_by(_DAY)
        .agg(number=same.sum(), share=same.mean())
        .filter(pl.col("number") >= SHARED_BY, pl.col("share") >= SHARED_SHARE)
        .select(_DAY)
    )


def lasting(days: pl.DataFrame, starts: pl.DataFrame, column: str) -> pl.DataFrame:
    """The days on which the step stands: from its day until two days in a row are back by half, a month at most.

    Args:
        days: what `daily` made.
        starts: meter_id, local_date, base, step, threshold of the steps that count.

    Returns:
        meter_id, local_date, size, threshold, one row per day; of two steps that overlap, the clearer one.
    """
    size = pl.col("step").abs()
    beyond = (pl.col(column) - pl.col("base")) * pl.col("step").sign() >= 0.5 * size
    month = pl.col("started") + timedelta(days=LASTS_DAYS)
    run = ["meter_id", "started"]
    return (
        starts.select("meter_id", "base", "step", "threshold", started="local_date")
        .join(days.select(*_DAY, column), on="meter_id")
        .filter(pl.col("local_date") >= pl.col("started"), pl.col("local_date") < month)
        .sort(*run, "local_date")
        .with_columns(back=~beyond.fill_null(value=True))
        .with_columns(ends=(pl.col("back") & pl.col("back").shift(-1).over(run).fill_null(value=True)))
        .filter(pl.col("ends").cum_sum().over(run) == 0)
        .sort(*_DAY, size / pl.col("threshold"))
        .group_by(_DAY, maintain_order=True)
        .agg(size=size.last(), threshold=pl.col("threshold").last())
    )


def flag_days(hours: pl.DataFrame, days: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Flags on all hours of the days that `lasting` gave."""
    flagged = hours.join(days, on=_DAY)
    return flags(flagged, kind, "step", pl.col("size"), pl.col("threshold"))
