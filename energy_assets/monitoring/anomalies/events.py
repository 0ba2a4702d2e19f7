"""From flagged hours to events.

Belongs here: the shape of a flagged hour, merging, ids, severity. Does not belong here: deciding which hour is odd,
what to do about it (`actions.py`), and sentences (`sentences.py`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from energy_assets.contracts import table
from energy_assets.ids import hash_id
from energy_assets.monitoring.anomalies.sentences import message

UTC_TIME = pl.Datetime("us", "UTC")
FLAG_SCHEMA = pl.Schema(
    [
        ("meter_id", pl.String()),
        ("interval_start_utc", pl.Datetime("us", "UTC")),
        ("interval_end_utc", pl.Datetime("us", "UTC")),
        ("kind", pl.String()),
        ("detector", pl.String()),
        ("score", pl.Float64()),
        ("threshold", pl.Float64()),
        ("observed_kwh", pl.Float64()),
        ("expected_kwh", pl.Float64()),
        ("repaired_kwh", pl.Float64()),
    ]
)
# A short return to normal does not end such an event; one that happens once a day is one event, not one a day.
BRIDGE = {
    kind: timedelta(hours=hours)
    for kind, hours in {
        "contextual": 24, "clock_shift": 48, "unit_scale": 6, "sentinel": 6, "spike": 2, "dip": 2
    }.items()
}  # fmt: skip

GROUP = ["meter_id", "kind", "detector"]


def flags(
    frame: pl.DataFrame,
    kind: str,
    detector: str,
    score: pl.Expr,
    threshold: pl.Expr | float,
    repaired: pl.Expr | None = None,
) -> pl.DataFrame:
    """Flagged hours in the shape that `merge` takes.

    `repaired` is the energy that the hour probably had, kWh, where the fault itself tells (a wrong unit, a rollover).
    """
    return frame.select(
        "meter_id",
        "interval_start_utc",
        "interval_end_utc",
        kind=pl.lit(kind),
        detector=pl.lit(detector),
        score=score.cast(pl.Float64),
        threshold=(threshold if isinstance(threshold, pl.Expr) else pl.lit(threshold)).cast(pl.Float64),
        observed_kwh=pl.col("demand_reported_kwh"),
        expected_kwh=pl.col("expected_kwh"),
        repaired_kwh=(pl.lit(None) if repaired is None else repaired).cast(pl.Float64),
    )


def numbered(flagged: pl.DataFrame) -> pl.DataFrame:
    """The flags in order, with `event`: adjoining hours of one meter, kind and detector have the same number."""
    ended = pl.col("interval_end_utc").cum_max().shift(1).over(GROUP)
    starts_new = (pl.col("interval_start_utc") > ended + _bridge()).fill_null(value=True)
    return flagged.sort([*GROUP, "interval_start_utc"]).with_columns(event=starts_new.cum_sum().over(GROUP))


def merge(flagged: pl.DataFrame, issued_at: datetime) -> pl.DataFrame:
    """Rows of `monitoring.demand_anomalies`: adjoining flagged hours of one meter, kind and detector become one event.

    The score is the highest of its hours, of a gap its length in hours. Energies are sums over the flagged hours, null
    where no hour has one; the excess is taken over the hours that have both.
    """
    contract = table("monitoring.demand_anomalies")
    if flagged.is_empty():
        return contract.empty()
    events = (
        numbered(flagged)
        .with_columns(excess_kwh=pl.col("observed_kwh") - pl.col("expected_kwh"))
        .group_by([*GROUP, "event"], maintain_order=True)
        .agg(
            start_utc=pl.col("interval_start_utc").min(),
            end_utc=pl.col("interval_end_utc").max(),
            score=pl.col("score").max(),
            threshold=pl.col("threshold").max(),
            observed_kwh=_sum_or_null("observed_kwh"),
            expected_kwh=_sum_or_null("expected_kwh"),
            excess_kwh=_sum_or_null("excess_kwh"),
        )
        .drop("event")
        .with_columns(
            hours=(pl.col("end_utc") - pl.col("start_utc")).dt.total_seconds() / 3600.0,
            detected_at_utc=pl.lit(issued_at, dtype=UTC_TIME),
            action=pl.lit("none"),
        )
        .with_columns(score=pl.when(pl.col("kind") == "missing").then(pl.col("hours")).otherwise(pl.col("score")))
        .with_columns(severity=_severity(), message=message())
        .drop("hours")
    )
    return contract.conform(events.with_columns(anomaly_id=_ids(events))).sort("meter_id", "start_utc", *GROUP[1:])


def continue_known(found: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The events under the id, start and day of finding of a known event that they go on with.

    An event that reaches back beyond what is looked at would otherwise begin anew every day.

    Args:
        found: rows of `monitoring.demand_anomalies`.
        known: anomaly_id, meter_id, kind, detector, start_utc, end_utc, detected_at_utc of earlier findings.
    """
    if found.is_empty() or known.is_empty():
        return found
    bridge = _bridge()
    goes_on = (
        found.select("anomaly_id", *GROUP, "start_utc", "end_utc")
        .join(known.rename({c: f"known_{c}" for c in known.columns if c not in GROUP}), on=GROUP)
        .filter(
            pl.col("known_start_utc") <= pl.col("end_utc") + bridge,
            pl.col("known_end_utc") + bridge >= pl.col("start_utc"),
        )
        .sort("start_utc", "known_start_utc")
        .unique("anomaly_id", keep="first", maintain_order=True)
        .unique("known_anomaly_id", keep="first", maintain_order=True)  # what was one and is two: the first goes on
        .select("anomaly_id", "known_anomaly_id", "known_start_utc", "known_detected_at_utc")
    )
    events = found.join(goes_on, on="anomaly_id", how="left").with_columns(
        anomaly_id=pl.coalesce("known_anomaly_id", "anomaly_id"),
        start_utc=pl.min_horizontal("start_utc", "known_start_utc"),
        detected_at_utc=pl.min_horizontal("detected_at_utc", "known_detected_at_utc"),
    )
    return events.select(found.columns).sort("meter_id", "start_utc", "kind", "detector")


