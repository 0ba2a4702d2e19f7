"""What a peak is held against: capacity, the billed peak so far, the season; and how often the season exceeded it.

Belongs here: thresholds of each basis and their climatology, of what was known at the issue time. Does not belong here:
probabilities, the ledger.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from energy_assets.flexibility.clock import ALL

SEASON_DAYS = 45  # "the same season": at most so many days of the year away
SEASON_MIN_HOURS = 14 * 24  # fewer known hours of the season give neither threshold nor climatology
YEAR = timedelta(days=365)
COLUMNS = ("meter_id", "threshold_basis", "demand_window", "window", "calendar", "billing_period",
           "averaging_minutes", "ratio", "threshold_kw")  # fmt: skip


def season(history: pl.DataFrame, targets: pl.DataFrame, issued_at: datetime) -> pl.DataFrame:
    """The hours of the past year's same season that were known at the issue time.

    Args:
        history: meter_id, interval_start_utc, interval_end_utc, demand_kwh, known_at_utc, local_hour of the past year.
        targets: meter_id, target_utc: the start of the day that is forecast.
        issued_at: what was known later does not count.

    Returns:
        meter_id, local_hour, power_kw of the hours within 45 days of the target's day of the year; no meter of fewer
        than 14 days of hours.
    """
    at = issued_at.astimezone(UTC)
    day_of_year = pl.col("interval_start_utc").dt.ordinal_day().cast(pl.Int32)
    apart = (day_of_year - pl.col("target_utc").dt.ordinal_day().cast(pl.Int32)).abs()
    hours = (pl.col("interval_end_utc") - pl.col("interval_start_utc")).dt.total_seconds() / 3600.0
    return (
        history.join(targets, on="meter_id")
        .filter(
            pl.col("demand_kwh").is_finite(),
            pl.max_horizontal("known_at_utc", "interval_end_utc") <= at,
            pl.col("interval_start_utc") >= pl.col("target_utc") - YEAR,
            pl.min_horizontal(apart, 365 - apart) <= SEASON_DAYS,
        )
        .select("meter_id", "local_hour", power_kw=pl.col("demand_kwh") / hours)
        .filter(pl.len().over("meter_id") >= SEASON_MIN_HOURS)
    )


def thresholds(
    meters: pl.DataFrame,
    ledger: pl.DataFrame,
    charges: pl.DataFrame,
    ratios: pl.DataFrame,
    of_season: pl.DataFrame,
    quantile: float,
) -> pl.DataFrame:
    """Per meter one threshold of each basis that can be had, of the incumbents one per demand charge.

    Args:
        meters: meter_id, capacity_kw.
        ledger: rows of `flexibility.incumbent_peaks` of the issue.
        charges: what `demand_charges` gives: the window and calendar of the ledger's rows.
        ratios: what `quarter_hour_ratios` gives; 1 for meters that are not in it.
        of_season: what `season` gives.
        quantile: of the season's hours that is the seasonal threshold.

    Returns:
        `COLUMNS`, sorted. `ratio` turns a forecast of the hour into one of the power that is held against the
        threshold; `billing_period` is null but for incumbents, which hold in their month alone.
    """
    every_hour = {"demand_window": ALL, "window": ALL, "calendar": ALL}
    plain = [pl.lit(word).alias(name) for name, word in every_hour.items()]
    always = [
        *plain,
        pl.lit(None, dtype=pl.String).alias("billing_period"),
        pl.lit(60, dtype=pl.Int32).alias("averaging_minutes"),
        pl.lit(1.0).alias("ratio"),
    ]
    capacity = meters.select("meter_id", *always, threshold_kw=pl.col("capacity_kw").cast(pl.Float64))
    seasonal = (
        of_season.group_by("meter_id")
        .agg(threshold_kw=pl.col("power_kw").quantile(quantile, "linear"))
        .select("meter_id", *always, "threshold_kw")
    )
    quarter = pl.col("averaging_minutes") < 60
    incumbent = (
        ledger.join(
            charges.select("meter_id", "tariff_id", "demand_window", "window", "calendar"),
            on=["meter_id", "tariff_id", "demand_window"],
        )
        .join(ratios, on="meter_id", how="left")
        .select(
            "meter_id", "demand_window", "window", "calendar", "billing_period", "averaging_minutes",
            ratio=pl.when(quarter).then(pl.col("ratio")).fill_null(1.0),
            threshold_kw="incumbent_peak_kw",
        )
    )  # fmt: skip
    parts = {"capacity": capacity, "incumbent": incumbent, "seasonal_quantile": seasonal}
    found = pl.concat(part.with_columns(threshold_basis=pl.lit(basis)).select(COLUMNS) for basis, part in parts.items())
    return found.drop_nulls("threshold_kw").sort("meter_id", "threshold_basis", "demand_window")


def climatology(of_season: pl.DataFrame, held_against: pl.DataFrame) -> pl.DataFrame:
    """How often the season's hours exceeded each threshold, per local hour: the forecast of somebody without one.

    Args:
        of_season: what `season` gives.
        held_against: what `thresholds` gives.

    Returns:
        meter_id, threshold_basis, demand_window, local_hour, climatology (0 to 1).
    """
    exceeded = pl.col("power_kw") * pl.col("ratio") > pl.col("threshold_kw")
    return (
        of_season.join(held_against, on="meter_id")
        .group_by("meter_id", "threshold_basis", "demand_window", "local_hour")
        .agg(climatology=exceeded.mean())
    )
