"""What is done about a finding, and what that makes of the readings.

Belongs here: the policy, and rows of `raw.demand_exclusions` that follow from flagged hours. Does not belong here:
finding them, or applying the decisions (the marts do, from the next run on).

What is certain not to be demand is left out; what is known to be something else is put right; what may be real but
would teach a model wrongly waits for a person (`quarantine`); what is real, or has no reading to begin with, stays.
A decision stands: it is not taken back because a threshold moved, only because the reading itself has changed since or
a person said so, and a detector never decides on an hour that a person has decided on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from energy_assets.contracts import table
from energy_assets.contracts.anomalies import ANOMALY_KINDS
from energy_assets.monitoring.anomalies.events import UTC_TIME

POLICY: dict[str, str] = {
    "missing": "none",  # there is nothing to leave out
    "duplicate": "none",  # the first copy is right and counted once
    "dst_fold": "exclude",
    "negative": "exclude",
    "zero_run": "exclude",
    "flatline": "exclude",
    "spike": "quarantine",  # may be a real peak
    "dip": "quarantine",  # the same
    "level_shift": "none",  # the new level is what has to be learned
    "unit_scale": "impute",  # the reported value by the factor
    "meter_reset": "exclude",
    "rollover": "impute",  # the difference over the full register
    "sentinel": "exclude",
    "estimated_run": "exclude",
    "clock_shift": "none",  # a person mends the source
    "night_baseload": "none",
    "contextual": "none",
}
_TAKEN_BACK = "include"
_DECLARED = "declared"  # the publisher says so itself, and the marts carry its word as quality
_DECISION = ["meter_id", "action", "reason", "value_kwh"]
_STANDING = table("raw.demand_exclusions")


def decisions(
    flagged: pl.DataFrame,
    hourly: pl.DataFrame,
    standing: pl.DataFrame,
    *,
    decided_at: datetime,
    since: datetime,
    policy: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """What is to be appended to `raw.demand_exclusions`, without `load_id`; nothing where all is decided.

    Args:
        flagged: hours from `flagged_hours`; the first kind that calls for an action decides on an hour.
        hourly: the hours that were looked at: meter_id, interval_start_utc, known_at_utc of the newest version.
        standing: rows of `raw.demand_exclusions` that were decided by `decided_at`.
        decided_at: known from then on.
        since: hours before it were not looked at and are left as they are.
        policy: kind to action, where it differs from `POLICY`.
    """
    chosen = {**POLICY, **(policy or {})}
    wanted = _wanted(flagged, chosen)
    last = _last_words(standing)
    known = hourly.select("meter_id", "interval_start_utc", "known_at_utc")
    open_hours = (
        wanted.join(known, on=["meter_id", "interval_start_utc"], how="inner")
        .join(last, on=["meter_id", "interval_start_utc"], how="left")
        .filter(_may_decide())
    )
    # a reading that has come anew since and that no detector objects to counts again
    mended = (
        last.filter(pl.col("by_detector"), pl.col("last_action") != _TAKEN_BACK, pl.col("interval_start_utc") >= since)
        .join(known, on=["meter_id", "interval_start_utc"], how="inner")
        .join(wanted, on=["meter_id", "interval_start_utc"], how="anti")
        .filter(pl.col("known_at_utc") > pl.col("last_decided_at"))
        .with_columns(action=pl.lit(_TAKEN_BACK), value_kwh=pl.lit(None, dtype=pl.Float64), reason="last_reason")
    )
    columns = ["meter_id", "interval_start_utc", "action", "value_kwh", "reason"]
    return _stretches(pl.concat([open_hours.select(columns), mended.select(columns)]), decided_at)


def with_action(events: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """The events with the action that stands for their hours now; `none` where no detector's decision does.

    Args:
        events: rows of `monitoring.demand_anomalies`.
        decided: rows of `raw.demand_exclusions`, new ones included.
    """
    last = _last_words(decided).filter("by_detector", pl.col("last_action") != _TAKEN_BACK)
    acted = (
        events.select("anomaly_id", "meter_id", "kind", "start_utc", "end_utc")
        .join(last, left_on=["meter_id", "kind"], right_on=["meter_id", "last_reason"])
        .filter(pl.col("interval_start_utc") >= pl.col("start_utc"), pl.col("interval_start_utc") < pl.col("end_utc"))
        .group_by("anomaly_id")
        .agg(acted=pl.col("last_action").sort_by("last_decided_at", "interval_start_utc").last())
    )
    return (
        events.join(acted, on="anomaly_id", how="left", maintain_order="left")
        .with_columns(action=pl.col("acted").fill_null("none"))
        .drop("acted")
    )


def _wanted(flagged: pl.DataFrame, policy: Mapping[str, str]) -> pl.DataFrame:
    """One action per hour."""
    action = pl.col("kind").replace_strict(dict(policy), return_dtype=pl.String)
    hour = pl.col("interval_end_utc") - pl.col("interval_start_utc") == timedelta(hours=1)
    return (
        flagged.with_columns(action=action, value_kwh="repaired_kwh", reason="kind")
        .filter(pl.col("action") != "none", pl.col("detector") != _DECLARED, hour)
        .with_columns(
            # what cannot be put right is left out
            action=pl.when((pl.col("action") == "impute") & pl.col("value_kwh").is_null())
            .then(pl.lit("exclude"))
            .otherwise("action")
        )
        .with_columns(value_kwh=pl.when(pl.col("action") == "impute").then(pl.col("value_kwh").round(6)))
        .unique(["meter_id", "interval_start_utc"], keep="first", maintain_order=True)
        .select("meter_id", "interval_start_utc", "action", "value_kwh", "reason")
    )


def _may_decide() -> pl.Expr:
    """Hours without a decision, and those whose reading has changed since a detector's."""
    changed = (pl.col("known_at_utc") > pl.col("last_decided_at")) & pl.col("by_detector")
    differs = pl.col("action").ne_missing(pl.col("last_action")) | pl.col("value_kwh").ne_missing(pl.col("last_value"))
    return pl.col("last_action").is_null() | (changed & differs)