def _bridge() -> pl.Expr:
    return pl.col("kind").replace_strict(BRIDGE, default=timedelta(0), return_dtype=pl.Duration("us"))


def _ids(events: pl.DataFrame) -> pl.Series:
    return hash_id(events, *GROUP, "start_utc")


def _sum_or_null(column: str) -> pl.Expr:
    return pl.when(pl.col(column).count() > 0).then(pl.col(column).sum())


def _severity() -> pl.Expr:
    """How much it matters: by reason, duration and how far off the energy is."""
    hours, kind = pl.col("hours"), pl.col("kind")
    low, medium, high = (pl.lit(word) for word in ("low", "medium", "high"))
    by_duration = pl.when(hours >= 24).then(high).when(hours >= 6).then(medium).otherwise(low)
    off = pl.col("excess_kwh").abs() / pl.col("expected_kwh").abs()
    return (
        pl.when(kind == "unit_scale")
        .then(high)
        .when(kind.is_in(["duplicate", "dst_fold", "clock_shift"]))
        .then(low)
        .when(kind.is_in(["missing", "zero_run"]))
        .then(by_duration)
        .when(kind.is_in(["negative", "flatline"]))
        .then(pl.when(hours >= 24).then(high).otherwise(medium))
        .when(kind == "spike")
        .then(pl.when(pl.col("score") >= 2 * pl.col("threshold")).then(high).otherwise(medium))
        .when(kind.is_in(["meter_reset", "rollover", "sentinel", "dip"]))
        .then(medium)
        .when(kind == "estimated_run")
        .then(pl.when(hours >= 24).then(medium).otherwise(low))
        .otherwise(pl.when(off >= 0.5).then(by_duration).otherwise(low))
    )
