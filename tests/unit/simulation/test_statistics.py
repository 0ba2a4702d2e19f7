"""The fleet's statistics held against published data: shapes, response to temperature, load factor, memory.

Tolerances were measured over several seeds and hold with some margin; a fleet without weekends, seasons, shifts or
habits fails them.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from tests.real_data import REAL_DATA, needs_real_data
from tests.unit.simulation.fleets import year

Floats = npt.NDArray[np.float64]
SEEDS = [1, 4]


def simulated(kind: str, seed: int) -> pl.DataFrame:
    """Hours of one kind: meter, local, value relative to the meter's mean."""
    return relative(year(seed)["hourly"].filter(pl.col("meter_id").str.starts_with(kind)).select(
        "meter_id", "local", "energy_kwh"
    ))  # fmt: skip


def relative(frame: pl.DataFrame) -> pl.DataFrame:
    """Values over the meter's mean, with the hour of the local week (0 = Monday, midnight)."""
    week_hour = (pl.col("local").dt.weekday().cast(pl.Int32) - 1) * 24 + pl.col("local").dt.hour()
    value = (pl.col("energy_kwh") / pl.col("energy_kwh").mean().over("meter_id")).alias("value")
    return frame.with_columns(value, week_hour.alias("week_hour")).sort("meter_id", "local")


def week(frame: pl.DataFrame) -> Floats:
    """Mean value by hour of the week, shape (168,)."""
    return frame.group_by("week_hour").agg(pl.col("value").mean()).sort("week_hour")["value"].to_numpy()


def per_meter(frame: pl.DataFrame) -> dict[str, list[float]]:
    """Load factor, autocorrelation at a day and a week, and the weekly naive's WAPE of each meter."""
    found: dict[str, list[float]] = {"load_factor": [], "lag_24": [], "lag_168": [], "naive_wape": []}
    for _, part in frame.group_by("meter_id", maintain_order=True):
        values = part.drop_nulls("value").upsample("local", every="1h")["value"].to_numpy().astype(np.float64)
        found["load_factor"].append(float(np.nanmean(values) / np.nanmax(values)))
        for lag in (24, 168):
            pair = np.stack([values[lag:], values[:-lag]])[:, ~np.isnan(values[lag:] + values[:-lag])]
            found[f"lag_{lag}"].append(correlation(pair[0], pair[1]))
        found["naive_wape"].append(float(np.abs(pair[0] - pair[1]).sum() / pair[0].sum()))
    return found


def correlation(left: Floats, right: Floats) -> float:
    return float(np.asarray(np.corrcoef(left, right))[0, 1])


@cache
def france() -> pl.DataFrame:
    rows = pl.concat(
        pl.read_csv(path, infer_schema=False, new_columns=["text", "forecast", "load"])
        for path in sorted((REAL_DATA / "france_entsoe").glob("Total*.csv"))
    )
    start = pl.col("text").str.slice(0, 16).str.to_datetime("%d.%m.%Y %H:%M").dt.replace_time_zone("UTC")
    return relative(rows.select(
        pl.lit("FR").alias("meter_id"), start.dt.convert_time_zone("Europe/Paris").alias("local"),
        pl.col("load").cast(pl.Float64, strict=False).alias("energy_kwh"),
    ))  # fmt: skip


@cache
def steel() -> pl.DataFrame:
    rows = pl.read_csv(REAL_DATA / "steel_industry" / "Steel_industry_data.csv", columns=["Usage_kWh"])
    hourly = rows["Usage_kWh"].to_numpy().reshape(-1, 4).sum(axis=1)  # rows lie in order of time, stamps do not
    hours = pl.datetime_range(pl.datetime(2018, 1, 1), pl.datetime(2018, 12, 31, 23), "1h", eager=True)
    return relative(pl.DataFrame({"meter_id": "steel", "local": hours, "energy_kwh": hourly}))


