"""The references as contenders: the seasonal naive forecast and Hong's regressions on calendar and temperature."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from energy_assets.forecasting.baselines import RECENT_TEMPERATURES, CalendarTemperatureRegression, seasonal_naive
from energy_assets.forecasting.contenders import FORECAST_COLUMNS


@dataclass(frozen=True)
class Naive:
    """The same hour one week before."""

    def forecast(self, due: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
        """See `Fitted`."""
        return median(seasonal_naive(due))


@dataclass(frozen=True)
class Regression:
    """A regression that was fitted."""

    regression: CalendarTemperatureRegression

    def forecast(self, due: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
        """See `Fitted`."""
        return median(self.regression.predict(due))


def fit_seasonal_naive(rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int) -> Naive:
    """Nothing to fit."""
    return Naive()


def fit_calendar_temperature(rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int) -> Regression:
    """Hong's vanilla benchmark."""
    return Regression(CalendarTemperatureRegression.fit(rows, as_of=as_of))


def fit_recency_regression(rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int) -> Regression:
    """The same with the temperatures of the hours and days before."""
    return Regression(CalendarTemperatureRegression.fit(rows, as_of=as_of, recency=RECENT_TEMPERATURES))


def median(points: pl.DataFrame) -> pl.DataFrame:
    """Points as forecasts of quantile 0.5."""
    return points.with_columns(pl.lit(0.5).alias("quantile")).select(FORECAST_COLUMNS)
