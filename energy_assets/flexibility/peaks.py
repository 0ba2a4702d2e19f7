"""Peaks: the billed one so far, and the windows of the next day that may exceed a threshold.

Belongs here: thresholds, windows and their probability from the marginal quantiles. Does not belong here: forecasts,
joint scenarios, tariffs and advice.

Power is the mean kW over an hour. A billing period is the local calendar month of the meter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from energy_assets.contracts import table
from energy_assets.quantiles import exceedance, quantile_at
from energy_assets.ids import hash_id

MIN_PROBABILITY = 0.05  # windows less probable than this are not worth a row
HOUR_PROBABILITY = 0.10  # an hour belongs to a window when its p90 (and so perhaps its median) exceeds the threshold
LEVEL_CUTS = (0.20, 0.50, 0.90)  # level 0 unlikely, 1 possible from 0.2, 2 likely from 0.5, 3 nearly certain from 0.9
SEASONAL_QUANTILE = 0.98
SEASON_DAYS = 45  # "the same season": at most this many days of the year away
SEASON_MIN_HOURS = 14 * 24  # fewer known hours of the season give no seasonal threshold

_ISSUE = ["meter_id", "issued_at_utc", "model_version"]
_BASIS = [*_ISSUE, "threshold_basis"]


def incumbent_peaks(
    hourly: pl.DataFrame, meters: pl.DataFrame, issued_at: datetime | Sequence[datetime]
) -> pl.DataFrame:
    """The highest mean power of an hour in the running billing month, as known at each issue time.

    The running month is that of the issue time in the meter's zone; a meter without a known hour in it has no row.

    Args:
        hourly: meter_id, interval_start_utc, interval_end_utc, demand_kwh, known_at_utc (as in
            `marts.fct_demand_hourly`); at least the running month.
        meters: meter_id, timezone.
        issued_at: one issue time or several.

    Returns:
        Rows of `flexibility.incumbent_peaks`, sorted by key. Of equal peaks the first one stands.
    """
    contract = table("flexibility.incumbent_peaks")
    times = [issued_at] if isinstance(issued_at, datetime) else list(issued_at)
    issues = pl.DataFrame(
        {"as_of_utc": [time.astimezone(UTC) for time in times]}, schema={"as_of_utc": pl.Datetime("us", "UTC")}
    )
    running = (
        meters.select("meter_id", "timezone")
        .join(issues, how="cross")
        .with_columns(billing_period=_local(meters, "as_of_utc").dt.strftime("%Y-%m"))
    )
    known = (
        hourly.select("meter_id", "interval_start_utc", "interval_end_utc", "demand_kwh", "known_at_utc")
        .drop_nulls()
        .join(meters.select("meter_id", "timezone"), on="meter_id")
        .with_columns(
            billing_period=_local(meters, "interval_start_utc").dt.strftime("%Y-%m"),
            power_kw=pl.col("demand_kwh") / _hours("interval_start_utc", "interval_end_utc"),
        )
        .join(running.drop("timezone"), on=["meter_id", "billing_period"])
        .filter(
            pl.max_horizontal("known_at_utc", "interval_end_utc") <= pl.col("as_of_utc"),
        )
    )
    highest = known.sort("interval_start_utc").group_by("meter_id", "billing_period", "as_of_utc")
    at_peak = pl.col("power_kw").arg_max()
    result = highest.agg(
        incumbent_peak_kw=pl.col("power_kw").get(at_peak), peak_at_utc=pl.col("interval_start_utc").get(at_peak)
    )
    return contract.conform(result).sort(contract.key)


def demand_peaks(
    forecasts: pl.DataFrame,
    meters: pl.DataFrame,
    incumbents: pl.DataFrame,
    history: pl.DataFrame,
    *,
    issued_at: datetime | None = None,
    seasonal_quantile: float = SEASONAL_QUANTILE,
    min_probability: float = MIN_PROBABILITY,
) -> pl.DataFrame:
    """Windows of the forecast day that may exceed a threshold, at most a few per meter and day.

    Thresholds, one per basis where it can be had:
    `capacity` is the meter's capacity; `incumbent` the billed peak of the target's month so far (none in a new month);
    `seasonal_quantile` the given quantile of the hourly demand of the past 365 days within 45 days of the target's day
    of year, known at issue time (at least 14 days of hours).

    A window is a run of consecutive hours whose p90 exceeds the threshold (a median that does has a p90 that does);
    where no hour qualifies, the single most probable hour. Windows below `min_probability` are left out.

    The probability of an hour comes from its quantiles (`energy_assets.quantiles`). For a window, marginal
    quantiles do not say how its hours go together: the hours are taken as comonotonic, all high or all low together.
    Then the window's peak has as its quantiles the largest hourly quantile of each level, and its probability is the
    largest hourly probability. For any other dependence the true probability is at least that: it is the lower bound
    of Fréchet. Joint scenarios can sharpen it.

    Args:
        forecasts: rows of `forecasts.demand_forecasts` (meter_id, issued_at_utc, model_version, interval_start_utc,
            interval_end_utc, quantile, demand_kwh; the last revision counts), of one issue or several.
        meters: meter_id, timezone, capacity_kw.
        incumbents: rows of `flexibility.incumbent_peaks` for the same issue times.
        history: meter_id, interval_start_utc, interval_end_utc, demand_kwh, known_at_utc of the past year.
        issued_at: only the forecasts of this issue; all in the frame without it.
        seasonal_quantile: between 0 and 1.
        min_probability: windows less probable than this are left out.

    Returns:
        Rows of `flexibility.demand_peaks`, sorted by meter, issue, basis and window.
    """
    contract = table("flexibility.demand_peaks")
    if issued_at is not None:
        forecasts = forecasts.filter(pl.col("issued_at_utc") == issued_at.astimezone(UTC))
    hours, levels = _hourly_quantiles(forecasts, meters)
    if hours.is_empty():
        return contract.empty()
    days = hours.group_by(_ISSUE).agg(pl.col("billing_period").first(), target_utc=pl.col("interval_start_utc").min())
    thresholds = _thresholds(days, meters, incumbents, history, seasonal_quantile)
    judged = hours.join(thresholds, on=_ISSUE)
    if judged.is_empty():
        return contract.empty()
    values = judged.select(_names(levels)).to_numpy()
    probability = exceedance(levels, values, judged["threshold_kw"].to_numpy())
    judged = judged.with_columns(
        pl.Series("probability", probability),
        *(pl.Series(name, quantile_at(levels, values, p)) for name, p in _PEAK_QUANTILES.items()),
    )
    windows = _windows(judged, min_probability)
    result = windows.with_columns(level=peak_level(pl.col("probability"))).join(
        incumbents.select("meter_id", "billing_period", "incumbent_peak_kw", issued_at_utc=pl.col("as_of_utc")),
        on=["meter_id", "billing_period", "issued_at_utc"],
        how="left",
    )
    identity = ("meter_id", "issued_at_utc", "model_version", "threshold_basis", "window_start_utc", "window_end_utc")
    result = result.with_columns(peak_id=hash_id(result, *identity))
    return contract.conform(result).sort("meter_id", "issued_at_utc", "threshold_basis", "window_start_utc")


def peak_level(probability: pl.Expr) -> pl.Expr:
    """0 unlikely (below 0.2), 1 possible (below 0.5), 2 likely (below 0.9), 3 nearly certain.

    Example:
        >>> pl.DataFrame({"p": [0.1, 0.2, 0.5, 0.9]}).select(peak_level(pl.col("p")))["p"].to_list()
        [0, 1, 2, 3]
    """
    return pl.sum_horizontal((probability >= cut).cast(pl.Int32) for cut in LEVEL_CUTS).alias(
        probability.meta.output_name()
    )


_PEAK_QUANTILES = {"peak_p10_kw": 0.1, "peak_p50_kw": 0.5, "peak_p90_kw": 0.9}


def _hourly_quantiles(forecasts: pl.DataFrame, meters: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray]:
    """One row per forecast interval with its quantiles as mean power, and the levels of the columns `q0`, `q1`, ..."""
    keys = [*_ISSUE, "interval_start_utc", "interval_end_utc"]
    if "revision" in forecasts.columns:
        newest = pl.col("revision") == pl.col("revision").max().over([*keys, "quantile"])
        forecasts = forecasts.filter(newest)
    levels = forecasts["quantile"].unique().sort().to_numpy()
    if forecasts.is_empty() or len(levels) < 2:
        return pl.DataFrame(), levels
    number = pl.DataFrame({"quantile": levels, "name": _names(levels)})
    wide = (
        forecasts.with_columns(power_kw=pl.col("demand_kwh") / _hours("interval_start_utc", "interval_end_utc"))
        .join(number, on="quantile")
        .pivot("name", index=keys, values="power_kw", on_columns=_names(levels))
        .drop_nulls(_names(levels))  # an hour without all its quantiles has no distribution to judge
        .join(meters.select("meter_id", "timezone"), on="meter_id")
        .with_columns(billing_period=_local(meters, "interval_start_utc").dt.strftime("%Y-%m"))
        .drop("timezone")
    )
    return wide.sort(keys), levels


def _thresholds(
    days: pl.DataFrame, meters: pl.DataFrame, incumbents: pl.DataFrame, history: pl.DataFrame, quantile: float
) -> pl.DataFrame:
    """Per meter, issue and model the threshold of each basis that can be had."""
    capacity = days.join(meters.select("meter_id", threshold_kw="capacity_kw"), on="meter_id")
    incumbent = days.join(
        incumbents.select("meter_id", "billing_period", issued_at_utc="as_of_utc", threshold_kw="incumbent_peak_kw"),
        on=["meter_id", "billing_period", "issued_at_utc"],
    )
    targets = days.select("meter_id", "issued_at_utc", "target_utc").unique(["meter_id", "issued_at_utc"])
    day_of_year = pl.col("interval_start_utc").dt.ordinal_day().cast(pl.Int32)
    apart = (day_of_year - pl.col("target_utc").dt.ordinal_day().cast(pl.Int32)).abs()
    season = (
        history.select("meter_id", "interval_start_utc", "interval_end_utc", "demand_kwh", "known_at_utc")
        .drop_nulls()
        .join(targets, on="meter_id")
        .filter(
            pl.max_horizontal("known_at_utc", "interval_end_utc") <= pl.col("issued_at_utc"),
            pl.col("interval_start_utc") >= pl.col("target_utc") - timedelta(days=365),
            pl.min_horizontal(apart, 365 - apart) <= SEASON_DAYS,
        )
        .group_by("meter_id", "issued_at_utc")
        .agg(
            threshold_kw=(pl.col("demand_kwh") / _hours("interval_start_utc", "interval_end_utc")).quantile(
                quantile, "linear"
            ),
            hours=pl.len(),
        )
        .filter(pl.col("hours") >= SEASON_MIN_HOURS)
    )
    seasonal = days.join(season, on=["meter_id", "issued_at_utc"])
    parts = {"capacity": capacity, "incumbent": incumbent, "seasonal_quantile": seasonal}
    return pl.concat(
        part.select(*_ISSUE, pl.lit(basis).alias("threshold_basis"), pl.col("threshold_kw").cast(pl.Float64))
        for basis, part in parts.items()
    ).drop_nulls("threshold_kw")


def _windows(judged: pl.DataFrame, min_probability: float) -> pl.DataFrame:
    """Runs of qualifying hours, or the most probable hour of a day without one, with their peak."""
    most_probable = (
        pl.col("interval_start_utc")
        .sort_by(["probability", "peak_p50_kw", "interval_start_utc"], descending=[True, True, False])
        .first()
    )
    nothing_qualifies = pl.col("probability").max().over(_BASIS) <= HOUR_PROBABILITY
    hours = judged.filter(
        (pl.col("probability") > HOUR_PROBABILITY)
        | (nothing_qualifies & (pl.col("interval_start_utc") == most_probable.over(_BASIS))),
    ).sort([*_BASIS, "interval_start_utc"])
    begins = pl.col("interval_start_utc") != pl.col("interval_end_utc").shift(1).over(_BASIS)
    return (
        hours.with_columns(run=begins.fill_null(value=True).cum_sum().over(_BASIS))
        .group_by([*_BASIS, "run"])
        .agg(
            pl.col("billing_period", "threshold_kw").first(),
            pl.col("probability", *_PEAK_QUANTILES).max(),
            window_start_utc=pl.col("interval_start_utc").min(),
            window_end_utc=pl.col("interval_end_utc").max(),
            peak_hour_utc=most_probable,
        )
        .filter(pl.col("probability") >= min_probability)
        .drop("run")
    )


def _names(levels: np.ndarray) -> list[str]:
    return [f"q{i}" for i in range(len(levels))]


def _hours(start: str, end: str) -> pl.Expr:
    return (pl.col(end) - pl.col(start)).dt.total_seconds() / 3600.0


def _local(meters: pl.DataFrame, column: str) -> pl.Expr:
    """The wall clock of each row's `timezone`. A loop over the few zones: a polars column has only one."""
    zones = meters["timezone"].unique().sort().to_list()
    clock = pl.col(column).dt
    local = [
        pl.when(pl.col("timezone") == zone).then(clock.convert_time_zone(zone).dt.replace_time_zone(None))
        for zone in zones
    ]
    return pl.coalesce([*local, clock.replace_time_zone(None)])
