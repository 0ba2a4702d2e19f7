"""The ledger of billed power: what each demand charge would bill as the month stands.

Belongs here: which charges a meter has, and the peaks that count for them. Does not belong here: prices and bills,
peaks to come.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from energy_assets.contracts import table
from energy_assets.flexibility.clock import ALL, demand_window, in_window, on_calendar, with_local_time

HOUR = 60
MONTHLY, TWELVE = "monthly_maximum", "mean_of_last_twelve"
NO_TARIFF = "none"
QUARTER = 15
_CHARGE = ["meter_id", "tariff_id", "demand_window"]


def demand_charges(meters: pl.DataFrame, tariffs: pl.DataFrame, issued_at: datetime) -> pl.DataFrame:
    """The demand charges of each meter as known at the issue time.

    Args:
        meters: meter_id, timezone, country, tariff_id, interval_minutes.
        tariffs: rows of `raw.tariffs`.
        issued_at: what was known later, or does not hold then, does not count.

    Returns:
        meter_id, timezone, country, tariff_id, window, calendar, demand_window, averaging_minutes (never less than the
        meter's own interval), billing_basis; a meter without a demand charge has one row: the monthly maximum of all
        hours.
    """
    at = pl.lit(issued_at.astimezone(UTC))
    holds = (pl.col("valid_from_utc") <= at) & (pl.col("valid_to_utc").is_null() | (pl.col("valid_to_utc") > at))
    charges = (
        tariffs.filter(pl.col("component") == "demand", pl.col("known_at_utc") <= at, holds)
        .select("tariff_id", "window", "calendar", "averaging_minutes", "billing_basis")
        .sort(pl.all())
        .unique(["tariff_id", "window", "calendar"], keep="first", maintain_order=True)
    )
    finest = pl.max_horizontal(pl.col("averaging_minutes").fill_null(HOUR), "interval_minutes")
    found = meters.select("meter_id", "timezone", "country", "tariff_id", "interval_minutes").join(
        charges, on="tariff_id", how="left", maintain_order="left"
    )
    without = pl.col("window").is_null()
    return found.select(
        "meter_id",
        "timezone",
        pl.col("country").fill_null(NO_TARIFF),
        tariff_id=pl.when(without).then(pl.lit(NO_TARIFF)).otherwise("tariff_id"),
        window=pl.col("window").fill_null(ALL),
        calendar=pl.col("calendar").fill_null(ALL),
        demand_window=demand_window(pl.col("window").fill_null(ALL), pl.col("calendar").fill_null(ALL)),
        averaging_minutes=pl.when(without | (finest > QUARTER)).then(HOUR).otherwise(QUARTER).cast(pl.Int32),
        billing_basis=pl.col("billing_basis").fill_null(MONTHLY),
    )


def incumbent_peaks(
    hourly: pl.DataFrame, parts: pl.DataFrame, charges: pl.DataFrame, days: pl.DataFrame, issued_at: datetime
) -> pl.DataFrame:
    """The ledger at an issue time: the highest mean power of the running month in the hours that each charge looks at.

    The running month is that of the issue time in the meter's zone; a charge without a known interval in it has no row.

    Args:
        hourly: meter_id, interval_start_utc, interval_end_utc, demand_kwh, known_at_utc; at least the running month,
            and the eleven before for charges that bill the mean of the last twelve.
        parts: the same of the quarter hours, or less, of meters whose charge averages over 15 minutes.
        charges: what `demand_charges` gives for the issue time.
        days: country, local_date, is_workday; days that are not in it are workdays unless on a weekend.
        issued_at: readings that were known later do not count.

    Returns:
        Rows of `flexibility.incumbent_peaks`, sorted by key. Of equal peaks the first one stands.
    """
    contract = table("flexibility.incumbent_peaks")
    at = issued_at.astimezone(UTC)
    power = pl.concat([mean_power(hourly, HOUR, at), mean_power(parts, QUARTER, at)])
    workday = pl.coalesce("is_workday", pl.col("local_time").dt.weekday() <= 5)
    billed = (
        with_local_time(power.join(charges, on=["meter_id", "averaging_minutes"]), "interval_start_utc")
        .with_columns(local_date=pl.col("local_time").dt.date())
        .join(days.select("country", "local_date", "is_workday"), on=["country", "local_date"], how="left")
        .filter(in_window(pl.col("window"), pl.col("local_time")), on_calendar(pl.col("calendar"), workday))
        .with_columns(billing_period=pl.col("local_time").dt.strftime("%Y-%m"))
    )
    running = with_local_time(charges.with_columns(at=pl.lit(at)), "at").select(
        *_CHARGE,
        running=pl.col("local_time").dt.strftime("%Y-%m"),
        oldest=pl.col("local_time").dt.offset_by("-11mo").dt.strftime("%Y-%m"),
    )
    at_peak = pl.col("power_kw").arg_max()
    maxima = (
        billed.sort("interval_start_utc")
        .group_by(*_CHARGE, "billing_period", "averaging_minutes", "billing_basis", maintain_order=True)
        .agg(incumbent_peak_kw=pl.col("power_kw").get(at_peak), peak_at_utc=pl.col("interval_start_utc").get(at_peak))
        .join(running, on=_CHARGE)
        .filter(pl.col("billing_period").is_between(pl.col("oldest"), pl.col("running")))
    )
    mean = pl.col("incumbent_peak_kw").mean().over(_CHARGE)
    ledger = maxima.with_columns(
        billed_peak_kw=pl.when(pl.col("billing_basis") == TWELVE).then(mean).otherwise("incumbent_peak_kw"),
        as_of_utc=pl.lit(at),
    ).filter(pl.col("billing_period") == pl.col("running"))
    return contract.conform(ledger.drop("running", "oldest")).sort(contract.key)


def quarter_hour_ratios(parts: pl.DataFrame, issued_at: datetime) -> pl.DataFrame:
    """How much higher than the mean of its hour the highest quarter hour is, where demand is high: meter_id, ratio.

    The median over the tenth of hours with the highest demand, of those known at the issue time. With it, a forecast of
    the hour speaks of the quarter hour that is billed.

    Args:
        parts: as in `incumbent_peaks`.
        issued_at: readings that were known later do not count.
    """
    quarters = mean_power(parts, QUARTER, issued_at.astimezone(UTC))
    hours = quarters.group_by("meter_id", hour=pl.col("interval_start_utc").dt.truncate("1h")).agg(
        pl.len().alias("n"), mean=pl.col("power_kw").mean(), highest=pl.col("power_kw").max()
    )
    high = hours.filter(
        pl.col("n") == HOUR // QUARTER,
        pl.col("mean") > 0,
        pl.col("mean") >= pl.col("mean").quantile(0.9, "linear").over("meter_id"),
    )
    return high.group_by("meter_id").agg(ratio=(pl.col("highest") / pl.col("mean")).median()).sort("meter_id")


def mean_power(rows: pl.DataFrame, minutes: int, at: datetime) -> pl.DataFrame:
    """Mean power over whole stretches of so many minutes that were known at an instant.

    Args:
        rows: meter_id, interval_start_utc, interval_end_utc, demand_kwh, known_at_utc.
        minutes: length of a stretch.
        at: rows that were known later do not count.

    Returns:
        meter_id, interval_start_utc, known_at_utc (of the last of its rows), power_kw, averaging_minutes; sorted.
    """
    known = (
        rows.select("meter_id", "interval_start_utc", "interval_end_utc", "demand_kwh", "known_at_utc")
        .filter(pl.col("demand_kwh").is_finite(), pl.max_horizontal("known_at_utc", "interval_end_utc") <= at)
        .sort("meter_id", "interval_start_utc")  # sums are the same each time
    )
    seconds = (pl.col("interval_end_utc") - pl.col("interval_start_utc")).dt.total_seconds()
    stretch = pl.col("interval_start_utc").dt.truncate(f"{minutes}m")
    return (
        known.group_by("meter_id", interval_start_utc=stretch, maintain_order=True)
        .agg(demand_kwh=pl.col("demand_kwh").sum(), seconds=seconds.sum(), known_at_utc=pl.col("known_at_utc").max())
        .filter(pl.col("seconds") == minutes * 60)
        .select(
            "meter_id",
            "interval_start_utc",
            "known_at_utc",
            power_kw=pl.col("demand_kwh") * 60 / minutes,
            averaging_minutes=pl.lit(minutes, dtype=pl.Int32),
        )
    )
