"""`weather_files`: any CSV or Parquet of weather, described in `sources.yaml`.

Format: one row per place and time; `columns` says which column is what. Places: `columns.location_id`, else
`location_id`, else the file's name (`weather_<place>`). Units: `temperature_unit`, `wind_unit`; humidity and cloud
cover percent, precipitation mm, radiation W/m2. Times: instants if they have an offset, else local to `timezone`.
What is known when: observations after `publication_lag_minutes`; forecasts when issued (`columns.issued_at`, else
`assumed_issue`).
"""

from __future__ import annotations

import polars as pl

from energy_assets.config import WeatherFiles
from energy_assets.sources.base import Batch, SourceError
from energy_assets.sources.readings import Reading
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.tabular import own_names, read_table
from energy_assets.sources.timestamps import place_in_time
from energy_assets.sources.units import WIND_TO_MS, temperature_c
from energy_assets.sources.weather import BOUNDS, WEATHER, finish_weather, location_table, place_of, take_values


def read_weather_files(source: WeatherFiles, reading: Reading) -> Batch:
    """One file of weather as raw.weather and raw.weather_locations.

    Raises:
        SourceError: the file as a whole cannot be read; `wrong_columns` also if the source names no column of values.
    """
    c = source.columns
    given = c.model_dump()
    values = {name: given[name] for name in BOUNDS if given[name]}
    if not values:
        raise SourceError(
            "wrong_columns", f"source {source.name}: `columns` names no weather; name some of {list(BOUNDS)}"
        )
    table = read_table(reading.file, source.delimiter, [n for n in given.values() if n], WEATHER)
    own = {"_time": c.timestamp, "_place": c.location_id, "_issued": c.issued_at}
    own |= {f"_{name}": column for name, column in values.items()}
    sieve = Sieve(own_names(table.frame, own), WEATHER, table.rejected)
    _name_places(sieve, source, reading)
    zone = source.timezone or reading.market.timezone
    if c.issued_at:
        place_in_time(
            sieve, "issued_at_utc", "_issued", zone, column=c.issued_at, datetime_format=source.datetime_format
        )
    by = ["location_id", "issued_at_utc"] if c.issued_at else ["location_id"]
    place_in_time(
        sieve, "valid_at_utc", "_time", zone, column=c.timestamp, datetime_format=source.datetime_format, by=by
    )
    take_values(sieve, values, source.null_values)
    if "temperature_c" in values:
        converted = temperature_c(pl.col("temperature_c"), source.temperature_unit)
        sieve.frame = sieve.frame.with_columns(temperature_c=converted)
    if "wind_speed_ms" in values:
        sieve.frame = sieve.frame.with_columns(pl.col("wind_speed_ms") * WIND_TO_MS[source.wind_unit])
    weather = finish_weather(sieve, source, reading, values, reported=c.issued_at is not None)
    return Batch(
        rows=table.rows,
        tables={WEATHER: weather, "raw.weather_locations": location_table(weather, source, reading)},
        rejected=sieve.rejected(),
        loaded_rows=sieve.frame["file_row"],
    )


def _name_places(sieve: Sieve, source: WeatherFiles, reading: Reading) -> None:
    if source.columns.location_id is None:
        place = source.location_id or place_of(reading.file.path)
        sieve.frame = sieve.frame.with_columns(location_id=pl.lit(place))
        return
    given = pl.col("_place").cast(pl.String).str.strip_chars()
    sieve.set_aside(
        given.is_null() | (given == ""),
        reason="no_location",
        message="the id of a place is expected",
        column=source.columns.location_id,
        raw="_place",
    )
    sieve.frame = sieve.frame.with_columns(location_id=given)