@cache
def offices() -> pl.DataFrame:
    rows = pl.concat(
        pl.read_csv(path, infer_schema=False) for path in sorted((REAL_DATA / "lead_buildings").glob("*.csv"))
    )
    return relative(rows.select(
        pl.col("building_id").alias("meter_id"), pl.col("timestamp").str.to_datetime().alias("local"),
        pl.col("meter_reading").cast(pl.Float64).alias("energy_kwh"),
    ))  # fmt: skip


@cache
def smart_homes() -> pl.DataFrame:
    rows = pl.read_csv(REAL_DATA / "smart_meters" / "smart_meter10.csv.gz")
    hour = pl.col("reading_datetime").str.to_datetime().dt.truncate("1h").alias("local")
    hourly = rows.group_by(pl.col("customer_id").cast(pl.String).alias("meter_id"), hour).agg(
        pl.col("kwh").sum().alias("energy_kwh")
    )
    return relative(hourly)


@needs_real_data
@pytest.mark.parametrize("seed", SEEDS)
def test_the_zone_is_like_france(seed: int) -> None:
    zone, real = simulated("zone", seed), france()
    assert correlation(week(zone), week(real)) > 0.975
    assert np.abs(week(zone) - week(real)).max() < 0.06
    expected = {name: values[0] for name, values in per_meter(real).items()}
    for name, tolerance in (("load_factor", 0.09), ("lag_24", 0.08), ("lag_168", 0.16), ("naive_wape", 0.04)):
        for value in per_meter(zone)[name]:
            assert value == pytest.approx(expected[name], abs=tolerance), name


def slope(days: pl.DataFrame, low: float, high: float) -> float:
    """Change of relative demand per degree on working days within a range of temperature."""
    chosen = days.filter(pl.col("celsius").is_between(low, high) & (pl.col("weekday") < 6))
    assert chosen.height > 12
    return float(np.polyfit(chosen["celsius"].to_numpy(), chosen["value"].to_numpy(), 1)[0])


