"""From flagged hours to events.

Belongs here: merging, severity, sentences, ids. Does not belong here: deciding which hour is odd.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from energy_assets.contracts import table
from energy_assets.ids import hash_id

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
    ]
)
BRIDGE = {"contextual": timedelta(hours=6)}  # a short return to normal does not end such an event

_GROUP = ["meter_id", "kind", "detector"]


def flags(frame: pl.DataFrame, kind: str, detector: str, score: pl.Expr, threshold: pl.Expr | float) -> pl.DataFrame:
    """Flagged hours in the shape that `merge` takes."""
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
    )


def merge(flagged: pl.DataFrame, issued_at: datetime) -> pl.DataFrame:
    """Rows of `monitoring.demand_anomalies`: adjoining flagged hours of one meter, kind and detector become one event.

    The score is the highest of its hours, of a gap its length in hours. Energies are sums, null where no hour has one.
    """
    contract = table("monitoring.demand_anomalies")
    if flagged.is_empty():
        return contract.empty()
    bridge = pl.col("kind").replace_strict(BRIDGE, default=timedelta(0), return_dtype=pl.Duration("us"))
    ended = pl.col("interval_end_utc").cum_max().shift(1).over(_GROUP)
    starts_new = (pl.col("interval_start_utc") > ended + bridge).fill_null(value=True)
    events = (
        flagged.sort([*_GROUP, "interval_start_utc"])
        .with_columns(event=starts_new.cum_sum().over(_GROUP))
        .group_by([*_GROUP, "event"], maintain_order=True)
        .agg(
            start_utc=pl.col("interval_start_utc").min(),
            end_utc=pl.col("interval_end_utc").max(),
            score=pl.col("score").max(),
            threshold=pl.col("threshold").max(),
            observed_kwh=_sum_or_null("observed_kwh"),
            expected_kwh=_sum_or_null("expected_kwh"),
        )
        .drop("event")
        .with_columns(
            hours=(pl.col("end_utc") - pl.col("start_utc")).dt.total_seconds() / 3600.0,
            detected_at_utc=pl.lit(issued_at, dtype=pl.Datetime("us", "UTC")),
            action=pl.lit("none"),
        )
        .with_columns(score=pl.when(pl.col("kind") == "missing").then(pl.col("hours")).otherwise(pl.col("score")))
        .with_columns(severity=_severity(), message=_message())
        .drop("hours")
    )
    events = events.with_columns(anomaly_id=hash_id(events, "meter_id", "kind", "detector", "start_utc"))
    return contract.conform(events).sort("meter_id", "start_utc", "kind", "detector")


def _sum_or_null(column: str) -> pl.Expr:
    return pl.when(pl.col(column).count() > 0).then(pl.col(column).sum())


def _severity() -> pl.Expr:
    """How much it matters: by reason, duration and how far off the energy is."""
    hours = pl.col("hours")
    by_duration = pl.when(hours >= 24).then(pl.lit("high")).when(hours >= 6).then(pl.lit("medium"))
    off = (pl.col("observed_kwh") - pl.col("expected_kwh")).abs() / pl.col("expected_kwh").abs()
    far_beyond = pl.col("score") >= 2 * pl.col("threshold")
    kind = pl.col("kind")
    return (
        pl.when(kind == "unit_scale")
        .then(pl.lit("high"))
        .when(kind == "duplicate")
        .then(pl.lit("low"))
        .when(kind.is_in(["missing", "zero_run"]))
        .then(by_duration.otherwise(pl.lit("low")))
        .when(kind.is_in(["negative", "flatline"]))
        .then(pl.when(hours >= 24).then(pl.lit("high")).otherwise(pl.lit("medium")))
        .when(kind == "spike")
        .then(pl.when(far_beyond).then(pl.lit("high")).otherwise(pl.lit("medium")))
        .otherwise(pl.when(off >= 0.5).then(by_duration.otherwise(pl.lit("low"))).otherwise(pl.lit("low")))
    )


def _message() -> pl.Expr:
    duration = pl.format("{} h from {} UTC", _number("hours", 1), pl.col("start_utc").dt.strftime("%Y-%m-%d %H:%M"))
    observed, expected = _number("observed_kwh"), _number("expected_kwh")
    score = _number("score")
    against = (
        pl.when(pl.col("expected_kwh").is_not_null() & pl.col("observed_kwh").is_not_null())
        .then(pl.format(": {} kWh where {} kWh were to be expected", observed, expected))
        .otherwise(pl.lit(""))
    )
    texts = {
        "missing": pl.format("No reading for {}", duration),
        "duplicate": pl.format("Up to {} readings for the same interval, for {}", score, duration),
        "negative": pl.format("Negative demand for {}, down to -{} kWh in an hour", duration, score),
        "flatline": pl.format("The same value for {}, where such runs are rare", duration),
        "zero_run": pl.format("Zero for {}, at hours that are rarely zero here", duration),
        "spike": pl.format("A spike of {} h, {} times the highest usual hour", _number("hours", 1), score),
        "unit_scale": pl.format("Off by a power of ten for {}", duration),
        "contextual": pl.format("Out of character for {}", duration),
    }
    text = pl.lit("")
    for kind, sentence in texts.items():
        text = pl.when(pl.col("kind") == kind).then(sentence).otherwise(text)
    return pl.concat_str(
        [
            text,
            pl.when(pl.col("kind").is_in(["missing", "duplicate", "negative"])).then(pl.lit("")).otherwise(against),
            pl.lit("."),
        ]
    )


def _number(column: str, decimals: int = 2) -> pl.Expr:
    """A number for people: no trailing zeros, no more digits than matter."""
    text = pl.col(column).round(decimals).cast(pl.String).fill_null("?")
    return text.str.strip_suffix(".0")
