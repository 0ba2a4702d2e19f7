"""Rows of raw.weather: what stations measured, and what each morning's forecast said.

Belongs here: issue times and times of knowledge. Does not belong here: the weather and the errors (`weather.py`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from energy_assets.simulation.calendar import DAY_S, local_instants, local_seconds
from energy_assets.simulation.noise import Floats, Ints
from energy_assets.simulation.publishing import instants
from energy_assets.simulation.span import Span
from energy_assets.simulation.weather import FORECAST_HOURS, Weather, forecast

ISSUE_HOUR = 6  # local
_KNOWN_AFTER_S = 3_600


def weather_rows(span: Span) -> pl.DataFrame:
    """Hourly observations, and forecasts issued at 06:00 local for the next 55 hours; each known an hour later."""
    return pl.concat([_observations(span), _forecasts(span)])


def _observations(span: Span) -> pl.DataFrame:
    valid = span.hours * 3_600
    chosen = np.flatnonzero(span.window.holds(valid + _KNOWN_AFTER_S) & (valid >= span.window.start))
    places = len(span.members.places.ids)
    at = np.broadcast_to(valid[chosen], (places, chosen.size))
    return _frame(span, span.weather.take(chosen), at, at, forecast_=False)


def _forecasts(span: Span) -> pl.DataFrame:
    first = int(local_seconds(np.array([span.first_day * DAY_S]), span.zone)[0]) // DAY_S
    days = np.arange(first, first + span.end_day - span.first_day + 2, dtype=np.int64)
    issued = local_instants(days, ISSUE_HOUR, span.zone)
    chosen = span.window.holds(issued + _KNOWN_AFTER_S) & (issued >= span.window.start)
    days, issued = days[chosen], issued[chosen]
    places = len(span.members.places.ids)
    hours = -(-issued // 3_600)[:, None] + np.arange(FORECAST_HOURS)[None, :]  # the first full hour, and on
    truth = span.weather.take(hours - span.hours[0])
    said = forecast(span.members.source.seed, span.members.places, truth, days, hours * 3_600)
    shape = (places, days.size, FORECAST_HOURS)
    return _frame(
        span, said, np.broadcast_to(hours * 3_600, shape), np.broadcast_to(issued[:, None], shape), forecast_=True
    )


def _frame(span: Span, weather: Weather, valid: Ints, issued: Ints, *, forecast_: bool) -> pl.DataFrame:
    """Rows of arrays whose first dimension is the place."""
    place = np.repeat(np.arange(valid.shape[0]), valid[0].size)

    def flat(values: Floats, decimals: int) -> Floats:
        return values.reshape(-1).round(decimals)

    return pl.DataFrame(
        {
            "location_id": pl.Series(span.members.places.ids, dtype=pl.String).gather(place),
            "valid_at_utc": instants(valid.reshape(-1)),
            "issued_at_utc": instants(issued.reshape(-1)),
            "known_at_utc": instants(issued.reshape(-1) + _KNOWN_AFTER_S),
            "temperature_c": flat(weather.temperature_c, 1),
            "relative_humidity_pct": flat(weather.relative_humidity_pct, 0),
            "wind_speed_ms": flat(weather.wind_speed_ms, 1),
            "cloud_cover_pct": flat(100.0 * weather.cloud_share, 0),
            "precipitation_mm": flat(weather.precipitation_mm, 1),
            "solar_irradiance_wm2": flat(weather.solar_irradiance_wm2, 1),
        }
    ).with_columns(pl.lit(forecast_).alias("is_forecast"), pl.lit("reported").alias("issue_basis"))
