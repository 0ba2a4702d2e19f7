"""What no rule can name: hours that are out of character for the meter.

Belongs here: which score is too high for a meter, and an isolation forest (Liu, Ting and Zhou, 2008) per kind of meter
as a second opinion. Does not belong here: the score itself (`outlyingness.py`), and raw kW: a forest on raw values
would learn which meter is large, not which hour is odd.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from energy_assets.monitoring.anomalies.events import FLAG_SCHEMA, flags
from energy_assets.monitoring.anomalies.expectation import Sight
from energy_assets.monitoring.anomalies.outlyingness import outlyingness
from energy_assets.monitoring.anomalies.steps import NEAR, log_ratio, unclaimed

FEATURES = ("residual", "deviation", "log_change_24h", "log_change_168h")
TREES = 100
SEED = 7
MAX_ROWS = 20_000
COMMON_SHARE = 0.95  # of the kind's past hours: what the forest does not find rarer is not flagged
USUAL_FACTOR = 4.0  # times the median of the meter's own past scores
LEAST_SCORE = 0.6
MIN_RESIDUAL = 1.0  # usual errors: what was foreseen, a forecast may know of a holiday, is not out of character
MIN_ROWS = 7 * 24  # of past scores, for a threshold of the meter's own
MIN_HOURS = 5
NEIGHBOURS = timedelta(hours=2)  # between the hours of one event
NIGHT_ENDS = 7  # o'clock, of the night shift that a holiday leaves out
MARGIN_DAYS = 3  # scored before the window, so that an event's start does not move with the window's edge
PAST_DAYS, EVERY = 84, 4  # the past scores are those of every fourth day of twelve weeks: three of each weekday


def contextual(
    hours: pl.DataFrame,
    meters: pl.DataFrame,
    claimed: pl.DataFrame,
    window_start: datetime,
    history: pl.DataFrame | None = None,
    sight: Sight = Sight.PAST,
) -> pl.DataFrame:
    """Flagged hours of the window.

    The score is the hour's outlyingness. It has to pass 0.6 and four times the median of the meter's own scores in the
    twelve weeks before the window, for five hours that lie close together. The second opinion is a forest's, fitted on
    the same weeks: the hour's residual, deviation from the hour of the week and ratios to yesterday and last week have
    to be rarer than 95 % of the hours of that kind of meter. A meter too new for a threshold of its own takes the
    highest of its kind; alone, it stays silent.

    Args:
        hours: what `with_expectation` made: the window and at least twelve weeks before it.
        meters: meter_id, kind.
        claimed: meter_id, interval_start_utc of hours that have a name already; they neither train nor count.
        window_start: rows from here (less a margin of three days) are judged.
        history: rows before `hours` with the columns `outlyingness.HISTORY`, up to a year: seasons that the meter has
            seen before are not new. Optional.
        sight: `BOTH` compares with the days after an hour as well.
    """
    judged_from = window_start - timedelta(days=MARGIN_DAYS)
    free = unclaimed(hours, claimed).with_columns(
        demand_kwh=pl.when(pl.col("demand_reported_kwh").is_not_null()).then(pl.col("demand_kwh"))
    )
    dates = free["local_date"].unique().sort()
    past = dates.filter((dates < judged_from.date()) & (dates >= judged_from.date() - timedelta(days=PAST_DAYS)))
    days = pl.concat([past.reverse().gather_every(EVERY), dates.filter(dates >= judged_from.date())])
    scored = (
        outlyingness(with_changes(free), days, history, sight)
        .join(meters.select("meter_id", meter_kind="kind"), on="meter_id")
        .filter(pl.col("outlyingness").is_finite())
        .sort("meter_kind", "meter_id", "interval_start_utc")
    )
    parts = [_judge_kind(part, judged_from) for part in scored.partition_by("meter_kind", maintain_order=True)]
    if not parts:
        return pl.DataFrame(schema=FLAG_SCHEMA)
    judged = pl.concat(parts)
    restful = _may_rest(judged) & (pl.col("residual") < 0)  # whoever takes the day off is no event
    foreseen = ((pl.col("residual").abs() < MIN_RESIDUAL) | restful).fill_null(value=False)
    found = judged.filter(pl.col("outlyingness") >= NEAR * pl.col("threshold"), ~pl.col("common"), ~foreseen)
    return _long_enough(flags(found, "contextual", "outlyingness", pl.col("outlyingness"), pl.col("threshold")))


def with_changes(hours: pl.DataFrame) -> pl.DataFrame:
    """Adds `residual`, in usual errors, and the log ratios to yesterday (each to its expectation) and to last week."""
    reported, meter = pl.col("demand_reported_kwh"), "meter_id"
    ratio = log_ratio(reported, pl.col("expected_kwh"))
    return hours.with_columns(
        residual=((reported - pl.col("expected_kwh")) / pl.col("error_kwh")).clip(-20, 20),
        log_change_24h=ratio - ratio.shift(24).over(meter),
        log_change_168h=log_ratio(reported, reported.shift(168).over(meter)),
    )


def _judge_kind(rows: pl.DataFrame, judged_from: datetime) -> pl.DataFrame:
    """The judged rows of one kind with their `threshold`, and whether the forest finds them `common`."""
    past = rows.filter(pl.col("interval_start_utc") < judged_from)
    judged = rows.filter(pl.col("interval_start_utc") >= judged_from)
    limit = (USUAL_FACTOR * pl.col("outlyingness").median()).clip(LEAST_SCORE)
    own = past.group_by("meter_id").agg(threshold=pl.when(pl.len() >= MIN_ROWS).then(limit)).drop_nulls()
    return judged.join(own, on="meter_id", how="left", maintain_order="left").with_columns(
        pl.coalesce("threshold", pl.lit(own["threshold"].max(), dtype=pl.Float64)),
        pl.Series("common", _common(past, judged)),
    )


def _common(past: pl.DataFrame, judged: pl.DataFrame) -> np.ndarray:
    """Which of the judged rows a forest fitted on the past finds no rarer than nineteen in twenty of the past."""
    from sklearn.ensemble import IsolationForest

    training = past.drop_nulls(FEATURES)
    training = training.gather_every(1 + training.height // MAX_ROWS)
    if training.height < MIN_ROWS or judged.is_empty():
        return np.zeros(judged.height, dtype=np.bool_)
    forest = IsolationForest(n_estimators=TREES, random_state=SEED, n_jobs=1).fit(_matrix(training))
    limit = np.quantile(-forest.score_samples(_matrix(training)), COMMON_SHARE)
    return np.asarray(-forest.score_samples(_matrix(judged)) < limit)


def _may_rest(rows: pl.DataFrame) -> pl.Expr:
    """Whether work may rest for a holiday that is not the day's own, as far as the frame's days tell by `is_holiday`.

    It does on days between a holiday and a weekend, and in the night after a holiday, which belongs to its last shift.
    """
    if "is_holiday" not in rows.columns:
        return pl.lit(value=False)
    weekday, date = pl.col("local_date").dt.weekday(), pl.col("local_date")
    holidays = rows.filter("is_holiday").select(off=pl.concat_str("meter_id", date.cast(pl.String))).to_series()

    def off(days: int) -> pl.Expr:
        beside = date + timedelta(days=days)
        return pl.concat_str("meter_id", beside.cast(pl.String)).is_in(holidays.implode())

    night = pl.col("local_hour") < NIGHT_ENDS
    return ((weekday == 1) & off(1)) | ((weekday == 5) & off(-1)) | (night & off(-1))


def _matrix(rows: pl.DataFrame) -> np.ndarray:
    return rows.select(pl.col(FEATURES).fill_null(0.0)).to_numpy()


def _long_enough(flagged: pl.DataFrame) -> pl.DataFrame:
    """Hours of five and more that lie within two hours of each other: one odd hour alone is life, not an event."""
    rows = flagged.sort("meter_id", "interval_start_utc")
    start = pl.col("interval_start_utc")
    new = (start - start.shift(1) > NEIGHBOURS).fill_null(value=True).over("meter_id")
    return (
        rows.with_columns(run=new.cum_sum().over("meter_id"))
        .filter(pl.len().over("meter_id", "run") >= MIN_HOURS)
        .drop("run")
    )