def daily(frame: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """Daily means of demand and temperature; `weather` has `local` and `celsius`."""
    return frame.drop_nulls("value").join(weather, on="local").group_by("meter_id", pl.col("local").dt.date()).agg(
        pl.col("value", "celsius").mean(), pl.col("local").dt.weekday().first().alias("weekday")
    )  # fmt: skip


def simulated_weather(seed: int) -> pl.DataFrame:
    return year(seed)["raw.weather"].filter(~pl.col("is_forecast") & (pl.col("location_id") == "location_01")).select(
        local=pl.col("valid_at_utc").dt.convert_time_zone("Europe/Paris"), celsius="temperature_c"
    )  # fmt: skip


@needs_real_data
@pytest.mark.parametrize("seed", SEEDS)
def test_the_zone_answers_to_cold_and_heat_like_france(seed: int) -> None:
    cities = [
        pl.read_parquet(path, columns=["time", "temperature_2m"])
        for path in sorted((REAL_DATA / "france_entsoe").glob("weather_*.parquet"))
    ]
    time = pl.col("time").cast(pl.Datetime("us", "UTC")).dt.convert_time_zone("Europe/Paris").alias("local")
    weather = pl.concat(cities).group_by(time).agg(pl.col("temperature_2m").mean().cast(pl.Float64).alias("celsius"))
    real = daily(france(), weather)
    made = daily(simulated("zone_01", seed), simulated_weather(seed))
    assert slope(real, -5, 14) == pytest.approx(-0.048, abs=0.002)
    assert slope(made, -5, 14) == pytest.approx(slope(real, -5, 14), abs=0.015)
    assert abs(slope(made, 15, 19)) < 0.02  # neither heating nor cooling, as there
    assert 0 < slope(made, 21, 35) < 0.03  # France: 0.007


@needs_real_data
@pytest.mark.parametrize("seed", SEEDS)
def test_homes_are_like_those_with_smart_meters(seed: int) -> None:
    made, real = simulated("household", seed), smart_homes()
    profile = [week(frame).reshape(7, 24).mean(axis=0) for frame in (made, real)]
    assert correlation(*profile) > 0.6
    assert 17 <= int(profile[0].argmax()) <= 21
    ours, theirs = per_meter(made), per_meter(real)
    for name, low, high in (("load_factor", 0.03, 0.25), ("lag_24", 0.15, 0.85), ("lag_168", 0.15, 0.8)):
        assert low < min(ours[name]), name
        assert max(ours[name]) < high, name
    assert np.median(ours["load_factor"]) == pytest.approx(np.median(theirs["load_factor"]), abs=0.09)
    assert np.median(ours["lag_24"]) - np.median(theirs["lag_24"]) == pytest.approx(0.25, abs=0.25)
    assert 0.4 < float(np.median(ours["naive_wape"])) < float(np.median(theirs["naive_wape"]))


@needs_real_data
@pytest.mark.parametrize("seed", SEEDS)
def test_sites_are_like_the_steel_works(seed: int) -> None:
    made, real = simulated("industrial", seed), steel()
    shapes = {str(name): week(part) for (name,), part in made.group_by("meter_id")}
    assert max(correlation(shape, week(real)) for shape in shapes.values()) > 0.7
    for shape in shapes.values():
        by_day = shape.reshape(7, 24).mean(axis=1)
        assert by_day[6] < 0.5 * by_day[:5].mean()  # the works: 0.22 on Sundays
        assert 4 < shape.max() / np.median(shape[-24:]) < 20  # the works: 16
    ours, theirs = per_meter(made), per_meter(real)
    assert min(ours["load_factor"]) == pytest.approx(theirs["load_factor"][0], abs=0.1)
    assert max(ours["load_factor"]) < 0.6
    assert (np.array(ours["lag_168"]) > np.array(ours["lag_24"])).all()  # weeks repeat, days less so, as there
    assert theirs["lag_168"][0] > theirs["lag_24"][0]
    assert min(ours["naive_wape"]) > 0.1
    assert max(ours["naive_wape"]) < theirs["naive_wape"][0]


@needs_real_data
@pytest.mark.parametrize("seed", SEEDS)
def test_buildings_are_like_the_labelled_ones(seed: int) -> None:
    made, real = simulated("building", seed), offices()
    theirs = [week(part) for _, part in real.group_by("meter_id", maintain_order=True)]
    for _, part in made.group_by("meter_id"):
        assert max(correlation(week(part), other) for other in theirs) > 0.7
    ours, published = per_meter(made), per_meter(real)
    for name, margin in (("load_factor", 0.15), ("lag_24", 0.12), ("lag_168", 0.1), ("naive_wape", 0.04)):
        assert min(ours[name]) > min(published[name]) - margin, name
        assert max(ours[name]) < max(published[name]) + margin, name


@pytest.mark.parametrize("seed", SEEDS)
def test_the_operators_forecast_is_off_by_two_percent(seed: int) -> None:
    tables = year(seed)
    forecast = tables["raw.published_forecasts"].select("meter_id", utc="interval_start_utc", forecast_kwh="energy_kwh")
    both = tables["hourly"].join(forecast, on=["meter_id", "utc"])
    error = (both["forecast_kwh"] - both["energy_kwh"]).abs() / both["energy_kwh"]
    assert 0.018 < error.mean() < 0.027  # type: ignore[operator]
    known = tables["raw.published_forecasts"].select(
        known=pl.col("known_at_utc").dt.convert_time_zone("Europe/Paris"),
        day=pl.col("interval_start_utc").dt.convert_time_zone("Europe/Paris").dt.date(),
    )
    assert known["known"].dt.hour().unique().to_list() == [10]
    assert (known["known"].dt.date().dt.offset_by("1d") == known["day"]).all()


def test_holidays_are_quiet_at_work_and_bring_people_home() -> None:
    local = pl.col("local").dt.date()
    first_of_may = pl.date(2024, 5, 1)  # a Wednesday
    others = (pl.date(2024, 4, 24), pl.date(2024, 5, 15))
    for kind, low, high in (("industrial", 0.1, 0.55), ("zone", 0.7, 0.96), ("household", 0.9, 1.6)):
        frame = simulated(kind, 1)
        usual = frame.filter(local.is_in([pl.select(day).item() for day in others]))["value"].mean()
        assert low < frame.filter(local == first_of_may)["value"].mean() / usual < high  # type: ignore[operator]
