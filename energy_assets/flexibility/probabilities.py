"""Probability of each hour of the next day to exceed each threshold.

Belongs here: hours, one by one, from their own quantiles. Does not belong here: windows, which need to know how hours
go together (`peaks.py`), and thresholds.
"""

from __future__ import annotations

import polars as pl

from energy_assets.contracts import table
from energy_assets.flexibility.clock import in_window, on_calendar, with_local_time
from energy_assets.flexibility.thresholds import climatology
from energy_assets.quantiles import exceedance, wide_quantiles

ISSUE = ("meter_id", "issued_at_utc", "model_version")
HOUR = (*ISSUE, "interval_start_utc", "interval_end_utc")
BASIS = ("threshold_basis", "demand_window")


def peak_probabilities(
    forecasts: pl.DataFrame,
    held_against: pl.DataFrame,
    of_season: pl.DataFrame,
    meters: pl.DataFrame,
    days: pl.DataFrame,
) -> pl.DataFrame:
    """Each hour against each threshold that holds in it, beside how often the season's hours exceeded it.

    Args:
        forecasts: rows of `forecasts.demand_forecasts` of one issue time, one model per meter; of several revisions the
            last counts.
        held_against: what `thresholds` gives.
        of_season: what `season` gives.
        meters: meter_id, timezone, country.
        days: country, local_date, is_workday; days that are not in it are workdays unless on a weekend.

    Returns:
        Rows of `flexibility.peak_probabilities`, sorted by key.
    """
    contract = table("flexibility.peak_probabilities")
    hours, levels, values = wide_quantiles(forecasts, HOUR)
    if len(levels) < 2 or hours.is_empty():
        return contract.empty()
    length = (pl.col("interval_end_utc") - pl.col("interval_start_utc")).dt.total_seconds() / 3600.0
    workday = pl.coalesce("is_workday", pl.col("local_time").dt.weekday() <= 5)
    month = pl.col("local_time").dt.strftime("%Y-%m")
    judged = (
        with_local_time(
            hours.with_row_index("row").join(meters.select("meter_id", "timezone", "country"), on="meter_id"),
            "interval_start_utc",
        )
        .with_columns(local_date=pl.col("local_time").dt.date(), country=pl.col("country").fill_null("none"))
        .join(days.select("country", "local_date", "is_workday"), on=["country", "local_date"], how="left")
        .join(held_against, on="meter_id")
        .filter(
            in_window(pl.col("window"), pl.col("local_time")),
            on_calendar(pl.col("calendar"), workday),
            pl.col("billing_period").is_null() | (pl.col("billing_period") == month),
        )
        .with_columns(
            local_hour=pl.col("local_time").dt.hour().cast(pl.Int32),
            lead_minutes=(pl.col("interval_start_utc") - pl.col("issued_at_utc")).dt.total_minutes(),
            energy_kwh=pl.col("threshold_kw") / pl.col("ratio") * length,
        )
        .join(
            climatology(of_season, held_against).with_columns(pl.col("local_hour").cast(pl.Int32)),
            on=["meter_id", *BASIS, "local_hour"],
            how="left",
        )
    )
    probability = exceedance(levels, values[judged["row"].to_numpy()], judged["energy_kwh"].to_numpy())
    told = judged.with_columns(probability=pl.Series(probability, dtype=pl.Float64))
    return contract.conform(told.select(contract.content)).sort(contract.key)
