"""Feature frames of made-up meters, built the way the feature table is: from what was known at issue time only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from energy_assets.forecasting.features import CHANGING_DEGREES

START = datetime(2022, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ISSUE_HOUR = 9
LAGS = (1, 2, 7, 8, 14, 21, 28)
INSTANT = pl.Datetime("us", "UTC")


def demand(
    meters: int = 1, days: int = 90, seed: int = 1, noise: float = 0.03, scale: float = 100.0, start: datetime = START
) -> pl.DataFrame:
    """Hourly demand (meter_id, start, kwh, temperature_c): daily and weekly shape, heating, autocorrelated chance."""
    random = np.random.default_rng(seed)
    hours = days * 24
    hour = np.arange(hours) % 24
    weekday = (np.arange(hours) // 24 + start.weekday()) % 7
    season = 10 - 8 * np.cos(2 * np.pi * np.arange(hours) / (24 * 365))
    temperature = season + 4 * np.sin(2 * np.pi * (hour - 9) / 24) + np.repeat(random.normal(0, 3, days), 24)
    shape = 1 + 0.3 * np.sin(2 * np.pi * (hour - 8) / 24) + 0.1 * np.sin(4 * np.pi * hour / 24)
    frames = []
    for number in range(meters):
        mean = shape * np.where(weekday >= 5, 0.8, 1.0) * (1 + 0.02 * np.maximum(15 - temperature, 0))
        chance = np.exp(random.normal(0, noise, hours) + np.repeat(random.normal(0, noise / 2, days), 24))
        frames.append(
            pl.DataFrame(
                {
                    "meter_id": [f"m{number}"] * hours,
                    "start": pl.datetime_range(start, start + (hours - 1) * HOUR, "1h", eager=True, time_zone="UTC"),
                    "kwh": scale * (number + 1) * mean * chance,
                    "temperature_c": temperature,
                }
            )
        )
    return pl.concat(frames).with_columns(pl.col("start").cast(INSTANT))


def features(series: pl.DataFrame, *, kind: str = "zone", weather: bool = True) -> pl.DataFrame:
    """The feature table of `demand` (local time is UTC, readings are known an hour after their end), with labels."""
    temperature = pl.col("temperature_c") if weather else pl.lit(None, dtype=pl.Float64)
    base = series.sort("meter_id", "start").with_columns(
        temperature.alias("temperature_c"),
        pl.col("start").dt.date().alias("local_date"),
        pl.col("start").dt.hour().cast(pl.Int32).alias("local_hour"),
    )
    t, day = pl.col("temperature_c"), ["meter_id", "local_date"]
    base = base.with_columns(
        t.rolling_mean(24, min_samples=1).over("meter_id").alias("temperature_mean_24h_c"),
        t.rolling_mean(72, min_samples=1).over("meter_id").alias("temperature_mean_72h_c"),
        *(t.shift(h).over("meter_id").alias(f"temperature_lag_{h}h_c") for h in (24, 48, 168)),
        t.min().over(day).alias("temperature_day_min_c"),
        t.max().over(day).alias("temperature_day_max_c"),
        t.mean().over(day).alias("temperature_day_mean_c"),
        (17 - t).clip(lower_bound=0).alias("heating_degrees_c"),
        (12 - t).clip(lower_bound=0).alias("hard_heating_degrees_c"),
        (t - 20).clip(lower_bound=0).alias("cooling_degrees_c"),
        ((17 - t).clip(lower_bound=0) * (1 + pl.col("local_hour") % 3)).alias("wind_heating_c"),
        pl.concat_list((17 - t).clip(lower_bound=0), (15 - t).clip(lower_bound=0)).alias("heating_by_place_c"),
        (pl.col("kwh") * 1.02).alias("published_demand_kwh"),
        (pl.col("local_date").cast(INSTANT) - DAY + ISSUE_HOUR * HOUR).alias("issued_at_utc"),
    )
    base = base.with_columns(
        pl.col(f"{degrees}_degrees_c")
        .rolling_mean(hours, min_samples=1)
        .over("meter_id")
        .alias(f"{degrees}_mean_{hours}h_c")
        for degrees, hours in (("heating", 12), ("heating", 24), ("heating", 72), ("cooling", 24))
    )
    base = base.with_columns(
        (pl.col(f"{name}_c") - pl.col(f"{name}_c").shift(hours).over("meter_id")).alias(f"{name}_change_{hours}h_c")
        for name in CHANGING_DEGREES
        for hours in (24, 48, 168)
    )
    known = base.select("meter_id", known_at=pl.col("start") + 2 * HOUR, at="start", kwh="kwh").filter(
        pl.col("kwh").is_not_null()
    )
    issues = base.select("meter_id", "issued_at_utc").unique().sort("meter_id", "issued_at_utc")
    windows = issues.join(known, on="meter_id").filter(
        (pl.col("known_at") <= pl.col("issued_at_utc")) & (pl.col("at") >= pl.col("issued_at_utc") - 35 * DAY)
    )
    age = pl.col("issued_at_utc") - pl.col("at")
    yesterday = pl.col("at").dt.date() == (pl.col("issued_at_utc") - DAY).dt.date()
    today = pl.col("at").dt.date() == pl.col("issued_at_utc").dt.date()
    week_ago = pl.col("at").dt.date() == (pl.col("issued_at_utc") - 7 * DAY).dt.date()
    morning = pl.col("at").dt.hour() < ISSUE_HOUR - 1
    kwh = pl.col("kwh")
    state = windows.group_by("meter_id", "issued_at_utc").agg(
        (pl.col("at").max() + HOUR).alias("data_cutoff_utc"),
        kwh.sort_by("at").last().alias("demand_last_known_kwh"),
        kwh.filter(age <= 25 * HOUR).mean().alias("demand_mean_24h_kwh"),
        kwh.filter(age <= 169 * HOUR).mean().alias("demand_mean_168h_kwh"),
        kwh.filter(yesterday).mean().alias("demand_last_day_mean_kwh"),
        kwh.filter(yesterday).min().alias("demand_last_day_min_kwh"),
        kwh.filter(yesterday).max().alias("demand_last_day_max_kwh"),
        (kwh.filter(today & morning).sum() / kwh.filter(week_ago & morning).sum()).alias("demand_morning_ratio"),
        pl.col("at").dt.date().n_unique().cast(pl.Int32).alias("known_days"),
    )
    frame = base.join(state, on=["meter_id", "issued_at_utc"], how="left")
    for lag in LAGS:
        lagged = known.select("meter_id", start=pl.col("at") + lag * DAY, lagged="kwh")
        reached = pl.col("start") - lag * DAY + 2 * HOUR <= pl.col("issued_at_utc")
        frame = frame.join(lagged, on=["meter_id", "start"], how="left").with_columns(
            pl.when(reached).then(pl.col("lagged")).alias(f"demand_lag_{lag}d_kwh")
        )
        frame = frame.drop("lagged")
    weekday = pl.col("start").dt.weekday().cast(pl.Int32)
    null = pl.lit(None, dtype=pl.Float64)
    return frame.with_columns(
        pl.lit(kind).alias("kind"),
        pl.col("demand_lag_2d_kwh").alias("demand_last_day_same_hour_kwh"),
        pl.mean_horizontal([f"demand_lag_{d}d_kwh" for d in (7, 14, 21, 28)]).alias("demand_same_weekday_mean_kwh"),
        # the only day groups of a calendar without holidays; a median of the few same weekdays stands for the last five
        pl.when(weekday == 7)
        .then(pl.lit("sunday"))
        .when(weekday == 6)
        .then(pl.lit("saturday"))
        .when(weekday == 1)
        .then(pl.lit("after_rest"))
        .otherwise(pl.lit("working"))
        .alias("day_group"),
        pl.concat_list(f"demand_lag_{d}d_kwh" for d in (7, 14, 21, 28))
        .list.drop_nulls()
        .list.median()
        .alias("demand_similar_median_kwh"),
        pl.col("demand_lag_7d_kwh").alias("demand_similar_last_kwh"),
        *(pl.lit(value=False).alias(f"is_lag_{d}d_special") for d in (1, 2, 7, 14)),
        *(((weekday >= 6) != ((weekday - 1 - d) % 7 + 1 >= 6)).alias(f"is_lag_{d}d_other") for d in (1, 2, 7, 14)),
        pl.col("temperature_lag_48h_c").mean().over(day).alias("temperature_last_day_mean_c"),
        weekday.alias("day_of_week"),
        pl.col("start").dt.ordinal_day().cast(pl.Int32).alias("day_of_year"),
        (weekday >= 6).alias("is_weekend"),
        *(
            pl.lit(value=False).alias(c)
            for c in ("is_holiday", "is_day_before_holiday", "is_day_after_holiday", "is_bridge_day")
        ),
        pl.when(weekday >= 6).then(pl.lit("weekend")).otherwise(pl.lit("working_day")).alias("day_type"),
        *(null.alias(c) for c in ("relative_humidity_pct", "wind_speed_ms", "cloud_cover_pct", "solar_irradiance_wm2")),
        pl.lit("assumed" if weather else "none").alias("issue_basis"),
        (pl.col("start") + HOUR).alias("interval_end_utc"),
        ((pl.col("start") - pl.col("issued_at_utc")).dt.total_minutes()).cast(pl.Int32).alias("lead_minutes"),
        (pl.col("start") + 2 * HOUR).alias("label_known_at_utc"),
    ).rename({"start": "interval_start_utc", "kwh": "demand_kwh"})


def machines(count: int = 3, days: int = 6, seed: int = 3) -> pl.DataFrame:
    """`features.feat_machine_15min` with labels: machines that run in shifts."""
    random = np.random.default_rng(seed)
    quarters = days * 96
    starts = pl.datetime_range(START, START + (quarters - 1) * HOUR / 4, "15m", eager=True, time_zone="UTC").cast(
        INSTANT
    )
    shift = np.where((np.arange(quarters) % 96 >= 24) & (np.arange(quarters) % 96 < 72), 1.0, 0.25)
    frames = []
    for number in range(count):
        energy = 5.0 * (number + 1) * shift * np.exp(random.normal(0, 0.05, quarters))
        frames.append(
            pl.DataFrame({"machine_id": [f"x{number}"] * quarters, "interval_start_utc": starts, "energy_kwh": energy})
        )
    energy_kwh = pl.col("energy_kwh")
    lags = [energy_kwh.shift(k).over("machine_id").alias(f"energy_lag_{k}_kwh") for k in (1, 2, 3, 4, 96)]
    frame = pl.concat(frames).with_columns(
        *lags,
        energy_kwh.shift(1).rolling_mean(4, min_samples=1).over("machine_id").alias("energy_mean_4_kwh"),
        pl.col("interval_start_utc").alias("issued_at_utc"),
        pl.col("interval_start_utc").alias("data_cutoff_utc"),
        (pl.col("interval_start_utc") + HOUR / 4).alias("interval_end_utc"),
        pl.col("interval_start_utc").dt.hour().cast(pl.Int32).alias("local_hour"),
        pl.col("interval_start_utc").dt.weekday().cast(pl.Int32).alias("day_of_week"),
    )
    return frame.with_columns(
        pl.lit(40.0).alias("temperature_mean_c"),
        pl.lit(1.0).alias("vibration_mean_ms2"),
        pl.lit(2.0).alias("vibration_max_ms2"),
        pl.lit(5.0).alias("pressure_mean_bar"),
        (pl.col("energy_lag_1_kwh") * 4000).alias("power_mean_w"),
        (pl.col("energy_lag_1_kwh") * 4400).alias("power_max_w"),
    )
