"""All detectors over a trailing window, in one call.

Belongs here: the order of the detectors and what each may see. Does not belong here: a detector's method.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from energy_assets.contracts import table
from energy_assets.monitoring.anomalies import contextual, events, rules
from energy_assets.monitoring.anomalies.expectation import with_expectation

_HOUR = ["meter_id", "interval_start_utc"]


def detect(
    hourly: pl.DataFrame,
    meters: pl.DataFrame,
    duplicates: pl.DataFrame | None = None,
    *,
    issued_at: datetime,
    window_days: int = 14,
    forecasts: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Events of the last `window_days` that do not look like demand.

    Rules name what they can; the isolation forest judges the hours that no rule has named, fitted on the rows before
    the window. Rows of the frame before the window are history: give 60 to 90 days. Nothing known after `issued_at`
    counts, and no hour is judged by what came after it, but for the length of its own event and the delay within which
    the meter usually reports.

    Args:
        hourly: meter_id, interval_start_utc, interval_end_utc, demand_reported_kwh, demand_kwh, local_date,
            local_hour, known_at_utc, and is_holiday if known; gap rows have a null demand_reported_kwh.
        meters: meter_id, kind, interval_minutes.
        duplicates: meter_id, interval_start_utc, versions; what counts as a duplicate is the caller's to say.
        issued_at: issue time, with time zone.
        window_days: events that end within these days before the issue time are reported.
        forecasts: meter_id, interval_start_utc, expected_kwh issued before the hour: a better expectation, optional.

    Returns:
        Rows of `monitoring.demand_anomalies`, action `none`, sorted by meter and start.
    """
    if issued_at.tzinfo is None:
        raise ValueError(f"issued_at {issued_at.isoformat()} has no time zone")
    issued_at = issued_at.astimezone(UTC)
    window_start = issued_at - timedelta(days=window_days)
    unknown = (pl.col("known_at_utc") > issued_at).fill_null(value=False)
    values = ["demand_reported_kwh", "demand_kwh"]
    known = hourly.filter(pl.col("interval_end_utc") <= issued_at).with_columns(
        pl.when(~unknown & pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in values
    )
    if known.is_empty():
        return table("monitoring.demand_anomalies").empty()
    hours = with_expectation(known, forecasts)
    found = [rules.missing(hours, issued_at)]
    if duplicates is not None:
        found.append(rules.duplicate(duplicates.filter(pl.col("interval_start_utc") < issued_at), meters))
    named = pl.DataFrame(schema=events.FLAG_SCHEMA)
    for rule in (rules.negative, rules.zero_run, rules.flatline, rules.unit_scale, rules.spike):
        # the first rule that names an hour keeps it: a dead meter is not also off by a power of ten
        named = pl.concat([named, rule(hours).join(named.select(_HOUR), on=_HOUR, how="anti")])
    rest = contextual.contextual(hours, meters, named.select(_HOUR), window_start)
    merged = events.merge(pl.concat([*found, named, rest]), issued_at)
    return merged.filter(pl.col("end_utc") > window_start)
