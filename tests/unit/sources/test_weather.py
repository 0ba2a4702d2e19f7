"""Weather: Open-Meteo as Parquet, CSV and JSON, files of one's own, issue times, holes and sentinels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from energy_assets.sources import Batch, SourceError
from tests.unit.sources.reading import read_path, read_text, reasons, utc

METEO: dict[str, Any] = {"type": "open_meteo"}
FILES: dict[str, Any] = {
    "type": "weather_files",
    "columns": {"timestamp": "time", "temperature_c": "temp", "wind_speed_ms": "wind"},
    "timezone": "UTC",
}
SITE_CSV = (
    "latitude,longitude,elevation,utc_offset_seconds,timezone,timezone_abbreviation\n"
    "52.52,13.419998,38.0,{offset},GMT,GMT\n\n"
    "time,temperature_2m (°C),wind_speed_10m ({wind}),soil_moisture_1_to_3cm (m³/m³)\n"
    "2024-01-01T00:00,5.1,36.0,0.3\n2024-01-01T01:00,,,0.3\n"
)


def weather(batch: Batch) -> list[dict[str, Any]]:
    return batch.tables["raw.weather"].to_dicts()


def hourly(**changes: Any) -> dict[str, Any]:
    answer = {
        "latitude": 52.52,
        "longitude": 13.42,
        "utc_offset_seconds": 3600,
        "hourly_units": {"time": "iso8601", "temperature_2m": "°F", "wind_speed_10m": "m/s", "precipitation": "inch"},
        "hourly": {
            "time": ["2024-01-01T00:00", "2024-01-01T01:00"],
            "temperature_2m": [50.0, None],
            "wind_speed_10m": [3, 4.5],
            "precipitation": [1, 0],
        },
    }
    return answer | changes


def test_parquet_in_the_units_of_the_api(tmp_path: Path) -> None:
    path = tmp_path / "weather_paris.parquet"
    times = pl.Series([utc("2021-03-22 23:00"), utc("2021-03-23 00:00"), utc("2021-03-23 01:00")])
    pl.DataFrame(
        {
            "time": times.dt.cast_time_unit("ns"),
            "temperature_2m": [None, 7.5, None],
            "wind_speed_10m": [None, 36.0, 18.0],
            "cloud_cover": [None, -1.0, 50.0],
            "soil_moisture_1_to_3cm": [0.3, 0.3, 0.3],
        }
    ).write_parquet(path)
    batch = read_path(path, **METEO)
    first, second = weather(batch)
    assert (first["location_id"], first["temperature_c"], first["wind_speed_ms"]) == ("paris", 7.5, pytest.approx(10))
    assert (second["temperature_c"], second["cloud_cover_pct"], second["precipitation_mm"]) == (None, 50, None)
    assert (first["is_forecast"], first["issue_basis"]) == (True, "assumed")
    # six o'clock in Paris of the day before the local day, known then
    assert first["issued_at_utc"] == first["known_at_utc"] == utc("2021-03-22 05:00")
    assert reasons(batch) == [(1, "no_value"), (2, "absurd_value")]
    assert batch.tables["raw.weather_locations"].rows() == [("paris", "FR", None, None, "test")]


@pytest.mark.parametrize(
    ("offset", "wind", "hour", "speed"),
    [(0, "km/h", 0, 10.0), (-3600, "m/s", 1, 36.0), (0, "kn", 0, 18.52), (0, "mp/h", 0, 16.093)],
)
def test_the_csv_of_the_site(tmp_path: Path, offset: int, wind: str, hour: int, speed: float) -> None:
    text = SITE_CSV.format(offset=offset, wind=wind)
    batch = read_text(tmp_path, text, "open-meteo.csv", **METEO, location_id="berlin", content="observed")
    (row,) = weather(batch)
    assert row["valid_at_utc"] == row["issued_at_utc"] == utc(f"2024-01-01 0{hour}:00")
    assert row["known_at_utc"] == utc(f"2024-01-01 0{hour + 1}:00")
    assert row["wind_speed_ms"] == pytest.approx(speed, abs=0.01)
    assert (row["is_forecast"], row["issue_basis"]) == (False, "reported")
    assert batch.rows == 2
    assert reasons(batch) == [(2, "no_value")]
    assert batch.tables["raw.weather_locations"]["latitude"].to_list() == [52.52]


def test_the_json_of_the_api(tmp_path: Path) -> None:
    batch = read_text(tmp_path, json.dumps(hourly()), "weather_berlin.json", **METEO)
    first, second = weather(batch)
    assert first["valid_at_utc"] == utc("2023-12-31 23:00")
    assert first["temperature_c"] == pytest.approx(10)
    assert (first["wind_speed_ms"], second["wind_speed_ms"]) == (3, 4.5)
    assert first["precipitation_mm"] == pytest.approx(25.4)
    assert batch.tables["raw.weather_locations"].row(0)[:4] == ("berlin", "FR", 52.52, 13.42)


def test_json_with_seconds_since_1970(tmp_path: Path) -> None:
    answer = hourly(hourly={"time": [1704067200], "temperature_2m": [1.0]}, hourly_units={})
    (row,) = weather(read_text(tmp_path, json.dumps(answer), "weather_a.json", **METEO))
    assert row["valid_at_utc"] == utc("2024-01-01 00:00")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (json.dumps(hourly())[:-20], "unreadable_file"),
        (json.dumps([hourly(), hourly()]), "wrong_columns"),
        (json.dumps(hourly(hourly={"time": []})), "empty_file"),
        (json.dumps(hourly(hourly={"time": ["2024-01-01"], "temperature_2m": []})), "unreadable_file"),
        (json.dumps(hourly(hourly={"time": ["2024-01-01"], "snow": [1]})), "wrong_columns"),
        ("a,b\n1,2\n", "wrong_columns"),
    ],
)
def test_answers_that_are_none(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_text(tmp_path, content, "weather_a.json", **METEO)
    assert caught.value.reason == reason


def test_a_reported_issue_time_is_kept(tmp_path: Path) -> None:
    text = (
        "time,issued_at,temperature_2m\n"
        "2024-01-01 12:00,2024-01-01 00:00,5\n"
        "2024-01-01 12:00,2024-01-01 06:00,6\n"
        "2024-01-01 12:00,2024-01-01 06:00,7\n"
    )
    batch = read_text(tmp_path, text, "weather_a.csv", **METEO)
    assert [(r["issued_at_utc"].hour, r["temperature_c"], r["issue_basis"]) for r in weather(batch)] == [
        (0, 5.0, "reported"),
        (6, 6.0, "reported"),
    ]
    assert reasons(batch) == [(3, "duplicate_disagrees")]


def test_files_of_ones_own(tmp_path: Path) -> None:
    columns = FILES["columns"] | {"location_id": "place"}
    text = "time,place,temp,wind\n2024-01-01 00:00,x,50,10\n2024-01-01 00:00,,50,10\n2024-01-01 00:00,y,50,10\n"
    batch = read_text(
        tmp_path, text, **FILES | {"columns": columns, "temperature_unit": "F", "wind_unit": "kn", "country": "AU"}
    )
    assert [(r["location_id"], round(r["temperature_c"]), round(r["wind_speed_ms"], 2)) for r in weather(batch)] == [
        ("x", 10, 5.14),
        ("y", 10, 5.14),
    ]
    assert weather(batch)[0]["known_at_utc"] == utc("2024-01-01 01:00")
    assert reasons(batch) == [(2, "no_location")]
    assert batch.tables["raw.weather_locations"]["country"].to_list() == ["AU", "AU"]


def test_weather_with_holes_sentinels_and_text(tmp_path: Path) -> None:
    text = "time,temp,wind\n" + "".join(
        f"2024-01-01 {h:02}:00,{t},{w}\n"
        for h, (t, w) in enumerate([(1, ""), ("", ""), (-999, 2), ("cold", 3), (-999, "")])
    )
    text += "never,1,1\n2025-01-05 00:00,1,1\n2024-01-01 00:00,1,\n"
    batch = read_text(tmp_path, text, "weather_vic.csv", **FILES)
    assert [(r["location_id"], r["temperature_c"], r["wind_speed_ms"]) for r in weather(batch)] == [
        ("vic", 1.0, None),
        ("vic", None, 2.0),
        ("vic", None, 3.0),
    ]
    assert reasons(batch) == [
        (2, "no_value"),
        (3, "absurd_value"),
        (4, "not_a_number"),
        (5, "absurd_value"),
        (5, "no_value"),
        (6, "bad_timestamp"),
        (7, "in_the_future"),
        (8, "duplicate_identical"),
    ]


def test_forecasts_reach_ahead_but_are_not_issued_ahead(tmp_path: Path) -> None:
    path = tmp_path / "weather_a.csv"
    path.write_text("time,temperature_2m\n2024-01-01 00:00,1\n2024-01-09 00:00,1\n2031-01-01 00:00,1\n")
    batch = read_path(path, received_at=utc("2024-01-01 00:00"), **METEO)
    assert [r["known_at_utc"] for r in weather(batch)] == [utc("2023-12-31 05:00"), utc("2024-01-08 05:00")]
    assert reasons(batch) == [(3, "in_the_future")]


def test_a_description_without_weather(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="names no weather"):
        read_text(tmp_path, "time\n2024-01-01\n", **FILES | {"columns": {"timestamp": "time"}})
