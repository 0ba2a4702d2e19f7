"""What every source of weather ends in: rows of raw.weather and raw.weather_locations.

Belongs here: issue times, values that no weather has, duplicates, places. Does not belong here: the formats.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import polars as pl

from energy_assets.config import OpenMeteo, WeatherFiles
from energy_assets.sources.numbers import with_number
from energy_assets.sources.readings import Reading, shape
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.timestamps import local_hour_of_day
from energy_assets.sources.weather_error import with_error

WEATHER = "raw.weather"
LONGEST_FORECAST = timedelta(days=40)

# Values beyond these are sentinels (-999) or faults of the station, in our units.
BOUNDS = {
    "temperature_c": (-90.0, 60.0),
    "relative_humidity_pct": (0.0, 105.0),
    "wind_speed_ms": (0.0, 120.0),
    "cloud_cover_pct": (0.0, 100.5),
    "precipitation_mm": (0.0, 500.0),
    "solar_irradiance_wm2": (-20.0, 1700.0),
}


def place_of(path: Path) -> str:
    """The place that a file's name says: `weather_<place>` or all of it, without endings.

    >>> place_of(Path("weather_paris.csv.gz"))
    'paris'
    """
    return re.sub(r"^weather_", "", path.name.split(".")[0])


def take_values(sieve: Sieve, columns: dict[str, str], missing: list[str]) -> None:
    """Adds the numbers of the named columns.

    A cell that is no number is noted as `not_a_number` and null; the row's other columns stay. `columns` maps our names
    to the file's; the frame has the raw cells as `_<our name>`.
    """
    for name, column in columns.items():
        sieve.frame = with_number(sieve.frame, f"_{name}", name, missing)
        sieve.note(
            pl.col(f"{name}_bad"),
            reason="not_a_number",
            message="a finite number is expected",
            column=column,
            raw=f"_{name}",
        )


def finish_weather(
    sieve: Sieve, source: OpenMeteo | WeatherFiles, reading: Reading, columns: dict[str, str], *, reported: bool
) -> pl.DataFrame:
    """The rows of raw.weather out of rows that have location_id, valid_at_utc and values in our units.

    Forecasts are known when they were issued: at the reported issued_at_utc, else at the source's `assumed_issue`, a
    local hour (market) relative to the local day they are valid for. Observations are issued at the instant they are
    valid for and known `publication_lag_minutes` later. A value out of bounds is noted as `absurd_value` and null.
    Set aside are rows without any value (`no_value`), from the future (`in_the_future`) and repeated ones.

    Args:
        sieve: rows with file_row, location_id, valid_at_utc, the columns named, and issued_at_utc if `reported`.
        source: says what the weather is, and when it was issued.
        reading: file, market, time of receipt.
        columns: our names of the value columns to the file's.
        reported: whether the file has issue times.
    """
    _drop_absurd(sieve, columns)
    sieve.set_aside(
        pl.all_horizontal(pl.col(name).is_null() for name in columns),
        reason="no_value",
        message="all weather columns are empty",
        raw=pl.col("valid_at_utc").dt.to_string("iso:strict"),
    )
    valid_at = pl.col("valid_at_utc")
    is_forecast = source.content == "forecast"
    if source.simulated_error is not None and "temperature_c" in columns:
        sieve.frame = with_error(sieve.frame, source.simulated_error)
    if not is_forecast:
        issued_at, known_at = valid_at, valid_at + pl.duration(minutes=source.publication_lag_minutes)
    else:
        assumed = local_hour_of_day(valid_at, reading.market.timezone, source.assumed_issue)
        issued_at = known_at = pl.col("issued_at_utc") if reported else assumed
    sieve.frame = sieve.frame.with_columns(issued_at_utc=issued_at, known_at_utc=known_at)
    # A forecast reaches ahead; when it was assumed to be issued may, too, and only delays its use.
    too_late = pl.col("issued_at_utc") > reading.latest
    if is_forecast and not reported:
        too_late = valid_at > reading.received_at + LONGEST_FORECAST
    sieve.set_aside(
        too_late,
        reason="in_the_future",
        message=f"later than the file's receipt ({reading.received_at:%Y-%m-%d %H:%M} UTC) allows; is the clock right?",
        raw=valid_at.dt.to_string("iso:strict"),
    )
    sieve.set_aside_duplicates(
        ["location_id", "valid_at_utc", "issued_at_utc"],
        list(columns),
        raw=next(f"_{name}" for name in columns),
        message="place, time and issue",
    )
    return shape(
        sieve.frame.with_columns(
            is_forecast=pl.lit(value=is_forecast),
            issue_basis=pl.lit("reported" if reported or not is_forecast else "assumed"),
            source=pl.lit(source.name),
        ),
        WEATHER,
    )


def _drop_absurd(sieve: Sieve, columns: dict[str, str]) -> None:
    for name, column in columns.items():
        low, high = BOUNDS[name]
        wrong = sieve.note(
            ~pl.col(name).is_between(low, high),
            reason="absurd_value",
            message=f"{name} from {low:g} to {high:g} is expected; is the unit right?",
            column=column,
            raw=f"_{name}",
        )
        if wrong is not None:
            sieve.frame = sieve.frame.with_columns(pl.when(~wrong).then(name).alias(name))


def location_table(
    weather: pl.DataFrame,
    source: OpenMeteo | WeatherFiles,
    reading: Reading,
    latitude: float | None = None,
    longitude: float | None = None,
) -> pl.DataFrame:
    """`raw.weather_locations`: the places of these rows, in the source's country."""
    return shape(
        weather.select(pl.col("location_id").unique().sort()).with_columns(
            country=pl.lit(source.country or reading.market.country),
            latitude=pl.lit(latitude),
            longitude=pl.lit(longitude),
            source=pl.lit(source.name),
        ),
        "raw.weather_locations",
    )
