"""What came of the peaks that were flagged, and of those that nobody flagged.

Belongs here: outcomes of windows and events, and the sums that scores of hourly probabilities are made of. Does not
belong here: the scores themselves (SQL, `reporting.peak_accuracy`), what was flagged.

A window from level 1 on is a warning. An event is a run of consecutive hours that exceeded a threshold: one that
overlaps a window is told by that window, one that overlaps none is a miss of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from energy_assets.contracts import table
from energy_assets.flexibility.incumbents import HOUR, QUARTER, mean_power
from energy_assets.flexibility.peaks import COINCIDENT, peak_level
from energy_assets.ids import hash_id
from energy_assets.metrics import lead_bucket

WARNING = 1  # the lowest level that is one
BINS = 10
_BASIS = ["meter_id", "issued_at_utc", "threshold_basis", "demand_window"]


def hourly_power(hourly: pl.DataFrame, parts: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The power of each hour as thresholds see it: its mean, and its highest quarter hour.

    Args:
        hourly: meter_id, interval_start_utc, interval_end_utc, demand_kwh, known_at_utc of hours.
        parts: the same of parts of hours.
        as_of: what was known later does not count.

    Returns:
        meter_id, interval_start_utc (of the hour), averaging_minutes, power_kw, known_at_utc.
    """
    at = as_of.astimezone(UTC)
    quarters = mean_power(parts, QUARTER, at)
    hour = pl.col("interval_start_utc").dt.truncate("1h")
    highest = (
        quarters.group_by("meter_id", "averaging_minutes", interval_start_utc=hour)
        .agg(pl.col("power_kw", "known_at_utc").max(), quarters=pl.len())
        .filter(pl.col("quarters") == HOUR // QUARTER)
    )
    hours = mean_power(hourly, HOUR, at)
    return pl.concat([hours, highest.select(hours.columns)])


def peak_outcomes(windows: pl.DataFrame, hours: pl.DataFrame, power: pl.DataFrame) -> pl.DataFrame:
    """What each window turned out to be, and the events that no window told.

    Args:
        windows: rows of `flexibility.demand_peaks`.
        hours: rows of `flexibility.peak_probabilities` of the same issues.
        power: what `hourly_power` gives.

    Returns:
        Rows of `flexibility.peak_outcomes` of the windows all of whose hours are known, and of the events among known
        hours, sorted by issue, meter, basis and window.
    """
    contract = table("flexibility.peak_outcomes")
    found = pl.concat(
        contract.conform(part) for part in (_of_windows(windows, power), _missed(windows, _judged(hours, power)))
    )
    return found.sort("issued_at_utc", "meter_id", "threshold_basis", "demand_window", "window_start_utc")


def peak_scores(hours: pl.DataFrame, power: pl.DataFrame) -> pl.DataFrame:
    """Sums of squared errors and of frequencies per lead time and tenth of probability.

    Args:
        hours: rows of `flexibility.peak_probabilities`; those without a climatology are left out.
        power: what `hourly_power` gives.

    Returns:
        Rows of `flexibility.peak_scores`, sorted by key.
    """
    contract = table("flexibility.peak_scores")
    outcome, said = pl.col("exceeded").cast(pl.Float64), pl.col("probability")
    sums = (
        _judged(hours, power)
        .drop_nulls("climatology")
        .group_by(
            *_BASIS,
            lead_bucket(pl.col("lead_minutes")).alias("lead_bucket"),
            probability_bin=(said * BINS).floor().clip(0, BINS - 1).cast(pl.Int32),
        )
        .agg(
            hours=pl.len(),
            exceeded_hours=pl.col("exceeded").sum(),
            probability_sum=said.sum(),
            squared_error_sum=((said - outcome) ** 2).sum(),
            climatology_error_sum=((pl.col("climatology") - outcome) ** 2).sum(),
        )
    )
    return contract.conform(sums).sort(contract.key)


def _judged(hours: pl.DataFrame, power: pl.DataFrame) -> pl.DataFrame:
    """Hours with their outcome, sorted so that sums are the same each time."""
    of_meter = ["meter_id", "interval_start_utc", "averaging_minutes"]
    return (
        hours.join(power, on=of_meter)
        .with_columns(exceeded=pl.col("power_kw") > pl.col("threshold_kw"))
        .sort(*_BASIS, "interval_start_utc")
    )


def _of_windows(windows: pl.DataFrame, power: pl.DataFrame) -> pl.DataFrame:
    each = windows.with_columns(
        interval_start_utc=pl.datetime_ranges("window_start_utc", "window_end_utc", "1h", closed="left")
    )
    known = (
        each.explode("interval_start_utc", empty_as_null=False)
        .join(
            power.rename({"meter_id": "threshold_meter_id"}),
            on=["threshold_meter_id", "interval_start_utc", "averaging_minutes"],
            how="left",
        )
        .sort("peak_id", "interval_start_utc")
    )
    highest = pl.col("power_kw").arg_max()
    ends = (
        known.group_by("peak_id", maintain_order=True)
        .agg(
            whole=pl.col("power_kw").is_not_null().all(),
            actual_peak_kw=pl.col("power_kw").max(),
            actual_peak_at_utc=pl.col("interval_start_utc").get(highest.fill_null(0)),
            known_at_utc=pl.col("known_at_utc").max(),
        )
        .filter("whole")
        .drop("whole")
    )
    warned, exceeded = pl.col("level") >= WARNING, pl.col("actual_peak_kw") > pl.col("threshold_kw")
    found = windows.join(ends, on="peak_id").with_columns(
        outcome_id="peak_id",
        lead_bucket=lead_bucket(pl.col("lead_minutes")),
        outcome=pl.when(warned & exceeded)
        .then(pl.lit("hit"))
        .when(warned)
        .then(pl.lit("false_alarm"))
        .when(exceeded)
        .then(pl.lit("miss"))
        .otherwise(pl.lit("correct_rejection")),
        size_error_kw=pl.col("peak_p50_kw") - pl.col("actual_peak_kw"),
        hour_error=(pl.col("peak_hour_utc") - pl.col("actual_peak_at_utc")).dt.total_seconds() / 3600.0,
    )
    return found.select(table("flexibility.peak_outcomes").content)


def _missed(windows: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    exceeding = judged.filter("exceeded")
    begins = pl.col("interval_start_utc") != pl.col("interval_end_utc").shift(1).over(_BASIS)
    highest = pl.col("power_kw").arg_max()
    events = (
        exceeding.with_columns(run=begins.fill_null(value=True).cum_sum())
        .group_by(*_BASIS, "run", maintain_order=True)
        .agg(
            pl.col("threshold_kw").first(),
            pl.col("lead_minutes", "interval_start_utc").min(),
            pl.col("probability", "known_at_utc", "interval_end_utc").max(),
            actual_peak_kw=pl.col("power_kw").max(),
            actual_peak_at_utc=pl.col("interval_start_utc").get(highest),
        )
        .rename({"interval_start_utc": "window_start_utc", "interval_end_utc": "window_end_utc"})
    )
    told = (
        events.join(
            windows.filter(pl.col("threshold_basis") != COINCIDENT).select(
                *_BASIS, said_start="window_start_utc", said_end="window_end_utc"
            ),
            on=_BASIS,
        )
        .filter(pl.col("said_start") < pl.col("window_end_utc"), pl.col("said_end") > pl.col("window_start_utc"))
        .select(*_BASIS, "run")
    )
    missed = events.join(told, on=[*_BASIS, "run"], how="anti").drop("run")
    return missed.with_columns(
        outcome_id=hash_id(missed, *_BASIS, "window_start_utc"),
        lead_bucket=lead_bucket(pl.col("lead_minutes")),
        level=peak_level(pl.col("probability")),
        outcome=pl.lit("miss"),
    )
