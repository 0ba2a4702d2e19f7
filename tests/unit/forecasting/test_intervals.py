"""Forecasts of parts of the hour: shares, bands, what was known when, clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from energy_assets.forecasting import QUANTILES, at_own_interval, backtest_at_own_interval
from energy_assets.forecasting.backtest import COLUMNS as BACKTEST
from energy_assets.forecasting.backtest import KEYS, PUBLISHER
from tests.unit.forecasting.frames import DAY, HOUR, INSTANT

ZONE = "Europe/Paris"
DAYS = 40
FIRST = datetime(2022, 10, 1, 22, tzinfo=UTC)  # midnight in Paris; the clocks go back on the 30th
QUARTER = timedelta(minutes=15)
SHARES = (0.1, 0.2, 0.3, 0.4)  # of every hour, but for chance
NOISE = 0.05


@cache
def calendar() -> pl.DataFrame:
    """The hours of the local days, two days beyond the readings."""
    starts = pl.datetime_range(FIRST, FIRST + (DAYS + 2) * DAY, "1h", closed="left", eager=True).cast(INSTANT)
    local = pl.col("interval_start_utc").dt.convert_time_zone(ZONE)
    weekday = local.dt.weekday()
    return pl.DataFrame({"interval_start_utc": starts}).with_columns(
        pl.lit("m").alias("meter_id"),
        local.dt.date().alias("local_date"),
        local.dt.hour().cast(pl.Int32).alias("local_hour"),
        pl.when(weekday == 7).then(pl.lit("sunday")).otherwise(pl.lit("working")).alias("day_group"),
    )


@cache
def readings(noise: float = NOISE, shares: tuple[float, ...] = SHARES) -> pl.DataFrame:
    """Quarter hours of 100 kWh an hour, known an hour after their end."""
    starts = pl.datetime_range(FIRST, FIRST + DAYS * DAY, "15m", closed="left", eager=True).cast(INSTANT)
    chance = np.random.default_rng(1).normal(1, noise, len(starts))
    start = pl.col("interval_start_utc")
    return pl.DataFrame({"interval_start_utc": starts}).select(
        pl.lit("m").alias("meter_id"),
        start,
        (start + QUARTER).alias("interval_end_utc"),
        pl.Series("demand_kwh", 100 * np.resize(shares, len(starts)) * chance),
        (start + QUARTER + HOUR).alias("known_from_utc"),
        pl.lit(None, dtype=INSTANT).alias("known_to_utc"),
    )


@cache
def hourly(model: str = "demand_blend", levels: tuple[float, ...] = QUANTILES) -> pl.DataFrame:
    """Forecasts of 100 kWh for every hour of the next local day, issued at eight UTC, with narrow bands."""
    issued = (pl.col("local_date").cast(INSTANT) - DAY + 8 * HOUR).cast(INSTANT)
    hours = (
        calendar()
        .with_columns(issued.alias("issued_at_utc"))
        .filter(pl.col("issued_at_utc").is_between(FIRST + 8 * DAY, FIRST + DAYS * DAY))
    )
    return pl.concat(
        hours.select(
            "meter_id", "issued_at_utc", pl.lit(model).alias("model_name"), "interval_start_utc",
            pl.lit(level).alias("quantile"), (pl.col("interval_start_utc") + HOUR).alias("interval_end_utc"),
            pl.lit(100 + 4 * (level - 0.5)).alias("demand_kwh"), pl.lit(None, dtype=pl.String).alias("publisher"),
        )
        for level in levels
    )  # fmt: skip


def own(known: pl.DataFrame | None = None, **changes: pl.DataFrame) -> pl.DataFrame:
    """The forecasts per part."""
    return at_own_interval(
        changes.get("hourly", hourly()), readings() if known is None else known, changes.get("calendar", calendar())
    )


def issue(rows: pl.DataFrame, day: int = -1) -> pl.DataFrame:
    """The rows of one issue time."""
    times = rows["issued_at_utc"].unique().sort()
    return rows.filter(pl.col("issued_at_utc") == times[day])


def median(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("quantile") == 0.5)


def test_an_hour_is_shared_out_as_its_parts_were_and_sums_up_to_itself() -> None:
    last = median(issue(own()))
    assert last.height == 24 * 4
    shares = last.group_by(pl.col("interval_start_utc").dt.minute()).agg(pl.col("demand_kwh").mean()).sort(pl.first())
    assert np.allclose(shares["demand_kwh"], 100 * np.array(SHARES), atol=3)
    hours = last.group_by(pl.col("interval_start_utc").dt.truncate("1h")).agg(pl.col("demand_kwh").sum())
    assert np.allclose(hours["demand_kwh"], 100)
    assert (last["interval_end_utc"] - last["interval_start_utc"] == QUARTER).all()


def test_quantiles_do_not_cross_and_hold_what_they_promise_once_errors_are_known() -> None:
    rows = own()
    crossing = pl.col("demand_kwh") < pl.col("demand_kwh").shift(1).over(KEYS, order_by="quantile")
    assert rows.filter(crossing).is_empty()
    assert rows["demand_kwh"].min() >= 0  # type: ignore[operator]
    late = rows.filter(pl.col("issued_at_utc") > FIRST + 30 * DAY)
    seen = late.join(readings(), on=["meter_id", "interval_start_utc", "interval_end_utc"], suffix="_seen")
    below = seen.group_by("quantile").agg((pl.col("demand_kwh_seen") <= pl.col("demand_kwh")).mean().alias("share"))
    assert (below["share"] - below["quantile"]).abs().max() < 0.06  # type: ignore[operator]


def test_before_errors_are_known_the_spread_of_the_shares_widens_the_bands_of_the_hour() -> None:
    quarters = (0.25,) * 4
    sure, noisy = (
        issue(own(readings(noise, quarters)), 0).pivot("quantile", index=KEYS, values="demand_kwh")
        for noise in (0.0, NOISE)
    )
    width = pl.col("0.9") - pl.col("0.1")
    assert np.allclose(sure.select(width).to_series(), 3.2 / 4)  # the hour's own band, shared out
    assert noisy.select(width.min()).item() > 1.0


def test_what_became_known_later_moves_nothing() -> None:
    at = FIRST + 30 * DAY + 10 * HOUR
    issued = own()["issued_at_utc"].unique().filter(own()["issued_at_utc"].unique() <= at).max()
    late = readings().with_columns(
        demand_kwh=pl.when(pl.col("known_from_utc") > issued).then(1e6).otherwise("demand_kwh")
    )
    corrected = readings().with_columns(
        demand_kwh=pl.lit(7e5), known_from_utc=pl.lit(issued).cast(INSTANT) + timedelta(seconds=1)
    )
    poisoned = pl.concat(
        [late.with_columns(known_to_utc=pl.lit(issued).cast(INSTANT) + timedelta(seconds=1)), corrected]
    )
    until = pl.col("issued_at_utc") <= issued
    assert own(poisoned).filter(until).equals(own().filter(until))
    assert not own(poisoned).filter(~until).equals(own().filter(~until))


def test_a_correction_known_in_time_counts() -> None:
    corrected = readings().with_columns(demand_kwh=pl.lit(25.0), known_from_utc=pl.col("known_from_utc") + HOUR)
    first = readings().with_columns(known_to_utc=pl.col("known_from_utc") + HOUR)
    last = median(issue(own(pl.concat([first, corrected]))))
    assert np.allclose(last["demand_kwh"], 25.0, atol=3)  # the newest hours are not yet corrected


@pytest.mark.parametrize(("date", "quarters"), [("2022-10-29", 96), ("2022-10-30", 100), ("2022-10-31", 96)])
def test_a_day_on_which_clocks_change_has_all_its_parts(date: str, quarters: int) -> None:
    local = pl.col("interval_start_utc").dt.convert_time_zone(ZONE).dt.date().cast(pl.String)
    day = median(own()).filter(local == date)
    assert day.height == quarters
    assert day["interval_start_utc"].n_unique() == quarters
    assert np.allclose(day["demand_kwh"].sum(), 100 * quarters / 4)


def test_hours_of_which_a_part_is_missing_teach_nothing_and_hours_never_seen_are_shared_equally() -> None:
    start = pl.col("interval_start_utc")
    minute, hour = start.dt.minute(), start.dt.convert_time_zone(ZONE).dt.hour()
    gaps = readings().filter(~((hour == 3) & (minute == 15)))  # never whole
    at_three = median(issue(own(gaps))).filter(hour == 3)
    assert at_three["demand_kwh"].round(6).to_list() == [25.0] * 4
    empty = readings().with_columns(demand_kwh=pl.when(hour == 4).then(0.0).otherwise("demand_kwh"))
    assert median(issue(own(empty))).filter(hour == 4)["demand_kwh"].round(6).to_list() == [25.0] * 4
    assert issue(own(empty))["demand_kwh"].is_finite().all()


def test_a_meter_without_parts_is_left_out_and_a_point_stays_a_point() -> None:
    both = pl.concat([hourly(), hourly().with_columns(meter_id=pl.lit("hourly"))])
    assert own(hourly=both).equals(own())
    assert own(hourly=hourly(levels=(0.5,)))["quantile"].unique().to_list() == [0.5]
    assert own(readings().clear()).is_empty()


def test_a_range_of_issue_days_says_what_each_day_alone_would_have_said() -> None:
    issued = own()["issued_at_utc"].unique().sort()
    alone = own(hourly=hourly().filter(pl.col("issued_at_utc") <= issued[20]))
    assert issue(alone).equals(issue(own(), 20))


def test_a_backtest_at_the_own_interval_has_the_naive_value_of_the_same_part_and_no_publisher() -> None:
    said = pl.concat([hourly(), hourly("seasonal_naive", (0.5,)), hourly(PUBLISHER, (0.5,))]).select(BACKTEST)
    rows = backtest_at_own_interval(said, readings(), calendar())
    assert rows.columns == list(BACKTEST)
    assert set(rows["model_name"]) == {"demand_blend", "seasonal_naive"}
    assert rows.filter(model_name="demand_blend").select(own().columns).equals(own())
    naive = rows.filter(model_name="seasonal_naive")
    local = pl.col("interval_start_utc").dt.convert_time_zone(ZONE)
    week_ago = local.dt.offset_by("-1w").dt.convert_time_zone("UTC").alias("interval_start_utc")
    before = naive.filter(local.dt.date() > pl.date(2022, 11, 6)).sort(KEYS)  # after the hour that clocks repeat
    seen = before.select(week_ago.cast(INSTANT)).join(
        readings(), on="interval_start_utc", how="left", maintain_order="left"
    )
    assert before.height > 300
    assert np.allclose(before["demand_kwh"], seen["demand_kwh"])
