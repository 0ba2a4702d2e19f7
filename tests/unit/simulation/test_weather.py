"""Simulated weather: plausible, seasonal by hemisphere, and forecast with errors that grow."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from energy_assets.config import Market
from energy_assets.simulation.places import coordinates
from tests.unit.simulation.fleets import SMALL, UNTIL, between, year

WEATHER = "raw.weather"


def observed(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    return tables[WEATHER].filter(~pl.col("is_forecast"))


def test_values_stay_in_their_ranges() -> None:
    frame = year()[WEATHER]
    for column, low, high in (
        ("temperature_c", -30, 48),
        ("relative_humidity_pct", 10, 100),
        ("wind_speed_ms", 0, 45),
        ("cloud_cover_pct", 0, 100),
        ("precipitation_mm", 0, 40),
        ("solar_irradiance_wm2", 0, 1_100),
    ):
        assert frame[column].is_between(low, high).all(), column


def test_the_sun_shines_by_day_and_most_in_summer() -> None:
    frame = observed(year()).with_columns(local=pl.col("valid_at_utc").dt.convert_time_zone("Europe/Paris"))
    night = frame.filter(pl.col("local").dt.hour().is_in([0, 1, 2]))
    assert night["solar_irradiance_wm2"].max() == 0
    monthly = frame.group_by(pl.col("local").dt.month().alias("month")).agg(pl.col("solar_irradiance_wm2").mean())
    light = dict(monthly.iter_rows())
    assert light[6] > 4 * light[12]
    rain = observed(year()).select((pl.col("precipitation_mm") > 0).mean()).item()
    assert 0.03 < rain < 0.3


@pytest.mark.parametrize(("zone", "warm", "cold"), [("Europe/Paris", 7, 1), ("Australia/Sydney", 1, 7)])
def test_summer_is_where_it_belongs(zone: str, warm: int, cold: int) -> None:
    source = SMALL.model_copy(update={"history_days": 400, "households": 0, "buildings": 0, "industrial_sites": 0})
    monthly = observed(between(None, UNTIL, source, Market(timezone=zone, country=None)).tables).group_by(
        pl.col("valid_at_utc").dt.month().alias("month")
    )
    means = dict(monthly.agg(pl.col("temperature_c").mean()).iter_rows())
    assert 7 < means[warm] - means[cold] < 22


def test_forecasts_cover_the_next_local_day_and_err_more_with_lead() -> None:
    tables = year()
    truth = observed(tables).select("location_id", "valid_at_utc", true_c="temperature_c")
    forecasts = tables[WEATHER].filter("is_forecast")
    error = (
        forecasts.join(truth, on=["location_id", "valid_at_utc"])
        .with_columns(lead=(pl.col("valid_at_utc") - pl.col("issued_at_utc")).dt.total_hours())
        .group_by((pl.col("lead") // 9).alias("part"))
        .agg((pl.col("temperature_c") - pl.col("true_c")).pow(2).mean().sqrt().alias("rmse"))
        .sort("part")["rmse"]
    )
    assert error.is_sorted()
    assert 0.7 < error[0] < 1.0
    assert 1.4 < error[-1] < 1.9
    local = forecasts.filter(pl.col("location_id") == "location_01").select(
        issued=pl.col("issued_at_utc").dt.convert_time_zone("Europe/Paris"),
        known=pl.col("known_at_utc").dt.convert_time_zone("Europe/Paris"),
        valid=pl.col("valid_at_utc").dt.convert_time_zone("Europe/Paris"),
    )
    assert local["issued"].dt.hour().unique().to_list() == [6]
    assert local["known"].dt.hour().unique().to_list() == [7]
    next_day = local.filter(pl.col("valid").dt.date() == pl.col("issued").dt.date().dt.offset_by("1d"))
    hours = next_day.group_by("issued").len()["len"]
    assert set(hours) == {23, 24, 25}
    assert next_day["issued"].n_unique() == local["issued"].n_unique()


def test_places_differ_but_share_their_weather() -> None:
    wide = observed(year()).pivot(on="location_id", index="valid_at_utc", values="temperature_c").sort("valid_at_utc")
    first, second = (wide[name].to_numpy() for name in ("location_01", "location_02"))
    daily = [part[: part.size // 24 * 24].reshape(-1, 24).mean(axis=1) for part in (first, second)]
    changes = np.corrcoef(np.diff(daily[0]), np.diff(daily[1]))[0, 1]
    assert 0.5 < changes < 0.95


def test_coordinates_come_from_the_time_zone() -> None:
    assert coordinates("Europe/Paris") == pytest.approx((48.87, 2.33), abs=0.01)
    assert coordinates("America/St_Johns") == pytest.approx((47.57, -52.72), abs=0.01)
    assert coordinates("UTC") == (48.9, 2.3)
