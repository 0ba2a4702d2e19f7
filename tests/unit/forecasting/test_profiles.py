"""Load profiles: what a year tells of each of many meters, and nothing that was not known."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.contracts import table
from energy_assets.forecasting.linear import HOURS
from energy_assets.forecasting.profiles import (
    BLOCK_DAYS,
    VALID,
    WEATHER,
    Demand,
    block_end,
    fit_profiles,
    last_block,
    with_profiles,
)

BEGIN, DAYS, METERS = date(2022, 1, 1), 400, 40
NEWEST = last_block(datetime(2023, 2, 1, tzinfo=UTC))
NAMES = [f"m{number:02}" for number in range(METERS)]


@cache
def hours() -> pl.DataFrame:
    """Calendar and weather of every hour."""
    return (
        pl.DataFrame({"local_date": pl.date_range(BEGIN, BEGIN + timedelta(days=DAYS - 1), eager=True)})
        .join(pl.DataFrame({"local_hour": list(range(HOURS))}, schema={"local_hour": pl.Int32}), how="cross")
        .with_columns(
            day_of_week=pl.col("local_date").dt.weekday().cast(pl.Int32),
            day_of_year=pl.col("local_date").dt.ordinal_day().cast(pl.Int32),
            is_holiday=pl.col("local_date").dt.ordinal_day() == 121,
        )
        .with_columns(
            heat=(
                8 + 9 * (pl.col("day_of_year") * 2 * np.pi / 365).cos()
                + pl.Series(np.repeat(np.random.default_rng(2).normal(0, 4, DAYS), HOURS))
            ).clip(lower_bound=0)
        )
        .with_columns(
            heating_degrees_c=pl.col("heat") * (1 + 0.2 * (pl.col("local_hour") * 2 * np.pi / 24).sin()),
            heating_mean_24h_c=pl.col("heat"), cooling_degrees_c=pl.lit(0.0),
        )
    )  # fmt: skip


def truth(number: int) -> pl.Expr:
    """Meters of other sizes, evenings and answers to cold; Sundays and holidays are quieter."""
    evening = 1 + (0.2 + 0.02 * number) * ((pl.col("local_hour") - 12) * 2 * np.pi / 24).sin()
    sunday = pl.when((pl.col("day_of_week") == 7) | pl.col("is_holiday")).then(0.8).otherwise(1.0)
    return (1 + number) * (evening * sunday + 0.001 * number * pl.col("heating_degrees_c"))


@cache
def readings(noise: float = 0.3) -> pl.DataFrame:
    """Rows for `Demand.of`, each hour known the next day."""
    chance = np.exp(np.random.default_rng(1).normal(0, noise, METERS * DAYS * HOURS))
    rows = pl.concat(hours().with_columns(meter=pl.lit(n), demand_kwh=truth(n)) for n in range(METERS))
    known = pl.col("day") + 2
    return rows.with_columns(
        demand_kwh=pl.col("demand_kwh") * pl.Series(chance), day=pl.col("local_date").cast(pl.Int32)
    ).with_columns(block=((known - 1) // BLOCK_DAYS + 1).cast(pl.Int16))


@cache
def profiles() -> pl.DataFrame:
    return fit_profiles(Demand.of(NAMES, readings()), hours(), [NEWEST - 1, NEWEST])


def asked(number: int, issued_at: datetime) -> pl.DataFrame:
    """Feature rows of a meter's next day."""
    rows = hours().filter(pl.col("local_date") == (issued_at + timedelta(days=1)).date())
    return rows.with_columns(meter_id=pl.lit(f"m{number:02}"), issued_at_utc=pl.lit(issued_at), right=truth(number))


def test_each_meter_has_a_profile_of_its_own_and_it_is_near_the_truth() -> None:
    assert table("forecasts.demand_profiles").conform(profiles()).height == 2 * METERS * HOURS
    for number in (0, 7, 39):
        day = with_profiles(asked(number, datetime(2023, 1, 28, 9, tzinfo=UTC)), profiles())
        apart = (day["demand_profile_kwh"] / day["right"] - np.exp(0.3**2 / 2)).abs()
        assert apart.mean() < 0.05  # type: ignore[operator]
    assert profiles()["spread"].is_between(0.18, 0.26).all()  # of log-normal chance: 0.3 * sqrt(2 / pi), less at rest
    sunday, base = profiles()["sunday_kwh"].sum(), profiles()["base_kwh"].sum()
    assert sunday / base == pytest.approx(-0.2, abs=0.05)


def test_what_became_known_later_is_not_looked_at() -> None:
    later = pl.col("block") > NEWEST - 1
    poisoned = readings().with_columns(demand_kwh=pl.when(later).then(1e6).otherwise("demand_kwh"))
    before = pl.col("known_from_utc") == block_end(NEWEST - 1)
    found = fit_profiles(Demand.of(NAMES, poisoned), hours(), [NEWEST - 1, NEWEST])
    assert found.filter(before).equals(profiles().filter(before))
    assert not found.equals(profiles())


def test_fitted_alone_or_with_others_out_of_any_order_it_is_the_same_to_the_bit() -> None:
    alone = fit_profiles(Demand.of(NAMES, readings().sample(fraction=1, shuffle=True, seed=3)), hours(), [NEWEST])
    assert alone.equals(profiles().filter(pl.col("known_from_utc") == block_end(NEWEST)))


