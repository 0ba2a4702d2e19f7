"""The recency form of the calendar-and-temperature regression."""

from __future__ import annotations

import polars as pl

from energy_assets.forecasting import CalendarTemperatureRegression
from energy_assets.forecasting.baselines import RECENT_TEMPERATURES
from tests.unit.forecasting.frames import DAY, START, demand, features
from tests.unit.forecasting.shared import AS_OF

KEYS = ["meter_id", "issued_at_utc", "interval_start_utc"]


def wape(frame: pl.DataFrame, recency: tuple[str, ...]) -> float:
    """On the days after the fit."""
    test = frame.filter(pl.col("issued_at_utc") >= AS_OF)
    said = CalendarTemperatureRegression.fit(frame, as_of=AS_OF, recency=recency).predict(test)
    both = said.join(test.select(*KEYS, actual="demand_kwh"), on=KEYS)
    assert both.height == test.height
    return float(both.select((pl.col("demand_kwh") - pl.col("actual")).abs().sum() / pl.col("actual").sum()).item())


def test_recency_explains_demand_that_follows_the_days_before() -> None:
    frame = features(demand(days=130)).with_columns(
        (60 + 3 * (18 - pl.col("temperature_mean_72h_c")).clip(lower_bound=0)).alias("demand_kwh")
    )
    assert wape(frame, RECENT_TEMPERATURES) < 0.7 * wape(frame, ())


def test_recency_without_weather_is_the_plain_form() -> None:
    frame = features(demand(days=60), weather=False)
    day = frame.filter(pl.col("issued_at_utc").dt.date() == (START + 50 * DAY).date())
    plain, recency = (
        CalendarTemperatureRegression.fit(frame, as_of=START + 50 * DAY, recency=columns).predict(day)
        for columns in ((), RECENT_TEMPERATURES)
    )
    assert recency.height == 24
    assert recency.equals(plain)
