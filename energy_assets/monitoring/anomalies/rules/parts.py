"""What lies within and before the hour: extremes of its readings, its neighbours, what was usual until then.

Belongs here: expressions and columns that several rules share. Does not belong here: a rule.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

NEAR = 0.7  # share of its threshold from which a rule hands an hour over
TAIL_HOURS = 60 * 24
TAIL_MIN_HOURS = 14 * 24
METER = "meter_id"
HOUR = timedelta(hours=1)


def with_parts(hours: pl.DataFrame, readings: pl.DataFrame | None) -> pl.DataFrame:
    """The hours with `least_kwh`, `greatest_kwh` (extremes of the readings in them), `part_hours` (their length), and
    `high`, the 99.5 % quantile of the meter's hours until then, kWh.

    Only the newest version of a reading counts. Without readings an hour is its own and only part.
    """
    hours = hours.with_columns(high=past_quantile(0.995))
    reported = pl.col("demand_reported_kwh")
    whole = {"least_kwh": reported, "greatest_kwh": reported, "part_hours": pl.lit(1.0)}
    if readings is None:
        return hours.with_columns(**whole)
    extremes = (
        readings.sort("known_at_utc")
        .unique([METER, "interval_start_utc"], keep="last", maintain_order=True)
        .group_by(METER, interval_start_utc=pl.col("interval_start_utc").dt.truncate("1h"))
        .agg(
            least_kwh=pl.col("energy_kwh").min(),
            greatest_kwh=pl.col("energy_kwh").max(),
            part_hours=(pl.col("interval_end_utc") - pl.col("interval_start_utc")).min().dt.total_seconds() / 3600.0,
        )
    )
    joined = hours.join(extremes, on=[METER, "interval_start_utc"], how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce(name, own).alias(name) for name, own in whole.items())


def past_quantile(q: float, value: pl.Expr | None = None) -> pl.Expr:
    """Quantile of the meter's cleaned demand over the 60 days before the hour; null within its first fortnight."""
    past = (pl.col("demand_kwh") if value is None else value).shift(1)
    return past.rolling_quantile(q, "linear", TAIL_HOURS, min_samples=TAIL_MIN_HOURS).over(METER)


def before(value: pl.Expr, hours: int = 1) -> pl.Expr:
    """The value so many rows earlier, of the same meter."""
    return value.shift(hours).over(METER)


def adjoins() -> pl.Expr:
    """Whether the row follows the meter's row before it without a gap."""
    return (pl.col("interval_start_utc") == pl.col("interval_end_utc").shift(1)).over(METER)


def out_of_character(power_kw: pl.Expr) -> pl.Expr:
    """Whether a mean power lies far from what was to be expected, or beyond what is usual."""
    far = (power_kw - pl.col("expected_kwh")).abs() > 8 * pl.col("error_kwh")
    nothing = (power_kw < 0.05 * pl.col("expected_kwh")).fill_null(value=False)
    return (
        far.fill_null(value=False) | nothing | (power_kw > 1.3 * pl.col("high")).fill_null(value=False) | (power_kw < 0)
    )