def test_meters_of_too_few_days_or_nothing_but_zeros_have_none() -> None:
    few = (pl.col("meter") == 3) & (pl.col("block") != NEWEST) | (pl.col("meter") == 4) & (pl.col("local_hour") > 30)
    rows = readings().filter(~few).filter(~((pl.col("meter") == 3) & (pl.col("day") > NEWEST * BLOCK_DAYS - 5)))
    rows = rows.with_columns(demand_kwh=pl.when(pl.col("meter") == 5).then(0.0).otherwise("demand_kwh"))
    found = fit_profiles(Demand.of(NAMES, rows), hours(), [NEWEST])
    assert set(NAMES) - set(found["meter_id"]) == {"m03", "m05"}


def test_an_absurd_value_moves_a_profile_little() -> None:
    spike = (pl.col("meter") == 2) & (pl.col("local_date") == date(2022, 12, 5)) & (pl.col("local_hour") == 18)
    rows = readings().with_columns(demand_kwh=pl.when(spike).then(1e7).otherwise("demand_kwh"))
    found = fit_profiles(Demand.of(NAMES, rows), hours(), [NEWEST])
    same = profiles().filter(pl.col("known_from_utc") == block_end(NEWEST))
    before, after = (with_profiles(asked(2, datetime(2023, 1, 28, 9, tzinfo=UTC)), of) for of in (same, found))
    moved = (after["demand_profile_kwh"] / before["demand_profile_kwh"] - 1).abs()
    assert 0 < moved.max() < 0.2  # type: ignore[operator]


def test_a_level_that_has_moved_makes_no_meter_unsteady() -> None:
    """Nobody is at home: what is left is a tenth, as steady as before."""
    away = (pl.col("meter") == 6) & (pl.col("block") >= NEWEST - 1)
    rows = readings().with_columns(demand_kwh=pl.col("demand_kwh") * pl.when(away).then(0.1).otherwise(1.0))
    found = fit_profiles(Demand.of(NAMES, rows), hours(), [NEWEST]).filter(pl.col("meter_id") == "m06")
    assert found["spread"][0] < 0.3


def test_an_hour_that_clocks_repeat_counts_as_its_mean_and_when_both_are_known() -> None:
    rows = pl.DataFrame(
        {"meter": [0, 0], "day": [0, 0], "local_hour": [2, 2], "demand_kwh": [1.0, 3.0], "block": [1, 2]}
    )
    demand = Demand.of(["m"], rows)
    assert demand.hourly[2, 0, 0] == 2.0
    assert demand.block[2, 0, 0] == 2
    assert (demand.block >= 0).sum() == 1


def test_a_meter_without_readings_has_no_profile() -> None:
    assert fit_profiles(Demand.of(["m"], readings().clear()), hours(), [NEWEST]).is_empty()


def test_hours_without_weather_are_left_out_where_others_have_it() -> None:
    gone = pl.when(pl.col("day_of_year") % 3 == 0).then(None)
    patchy = hours().with_columns(gone.otherwise(pl.col(c)).alias(c) for c in ("heating_degrees_c",))
    found = fit_profiles(Demand.of(NAMES, readings()), patchy, [NEWEST])
    same = profiles().filter(pl.col("known_from_utc") == block_end(NEWEST))
    assert (found["base_kwh"] / same["base_kwh"] - 1).abs().mean() < 0.05  # type: ignore[operator]
    none = hours().with_columns(pl.lit(None, dtype=pl.Float64).alias(c) for c in WEATHER)
    without = fit_profiles(Demand.of(NAMES, readings()), none, [NEWEST])
    assert without["meter_id"].n_unique() == METERS
    assert without["heating_kwh"].abs().max() == 0.0


def test_the_newest_profile_known_at_the_issue_time_speaks_for_twelve_weeks() -> None:
    first, last, hour = block_end(NEWEST - 1), block_end(NEWEST), timedelta(hours=1)
    issued = [first - hour, first, last, last + VALID, last + VALID + hour]
    one = asked(1, datetime(2023, 1, 10, 9, tzinfo=UTC)).head(1)
    frame = pl.concat(one.with_columns(issued_at_utc=pl.lit(at)) for at in reversed(issued))
    said = with_profiles(frame, profiles())["demand_profile_kwh"].reverse().to_list()
    assert said[0] is None and said[4] is None  # noqa: PT018
    assert said[1] != said[2] == said[3]


def test_rows_are_told_one_by_one_and_unknown_meters_nothing() -> None:
    at = datetime(2023, 1, 28, 9, tzinfo=UTC)
    several = pl.concat([asked(5, at), asked(1, at).with_columns(meter_id=pl.lit("unknown")), asked(2, at)])
    together = with_profiles(several.sample(fraction=1, shuffle=True, seed=2), profiles())
    alone = with_profiles(asked(2, at), profiles())
    both = alone.join(together, on=["meter_id", "local_hour"], suffix="_together")
    assert both["demand_profile_kwh"].equals(both["demand_profile_kwh_together"], check_names=False)
    assert together.filter(pl.col("meter_id") == "unknown")["demand_profile_kwh"].null_count() == HOURS
    assert with_profiles(several, profiles().clear())["demand_profile_spread"].null_count() == several.height


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)))
def test_an_instant_lies_between_the_ends_of_two_blocks(at: datetime) -> None:
    assert block_end(last_block(at)) <= at < block_end(last_block(at) + 1)
