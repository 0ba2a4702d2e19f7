"""All detectors over a trailing window, in one call.

Belongs here: the order of the detectors and what each may see. Does not belong here: a detector's method.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl

from energy_assets.monitoring.anomalies import events, rules
from energy_assets.monitoring.anomalies.clock_shift import clock_shift
from energy_assets.monitoring.anomalies.contextual import contextual
from energy_assets.monitoring.anomalies.expectation import Sight, day_of_week, with_expectation
from energy_assets.monitoring.anomalies.level_shift import level_shift
from energy_assets.monitoring.anomalies.night_baseload import night_baseload
from energy_assets.monitoring.anomalies.steps import unclaimed

_HOUR = ["meter_id", "interval_start_utc"]
BRIEF_HOURS = 3  # of spikes and dips in a day: no new level shows in so few


def detect(
    hourly: pl.DataFrame,
    meters: pl.DataFrame,
    readings: pl.DataFrame | None = None,
    rejected: pl.DataFrame | None = None,
    history: pl.DataFrame | None = None,
    *,
    issued_at: datetime,
    window_days: int = 14,
    forecasts: pl.DataFrame | None = None,
    sensitivities: pl.DataFrame | None = None,
    sight: Sight = Sight.PAST,
) -> pl.DataFrame:
    """Events of the last `window_days` that do not look like demand: `flagged_hours`, merged.

    Returns:
        Rows of `monitoring.demand_anomalies`, action `none`, sorted by meter and start.
    """
    flagged = flagged_hours(
        hourly, meters, readings, rejected, history, issued_at=issued_at, window_days=window_days, forecasts=forecasts,
        sensitivities=sensitivities, sight=sight,
    )  # fmt: skip
    return events.merge(flagged, issued_at.astimezone(UTC))


def flagged_hours(
    hourly: pl.DataFrame,
    meters: pl.DataFrame,
    readings: pl.DataFrame | None = None,
    rejected: pl.DataFrame | None = None,
    history: pl.DataFrame | None = None,
    *,
    issued_at: datetime,
    window_days: int = 14,
    forecasts: pl.DataFrame | None = None,
    sensitivities: pl.DataFrame | None = None,
    sight: Sight = Sight.PAST,
) -> pl.DataFrame:
    """Hours of the events of the last `window_days`, each with the kind and the detector that names it.

    Rules name what they can, then come changes that persist; what is out of character is looked for among the hours
    that have no name yet. Rows of the frame before the window are the past: give 60 to 90 days. Nothing known after
    `issued_at` counts, and online no hour is judged by what came after it, but for the length of its own event and the
    delay within which the meter usually reports.

    Args:
        hourly: meter_id, interval_start_utc, interval_end_utc, demand_reported_kwh, demand_kwh, local_date,
            local_hour, known_at_utc, and quality, is_holiday and first_known_at_utc (of the hour's first version) where
            known; gap rows have a null demand_reported_kwh.
        meters: meter_id, kind, interval_minutes.
        readings: every version of the window's readings at the meters' own interval: meter_id, interval_start_utc,
            interval_end_utc, known_at_utc, energy_kwh, load_id, file_row. Without it what hides within the hour, came
            twice or stands in the wrong place of its file is not seen.
        rejected: rows of the window's readings that did not come in: meter_id, interval_start_utc, interval_end_utc,
            known_at_utc, reason, raw_text.
        history: up to a year of hours before those of `hourly`, as known at the issue time: meter_id,
            interval_start_utc, local_date, local_hour, demand_kwh, and is_holiday if known. What is out of character is
            judged against them too, so that a season seen before is not new; optional.
        issued_at: issue time, with time zone.
        window_days: events that end within these days before the issue time are reported.
        forecasts: meter_id, interval_start_utc, expected_kwh issued before the hour: a better expectation, optional.
        sensitivities: meter_id, kind, factor: the detectors of that kind speak at `factor` times their threshold for
            that meter (above 1: less often; down to 0.7), optional.
        sight: `Sight.BOTH` is a review after the fact: the rows after an hour count too.

    Returns:
        Rows of `events.FLAG_SCHEMA`, one per hour and kind.
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
        return pl.DataFrame(schema=events.FLAG_SCHEMA)
    hours = with_expectation(known, forecasts, sight)
    if history is not None:
        history = history.with_columns(day_of_week=day_of_week(history))
    parts = None if readings is None else readings.filter(pl.col("known_at_utc") <= issued_at)
    refused = None if rejected is None else rejected.filter(pl.col("known_at_utc") <= issued_at)
    found: list[pl.DataFrame] = []
    if parts is not None:
        twice = (rules.duplicate(parts, refused), rules.file_order(parts, meters))
        found += [_at_factor(flagged, sensitivities) for flagged in twice]
    seen = rules.with_parts(hours, parts)
    named = pl.DataFrame(schema=events.FLAG_SCHEMA)
    # The first rule that names an hour keeps it: a dead meter is not also off by a factor.
    for rule in _naming(refused, issued_at):
        # days of another fault do not make spikes and dips usual
        looked_at = unclaimed(seen, named) if rule in (rules.spike, rules.dip) else seen
        flagged = _at_factor(rule(looked_at), sensitivities)
        named = pl.concat([named, flagged.join(named.select(_HOUR), on=_HOUR, how="anti")])
    # A new level begins as a spike or a dip does, and takes over from it once it is known; not from a brief one in it.
    passing = pl.col("kind").is_in(["spike", "dip"])
    firm = named.filter(~passing)
    claimed = firm.select(_HOUR)
    persisting = (
        level_shift(hours, claimed, meters), clock_shift(hours, claimed), night_baseload(hours, claimed)
    )  # fmt: skip
    lasting = pl.concat(_at_factor(flagged, sensitivities) for flagged in persisting)
    brief = pl.len().over("meter_id", pl.col("interval_start_utc").dt.truncate("1d")) <= BRIEF_HOURS
    fleeting = named.filter(passing).with_columns(brief=brief)
    outside = fleeting.join(lasting, on=_HOUR, how="anti")
    kept = pl.concat([outside, fleeting.filter("brief")]).unique(_HOUR, keep="first", maintain_order=True)
    named = pl.concat([firm, lasting, kept.drop("brief")])
    rest = contextual(hours, meters, named.select(_HOUR), window_start, history, sight)
    return _of_window(pl.concat([*found, named, _at_factor(rest, sensitivities)]), window_start)


def _naming(rejected: pl.DataFrame | None, issued_at: datetime) -> list[Callable[[pl.DataFrame], pl.DataFrame]]:
    """The rules that name an hour once, those that say most first."""
    return [
        lambda hours: rules.dst_fold(hours, rejected),
        rules.sentinel,
        lambda hours: rules.register_fall(hours, rejected),
        rules.negative,
        rules.zero_run,
        rules.estimated_run,
        rules.flatline,
        rules.unit_scale,
        rules.spike,
        rules.dip,
        rules.declared_estimate,
        lambda hours: rules.missing(hours, issued_at),
    ]


def _at_factor(flagged: pl.DataFrame, sensitivities: pl.DataFrame | None) -> pl.DataFrame:
    """Those flags that stand at the thresholds that feedback has moved; rules hand over what is near theirs, too."""
    if sensitivities is not None:
        factors = sensitivities.select("meter_id", "kind", "factor").unique(["meter_id", "kind"])
        flagged = (
            flagged.join(factors, on=["meter_id", "kind"], how="left", maintain_order="left")
            .with_columns(threshold=pl.col("threshold") * pl.col("factor").fill_null(1.0))
            .drop("factor")
        )
    return flagged.filter(pl.col("score") >= pl.col("threshold"))


def _of_window(flagged: pl.DataFrame, window_start: datetime) -> pl.DataFrame:
    """The hours of those events that end within the window, their hours before it included."""
    return (
        events.numbered(flagged)
        .filter((pl.col("interval_end_utc").max() > window_start).over(*events.GROUP, "event"))
        .drop("event")
    )
