"""Weather of the simulated places, and forecasts of it whose errors grow with their lead.

Belongs here: what the sky does and what a weather service says it will do. Does not belong here: what demand makes
of it.
The climate follows from latitude (annual mean and range fitted by eye to European and Australian cities); weather
systems are smooth noise that the places share in part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from energy_assets.simulation.calendar import YEAR_S
from energy_assets.simulation.noise import Floats, Ints, keys, smooth
from energy_assets.simulation.places import Places

_SHARED = 0.87  # weight of what all places have in common
_OWN = 0.493  # so that the variances add up to 1
FORECAST_HOURS = 55


@dataclass(frozen=True)
class Weather:
    """Hourly weather, arrays of shape (locations, hours) or (locations, issues, hours)."""

    temperature_c: Floats
    relative_humidity_pct: Floats
    wind_speed_ms: Floats
    cloud_share: Floats
    wetness: Floats  # latent; precipitation falls above a threshold
    clear_sky_wm2: Floats

    @property
    def solar_irradiance_wm2(self) -> Floats:
        """Short-wave radiation under the clouds (Kasten and Czeplak 1980)."""
        return self.clear_sky_wm2 * (1.0 - 0.75 * self.cloud_share**3.4)

    @property
    def precipitation_mm(self) -> Floats:
        """Rain falls where it is wet and cloudy."""
        result: Floats = 1.6 * np.maximum(self.wetness - 0.9, 0.0) ** 1.5 * (self.cloud_share > 0.5)
        return result

    def take(self, hours: Ints) -> Weather:
        """The weather at hours given by index; `hours` of shape (issues, leads) adds a dimension."""
        return Weather(
            self.temperature_c[:, hours],
            self.relative_humidity_pct[:, hours],
            self.wind_speed_ms[:, hours],
            self.cloud_share[:, hours],
            self.wetness[:, hours],
            self.clear_sky_wm2[:, hours],
        )


def observe(seed: int, places: Places, seconds: Ints) -> Weather:
    """The weather that comes to pass at `seconds` (UTC, shape (N,)), shape (locations, N)."""
    sine_elevation = _sine_elevation(places, seconds)
    cloud = 1.0 / (
        1.0 + np.exp(-(0.5 + 1.7 * _field(seed, places, "cloud", seconds, 60) + _hourly(seed, places, seconds)))
    )
    latitude = np.abs(places.latitude)[:, None]
    summer = _summer(places, seconds)
    solar_hour = (seconds[None, :] / 3600.0 + places.longitude[:, None] / 15.0) % 24.0
    diurnal = (3.0 + 3.2 * (0.5 + 0.5 * summer)) * (1.0 - 0.5 * cloud)
    temperature = (
        np.minimum(31.5 - 0.39 * latitude, 26.5)
        + 0.155 * latitude * summer
        + diurnal * np.cos(2 * np.pi * (solar_hour - 15.0) / 24.0)
        + 1.3 * _field(seed, places, "month", seconds, 480)
        + 2.4 * _field(seed, places, "system", seconds, 90)
        + 1.6 * _field(seed, places, "front", seconds, 38)
    )
    wind = 3.6 * np.exp(
        0.42 * _field(seed, places, "wind", seconds, 40) + 0.15 * np.cos(2 * np.pi * (solar_hour - 14) / 24)
    )
    humidity = (
        66.0
        + 20.0 * cloud
        - 9.0 * summer
        - 1.3 * diurnal * np.cos(2 * np.pi * (solar_hour - 15.0) / 24.0)
        + 5.0 * _field(seed, places, "humidity", seconds, 20)
    )
    wetness = 0.8 * _field(seed, places, "wet", seconds, 26) + 1.2 * (cloud - 0.5)
    clear_sky = 1_020.0 * np.maximum(sine_elevation, 0.0) ** 1.15
    return Weather(temperature, np.clip(humidity, 18.0, 100.0), wind, cloud, wetness, clear_sky)


def forecast(seed: int, places: Places, truth: Weather, issue_days: Ints, valid_seconds: Ints) -> Weather:
    """What a weather service says for `valid_seconds` of shape (issues, leads), shape (locations, issues, leads).

    `truth` has the same shape. The error's standard deviation is 0.75 C at once and 1.7 C after two days. Part of it
    is the place's own and stays from issue to issue, part is drawn per issue.
    """
    lead_hours = np.arange(valid_seconds.shape[1]) + 1.0
    spread = 0.75 + 0.018 * lead_hours

    def error(stream: str, spacing_hours: float) -> Floats:
        own = keys(seed, places.ids, f"forecast-{stream}-bias")[:, None, None]
        issue = np.stack([keys(seed, [f"{p}|{d}" for d in issue_days], f"forecast-{stream}") for p in places.ids])
        at = valid_seconds[None, :, :]
        return 0.45 * smooth(own, at, 24.0) + 0.893 * smooth(issue[:, :, None], at, spacing_hours)

    cloud = np.clip(truth.cloud_share + 0.13 * spread * error("cloud", 9.0), 0.0, 1.0)
    return replace(
        truth,
        temperature_c=truth.temperature_c + spread * error("temperature", 10.0),
        relative_humidity_pct=np.clip(truth.relative_humidity_pct + 5.0 * spread * error("humidity", 8.0), 15.0, 100.0),
        wind_speed_ms=truth.wind_speed_ms * np.exp(0.17 * spread * error("wind", 8.0)),
        cloud_share=cloud,
        wetness=truth.wetness + 0.3 * spread * error("wet", 8.0),
    )


def felt_temperature(temperature_c: Floats, hours_before: int) -> Floats:
    """Temperature as a heated building feels it: the present, the last day and the last three days.

    `temperature_c` has `hours_before` >= 72 hours more at its front than the result. The weights follow an inertia of
    about a day; the sum is over fixed lags so that it does not depend on where the array starts.
    """
    hours = temperature_c.shape[-1] - hours_before
    total = np.zeros((*temperature_c.shape[:-1], hours))
    for lag, weight in (
        (0, 0.30),
        (3, 0.12),
        (6, 0.11),
        (12, 0.11),
        (18, 0.09),
        (24, 0.09),
        (36, 0.07),
        (48, 0.06),
        (72, 0.05),
    ):
        total = total + weight * temperature_c[..., hours_before - lag : hours_before - lag + hours]
    return total


def _field(seed: int, places: Places, stream: str, seconds: Ints, spacing_hours: float) -> Floats:
    common = smooth(keys(seed, ["region"], f"weather-{stream}"), seconds, spacing_hours)
    own = smooth(keys(seed, places.ids, f"weather-{stream}"), seconds, spacing_hours)
    return _SHARED * common + _OWN * own


def _hourly(seed: int, places: Places, seconds: Ints) -> Floats:
    return 1.0 * smooth(keys(seed, places.ids, "weather-cloud-short"), seconds, 8)


def _summer(places: Places, seconds: Ints) -> Floats:
    """+1 at midsummer, -1 at midwinter (a month behind the sun), by hemisphere, shape (locations, N)."""
    phase = np.cos(2 * np.pi * (seconds / YEAR_S - 0.555))
    return np.sign(places.latitude)[:, None] * phase[None, :]


def _sine_elevation(places: Places, seconds: Ints) -> Floats:
    """Sine of the sun's height (Cooper's declination, 1969), shape (locations, N)."""
    declination = -0.4091 * np.cos(2 * np.pi * (seconds / YEAR_S + 10.0 / 365.25))[None, :]
    latitude = np.radians(places.latitude)[:, None]
    hour_angle = 2 * np.pi * (seconds[None, :] / 86_400.0 + places.longitude[:, None] / 360.0 - 0.5)
    result: Floats = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(
        hour_angle
    )
    return result
