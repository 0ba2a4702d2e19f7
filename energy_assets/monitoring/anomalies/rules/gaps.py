"""Readings that did not come, and readings that came twice."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from energy_assets.monitoring.anomalies.events import UTC_TIME, flags


def missing(hours: pl.DataFrame, issued_at: datetime) -> pl.DataFrame:
    """Hours without a reading that should be there by now, and the silence since a meter's last reading.

    A reading is due after 1.25 times the delay that 95 % of the meter's readings stay within, and an hour: a meter
    that reports once a day is not missing in the meantime. A silence lasts until the issue time.

    The delay is that of the first word about an hour (`first_known_at_utc`): corrections and decisions come later.
    """
    known = pl.col("demand_reported_kwh").is_not_null()
    first_word = "first_known_at_utc" if "first_known_at_utc" in hours.columns else "known_at_utc"
    delay = (pl.col(first_word) - pl.col("interval_end_utc")).filter(known)
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
        interval_end_utc=pl.lit(issued_at, dtype=UTC_TIME),
        demand_reported_kwh=pl.lit(None, dtype=pl.Float64),
        expected_kwh=pl.lit(None, dtype=pl.Float64),
    )
    columns = silent.columns
    length = (pl.col("interval_end_utc") - pl.col("interval_start_utc")).dt.total_seconds() / 3600.0
    return flags(pl.concat([absent.select(columns), silent.select(columns)]), "missing", "rule", length, 1.0)


def duplicate(readings: pl.DataFrame, rejected: pl.DataFrame | None) -> pl.DataFrame:
    """Intervals that stand more than once in what was delivered: the same value again, or a row that was set aside.

    Args:
        readings: every version at the meters' own interval; another value for the same interval is a correction.
        rejected: rows that did not come in, with their reason.
    """
    key = ["meter_id", "interval_start_utc", "interval_end_utc"]
    again = (
        readings.filter(pl.col("energy_kwh").is_not_null())
        .group_by(*key, "energy_kwh")
        .agg(versions=pl.len().cast(pl.Int64))
        .select(*key, "versions")
    )
    doubled = [again]
    if rejected is not None:
        aside = rejected.filter(pl.col("reason").str.starts_with("duplicate_"))
        doubled.append(aside.group_by(key).agg(versions=1 + pl.len().cast(pl.Int64)))
    rows = (
        pl.concat(doubled)
        .group_by(key)
        .agg(pl.col("versions").max())
        .filter(pl.col("versions") >= 2)
        .with_columns(demand_reported_kwh=pl.lit(None, dtype=pl.Float64), expected_kwh=pl.lit(None, dtype=pl.Float64))
    )
    return flags(rows, "duplicate", "rule", pl.col("versions"), 2.0)
