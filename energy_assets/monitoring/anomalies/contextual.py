"""What no rule can name: hours that are out of character for the meter.

Belongs here: an isolation forest (Liu, Ting and Zhou, 2008) over residuals and lag ratios, one per kind of meter.
Does not belong here: raw kW. A forest on raw values would learn which meter is large, not which hour is odd.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from energy_assets.monitoring.anomalies.events import FLAG_SCHEMA, flags

FEATURES = ("residual", "residual_3h", "log_ratio", "log_ratio_6h", "log_change_24h", "log_change_168h")
TREES = 100
SEED = 7
MIN_ROWS = 14 * 24
MAX_ROWS = 20_000
SCORE_QUANTILE = 0.998  # of the meter's own past scores
SCORE_FLOOR = 0.55  # a forest's score of an unremarkable row is about 0.45
MIN_RESIDUAL = 3.0  # usual errors, over three hours
MIN_HOURS = 2
MARGIN_DAYS = 3  # scored before the window, so that an event's start does not move with the window's edge


def contextual(
    hours: pl.DataFrame, meters: pl.DataFrame, claimed: pl.DataFrame, window_start: datetime
) -> pl.DataFrame:
    """Flagged hours of the window, by forests fitted on the rows before it.

    Args:
        hours: what `with_expectation` made.
        meters: meter_id, kind.
        claimed: meter_id, interval_start_utc of hours that a rule has named already; they neither train nor count.
        window_start: rows from here (less a margin of three days) are judged; earlier rows train.
    """
    rows = (
        _features(hours)
        .join(meters.select("meter_id", meter_kind="kind"), on="meter_id")
        .join(claimed, on=["meter_id", "interval_start_utc"], how="anti")
        .drop_nulls(FEATURES)
        .sort("meter_kind", "meter_id", "interval_start_utc")
    )
    judged_from = window_start - timedelta(days=MARGIN_DAYS)
    parts = [_score_kind(part, judged_from) for part in rows.partition_by("meter_kind", maintain_order=True)]
    if not parts:
        return pl.DataFrame(schema=FLAG_SCHEMA)
    scored = pl.concat(parts)
    found = scored.filter(pl.col("score") > pl.col("threshold"), pl.col("residual_3h").abs() >= MIN_RESIDUAL)
    return _long_enough(flags(found, "contextual", "isolation_forest", pl.col("score"), pl.col("threshold")))


def _features(hours: pl.DataFrame) -> pl.DataFrame:
    reported, expected = pl.col("demand_reported_kwh"), pl.col("expected_kwh")
    cushion = 0.05 * pl.col("typical_kwh")  # keeps ratios of small numbers small
    rows = hours.with_columns(
        residual=((reported - expected) / pl.col("error_kwh")).clip(-20, 20),
        log_ratio=_log(reported, cushion) - _log(expected, cushion),
    )
    return rows.with_columns(
        residual_3h=pl.col("residual").rolling_mean(3, min_samples=2).over("meter_id"),
        log_ratio_6h=pl.col("log_ratio").rolling_mean(6, min_samples=3).over("meter_id"),
        log_change_24h=(pl.col("log_ratio") - pl.col("log_ratio").shift(24).over("meter_id")),
        log_change_168h=(_log(reported, cushion) - _log(reported, cushion).shift(168).over("meter_id")),
    )


def _log(value: pl.Expr, cushion: pl.Expr) -> pl.Expr:
    inside = pl.max_horizontal(value, pl.lit(0.0)) + cushion
    return pl.when(value.is_not_null() & (cushion > 0)).then(inside.log())


def _score_kind(rows: pl.DataFrame, judged_from: datetime) -> pl.DataFrame:
    """The judged rows of one kind with score and the meter's own threshold; none if the past is too short."""
    from sklearn.ensemble import IsolationForest

    past = rows.filter(pl.col("interval_start_utc") < judged_from)
    judged = rows.filter(pl.col("interval_start_utc") >= judged_from)
    if past.height < MIN_ROWS or judged.is_empty():
        empty = pl.lit(None, dtype=pl.Float64)
        return judged.clear().with_columns(score=empty, threshold=empty)
    training = past.gather_every(1 + past.height // MAX_ROWS)
    forest = IsolationForest(n_estimators=TREES, random_state=SEED, n_jobs=1)
    forest.fit(_matrix(training))
    limits = (
        training.with_columns(pl.Series("score", -forest.score_samples(_matrix(training))))
        .group_by("meter_id")
        .agg(threshold=pl.col("score").quantile(SCORE_QUANTILE, "linear").clip(SCORE_FLOOR))
    )
    scores = pl.Series("score", -forest.score_samples(_matrix(judged)))
    return (
        judged.with_columns(scores)
        .join(limits, on="meter_id", how="left")
        .with_columns(pl.col("threshold").fill_null(limits["threshold"].max()))
    )


def _matrix(rows: pl.DataFrame) -> np.ndarray:
    return rows.select(FEATURES).to_numpy()


def _long_enough(flagged: pl.DataFrame) -> pl.DataFrame:
    """Hours with another flagged hour next to them: one odd hour alone is life, not an event."""
    hour = timedelta(hours=MIN_HOURS)
    rows = flagged.sort("meter_id", "interval_start_utc")
    start = pl.col("interval_start_utc")
    before = (start - start.shift(1).over("meter_id") <= hour).fill_null(value=False)
    after = (start.shift(-1).over("meter_id") - start <= hour).fill_null(value=False)
    return rows.filter(before | after)