def _last_words(standing: pl.DataFrame) -> pl.DataFrame:
    """The newest decision per hour: last_action, last_value, last_reason, last_decided_at, by_detector."""
    start = pl.col("start_utc").dt.truncate("1h")
    last = pl.col("end_utc") - timedelta(microseconds=1)
    return (
        standing.select(_STANDING.content)
        .filter(pl.col("end_utc") > pl.col("start_utc"))
        .with_columns(interval_start_utc=pl.datetime_ranges(start, last, "1h").cast(pl.List(UTC_TIME)))
        .explode("interval_start_utc")
        .sort("decided_at_utc", "action")
        .group_by("meter_id", "interval_start_utc")
        .agg(
            last_action=pl.col("action").last(),
            last_value=pl.col("value_kwh").last(),
            last_reason=pl.col("reason").last(),
            last_decided_at=pl.col("decided_at_utc").last(),
        )
        .filter(pl.col("last_action") != "none")  # what a person decided and took back
        .with_columns(by_detector=pl.col("last_reason").is_in(list(ANOMALY_KINDS)))
    )


def _stretches(hours: pl.DataFrame, decided_at: datetime) -> pl.DataFrame:
    """Adjoining hours with the same decision as one row."""
    start = pl.col("interval_start_utc")
    follows = (start - start.shift(1) == timedelta(hours=1)).over(_DECISION)
    return (
        hours.sort("meter_id", "interval_start_utc")
        .with_columns(run=(~follows.fill_null(value=False)).cum_sum().over(_DECISION))
        .group_by(*_DECISION, "run", maintain_order=True)
        .agg(start_utc=start.min(), end_utc=start.max() + timedelta(hours=1))
        .with_columns(decided_at_utc=pl.lit(decided_at, dtype=UTC_TIME))
        .select(c for c in _STANDING.content)
        .sort("meter_id", "start_utc")
    )
