"""The seasonal naive forecast and the calendar-and-temperature regression."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from energy_assets.forecasting import CalendarTemperatureRegression, seasonal_naive
from tests.unit.forecasting.frames import DAY, START, demand, features
from tests.unit.forecasting.shared import AS_OF, one_day, zone_frame


def test_naive_is_last_week_then_older_weeks_then_the_last_day() -> None:
    day = one_day(zone_frame()).filter(pl.col("meter_id") == "m0").sort("interval_start_utc")
    gone = day.with_columns(
        pl.when(pl.col("local_hour") > 0).then("demand_lag_7d_kwh").alias("demand_lag_7d_kwh"),
        *(
            pl.when(pl.col("local_hour") != 1).then(c).alias(c)
            for c in ("demand_lag_14d_kwh", "demand_lag_21d_kwh", "demand_lag_28d_kwh")
        ),
    ).with_columns(pl.when(pl.col("local_hour") != 1).then("demand_lag_7d_kwh").alias("demand_lag_7d_kwh"))
    values = seasonal_naive(gone)["demand_kwh"].to_list()
    assert values[0] == day["demand_lag_14d_kwh"][0]
    assert values[1] == day["demand_last_day_same_hour_kwh"][1]
    assert values[2:] == day["demand_lag_7d_kwh"].to_list()[2:]


def test_regression_explains_calendar_and_temperature() -> None:
    frame = features(demand(meters=2, days=120, noise=0.0))
    model = CalendarTemperatureRegression.fit(frame, as_of=START + timedelta(days=100, hours=9))
    test = frame.filter(pl.col("issued_at_utc") >= START + 100 * DAY)
    both = model.predict(test).join(test, on=["meter_id", "issued_at_utc", "interval_start_utc"], suffix="_actual")
    error = both.select(((pl.col("demand_kwh") / pl.col("demand_kwh_actual")) - 1).abs().mean()).item()
    assert error < 0.03


def test_regression_does_not_learn_from_the_future() -> None:
    poisoned = zone_frame().with_columns(
        pl.when(pl.col("label_known_at_utc") > AS_OF).then(1e9).otherwise("demand_kwh").alias("demand_kwh")
    )
    day = one_day(zone_frame())
    first, second = (CalendarTemperatureRegression.fit(f, as_of=AS_OF).predict(day) for f in (zone_frame(), poisoned))
    assert first.equals(second)


@pytest.mark.parametrize("weather", [True, False])
def test_regression_needs_a_week_and_no_weather(weather: bool) -> None:
    frame = features(demand(days=40), weather=weather)
    assert not CalendarTemperatureRegression.fit(frame, as_of=START + 6 * DAY).regressions
    short = CalendarTemperatureRegression.fit(frame, as_of=START + 6 * DAY).predict(one_day(frame, 30))
    assert short.height == 0
    whole = CalendarTemperatureRegression.fit(frame, as_of=START + 30 * DAY).predict(one_day(frame, 30))
    assert whole.height == 24
    assert whole["demand_kwh"].is_between(40, 300).all()
