"""Open-Meteo's hourly variables as people save them: Parquet, the CSV of its site, the JSON of its API.

Format: https://open-meteo.com/en/docs. The JSON has `hourly` (lists by variable), `hourly_units`, `latitude`,
`longitude` and `utc_offset_seconds`. The CSV has a block of metadata
(`latitude,longitude,elevation,utc_offset_seconds,…`), a blank line and a table whose names carry units,
`temperature_2m (°C)`. Parquet has the variables and no units: the API's defaults hold. The place is `location_id`,
else the file's name: `weather_<place>`.

Variables: temperature_2m, relative_humidity_2m, wind_speed_10m, cloud_cover, precipitation, shortwave_radiation (and
their older spellings); others are not used. Units: as named, else °C, %, km/h, %, mm, W/m2. Times: instants, or naive
and then at `utc_offset_seconds` where the file has it, else in `timezone` (UTC). Numbers as times are seconds since
1970.

Issue times: the archive of forecasts strings the first hours of successive runs together and does not say which; the
forecast is taken as issued at `assumed_issue` and carries `issue_basis` assumed. A column `issued_at` makes it
reported.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from energy_assets.config import OpenMeteo
from energy_assets.sources.base import REJECTED_SCHEMA, Batch, SourceError
from energy_assets.sources.files import decode, read_bytes
from energy_assets.sources.numbers import MISSING_TEXTS
from energy_assets.sources.readings import Reading
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.tabular import TableRows, check_columns, csv_rows, own_names, parquet_rows
from energy_assets.sources.timestamps import place_in_time
from energy_assets.sources.units import WIND_TO_MS, temperature_c
from energy_assets.sources.weather import WEATHER, finish_weather, location_table, place_of, take_values

VARIABLES = {
    "temperature_2m": "temperature_c",
    "relative_humidity_2m": "relative_humidity_pct",
    "relativehumidity_2m": "relative_humidity_pct",
    "wind_speed_10m": "wind_speed_ms",
    "windspeed_10m": "wind_speed_ms",
    "cloud_cover": "cloud_cover_pct",
    "cloudcover": "cloud_cover_pct",
    "precipitation": "precipitation_mm",
    "shortwave_radiation": "solar_irradiance_wm2",
}
NAME_AND_UNIT = re.compile(r"^(?P<name>[^(]+?)\s*(?:\((?P<unit>.*)\))?$")


@dataclass(frozen=True)
class Saved:
    """A saved answer: its table, and what stands beside the table."""

    table: TableRows
    units: dict[str, str] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    def number(self, name: str) -> float | None:
        """A number of the metadata, or None."""
        try:
            return float(self.meta[name])
        except (KeyError, TypeError, ValueError):
            return None


def read_open_meteo(source: OpenMeteo, reading: Reading) -> Batch:
    """One saved file as raw.weather and raw.weather_locations.

    Raises:
        SourceError: the file as a whole cannot be read; `wrong_columns` if it has no time or none of the variables.
    """
    saved = _open(reading)
    frame = saved.table.frame
    values = {VARIABLES[n]: n for n in frame.columns if n in VARIABLES}
    if not values:
        check_columns(frame.columns, ["time", "temperature_2m"], reading.file.path)
    reported = "issued_at" in frame.columns
    own = {"_time": "time", "_issued": "issued_at" if reported else None}
    sieve = Sieve(own_names(frame, own | {f"_{n}": c for n, c in values.items()}), WEATHER, saved.table.rejected)
    sieve.frame = sieve.frame.with_columns(location_id=pl.lit(source.location_id or place_of(reading.file.path)))
    offset = saved.number("utc_offset_seconds")
    zone = "UTC" if offset is not None else source.timezone or reading.market.timezone
    if reported:
        place_in_time(sieve, "issued_at_utc", "_issued", zone, column="issued_at")
    by = ["issued_at_utc"] if reported else []
    if sieve.frame.schema["_time"].is_integer():
        sieve.frame = sieve.frame.with_columns(pl.from_epoch("_time").dt.replace_time_zone("UTC"))
    elif offset:
        early = pl.col("_time").cast(pl.String).str.replace(r"Z$", "")
        sieve.frame = sieve.frame.with_columns(_time=early)
    place_in_time(sieve, "valid_at_utc", "_time", zone, column="time", by=by)
    if offset and sieve.frame.schema["_time"] == pl.String:
        for name in ["valid_at_utc", *by]:
            sieve.frame = sieve.frame.with_columns(pl.col(name) - pl.duration(seconds=int(offset)))
    take_values(sieve, values, list(MISSING_TEXTS))
    sieve.frame = sieve.frame.with_columns(
        _in_our_unit(pl.col(ours), ours, saved.units.get(theirs, "")) for ours, theirs in values.items()
    )
    weather = finish_weather(sieve, source, reading, values, reported=reported)
    places = location_table(weather, source, reading, saved.number("latitude"), saved.number("longitude"))
    return Batch(
        rows=saved.table.rows,
        tables={WEATHER: weather, "raw.weather_locations": places},
        rejected=sieve.rejected(),
        loaded_rows=sieve.frame["file_row"],
    )


def _in_our_unit(value: pl.Expr, name: str, unit: str) -> pl.Expr:
    if name == "wind_speed_ms":
        return value * WIND_TO_MS.get(unit, WIND_TO_MS["km/h"])
    if name == "temperature_c":
        return temperature_c(value, "F" if "F" in unit else "C")
    if name == "precipitation_mm" and unit == "inch":
        return value * 25.4
    return value


def _open(reading: Reading) -> Saved:
    content, path = read_bytes(reading.file), reading.file.path
    if content.startswith(b"PAR1"):
        return Saved(parquet_rows(content, path, ["time"]))
    text = decode(content, path)
    return _from_json(text, path) if text.lstrip().startswith(("{", "[")) else _from_csv(text, path)


def _from_json(text: str, path: Path) -> Saved:
    try:
        answer = json.loads(text)
    except json.JSONDecodeError as error:
        raise SourceError("unreadable_file", f"{path}: truncated or damaged JSON ({error}). Fetch it again.") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("hourly"), dict):
        raise SourceError(
            "wrong_columns", f"{path}: an object of one place with `hourly` is expected; save one file per place"
        )
    hourly = {name: values for name, values in answer["hourly"].items() if isinstance(values, list)}
    check_columns(list(hourly), ["time"], path)
    if len({len(values) for values in hourly.values()}) > 1:
        raise SourceError("unreadable_file", f"{path}: the lists of `hourly` differ in length. Fetch it again.")
    rows = len(hourly["time"])
    if not rows:
        raise SourceError("empty_file", f"{path}: `hourly` holds no hour. Fetch it again.")
    frame = pl.DataFrame({name: pl.Series(values, strict=False) for name, values in hourly.items()})
    frame = frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("file_row"))
    units = answer.get("hourly_units")
    return Saved(
        TableRows(frame, rows, pl.DataFrame(schema=REJECTED_SCHEMA)), units if isinstance(units, dict) else {}, answer
    )


def _from_csv(text: str, path: Path) -> Saved:
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if re.match(r'^"?time"?\s*(,|$)', line)), None)
    if start is None:
        check_columns(lines[0].split(","), ["time"], path)
    head = [line.split(",") for line in lines[:start] if line.strip()]
    meta = dict(zip(head[0], head[1], strict=False)) if len(head) > 1 else {}
    table = csv_rows("\n".join(lines[start:]), path, ",", ["time"], WEATHER)
    units, names = {}, {}
    for column in table.frame.columns:
        found = NAME_AND_UNIT.match(column)
        if found and column != "file_row":
            names[column] = found["name"]
            units[found["name"]] = found["unit"] or ""
    return Saved(TableRows(table.frame.rename(names), table.rows, table.rejected), units, meta)
