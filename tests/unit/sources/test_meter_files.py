"""Readings described in sources.yaml: layouts, units, stamps, repairs, and every way in which a row can be wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from energy_assets.sources import Batch
from tests.unit.sources.reading import read_path, read_text, reasons, utc

LONG: dict[str, Any] = {
    "type": "meter_files",
    "columns": {"timestamp": "time", "meter_id": "id", "value": "kwh"},
    "timezone": "UTC",
}
ONE: dict[str, Any] = {**LONG, "columns": {"timestamp": "time", "value": "kwh"}, "meter_id": "m"}
WIDE: dict[str, Any] = {**LONG, "columns": {"timestamp": "time"}, "layout": "wide"}


def energy(batch: Batch) -> list[float | None]:
    return batch.tables["raw.meter_readings"]["energy_kwh"].to_list()


def starts(batch: Batch) -> list[datetime]:
    return batch.tables["raw.meter_readings"]["interval_start_utc"].to_list()


@pytest.mark.parametrize(
    ("unit", "scale", "minutes", "expected"),
    [
        ("kWh", 1, 60, 6.0),
        ("Wh", 1, 60, 0.006),
        ("MWh", 1, 30, 6000.0),
        ("kW", 1, 30, 3.0),
        ("W", 1, 15, 0.0015),
        ("MW", 1, 15, 1500.0),
        ("kWh", 1 / 60, 60, 0.1),
    ],
)
def test_units(tmp_path: Path, unit: str, scale: float, minutes: int, expected: float) -> None:
    fields: dict[str, Any] = {"unit": unit, "scale": scale, "interval_minutes": minutes}
    batch = read_text(tmp_path, "time,kwh\n2024-01-01 00:00,6\n", **ONE | fields)
    assert energy(batch) == pytest.approx([expected])


def test_stamps_mark_start_or_end(tmp_path: Path) -> None:
    text = "time,kwh\n2024-01-01 01:00,1\n"
    assert starts(read_text(tmp_path, text, **ONE)) == [utc("2024-01-01 01:00")]
    assert starts(read_text(tmp_path, text, **ONE, timestamp_marks="end")) == [utc("2024-01-01 00:00")]


def test_local_time_over_the_change_of_the_clock(tmp_path: Path) -> None:
    text = "time,id,kwh\n" + "".join(
        f"2024-10-27 {h},{m},{v}\n"
        for m in "ab"
        for v, h in enumerate(("01:30", "02:00", "02:30", "02:00", "02:30", "03:00"))
    )
    batch = read_text(tmp_path, text, **LONG | {"timezone": "Europe/Paris", "interval_minutes": 30})
    assert [f"{at:%d %H:%M}" for at in starts(batch)][:6] == [
        "26 23:30",
        "27 00:00",
        "27 00:30",
        "27 01:00",
        "27 01:30",
        "27 02:00",
    ]
    assert batch.tables["raw.meter_readings"].height == 12
    spring = read_text(tmp_path, "time,kwh\n2024-03-31 02:00,1\n2024-03-31 03:00,2\n", **ONE | {"timezone": "CET"})
    assert reasons(spring) == [(1, "nonexistent_local_time")]
    assert spring.rejected["raw_text"].to_list() == ["2024-03-31 02:00"]


def test_meters_have_their_source_and_their_own_details(tmp_path: Path) -> None:
    details: dict[str, Any] = {
        "a": {"name": "Bakery", "kind": "industrial", "tariff_id": "t1", "locations": ["lyon", "paris"]},
        "b": {"timezone": "Asia/Tokyo", "capacity_kw": 5},
    }
    text = "time,id,kwh\n2024-01-01 00:00,a,1\n2024-01-01 00:00,b,1\n2024-01-01 00:00,3,1\n"
    batch = read_text(
        tmp_path, text, **LONG, meters=details, country="DE", site_id="s", locations=["brest"], capacity_kw=9
    )
    meters = {m["meter_id"]: m for m in batch.tables["raw.meters"].to_dicts()}
    assert (meters["a"]["name"], meters["a"]["kind"], meters["a"]["tariff_id"]) == ("Bakery", "industrial", "t1")
    assert (meters["b"]["timezone"], meters["b"]["capacity_kw"]) == ("Asia/Tokyo", 5)
    assert (meters["3"]["name"], meters["3"]["kind"], meters["3"]["site_id"]) == ("3", "building", "s")
    assert (meters["3"]["country"], meters["3"]["capacity_kw"]) == ("DE", 9)
    places = batch.tables["raw.meter_locations"].sort("meter_id", "location_id").rows()
    assert places == [("3", "brest"), ("a", "lyon"), ("a", "paris"), ("b", "brest")]


def test_ids_take_the_prefix(tmp_path: Path) -> None:
    batch = read_text(tmp_path, "time,id,kwh\n2024-01-01 00:00,17,1\n", **LONG, meter_id_prefix="home_")
    assert batch.tables["raw.meters"]["meter_id"].to_list() == ["home_17"]


def test_what_is_wrong_with_a_row(tmp_path: Path) -> None:
    text = (
        "time,id,kwh\n"
        "2024-01-01 00:00,a,1\n"
        "2024-01-01 00:00,a,1.0\n"
        "2024-01-01 00:00,a,2\n"
        "2024-01-01 01:00,a,lots\n"
        "2024-01-01 02:00,a,inf\n"
        "yesterday,a,1\n"
        "2024-01-01 03:07,a,1\n"
        "2024-01-01 03:00:01,a,1\n"
        "2024-01-01 04:00,,1\n"
        "2024-01-01 05:00,a,1e12\n"
        "2024-01-01 06:00,a,-5\n"
        "2024-01-01 07:00,a,?\n"
        "2025-01-02 00:00,a,1\n"
        "1970-01-01 00:00,a,1\n"
    )
    batch = read_text(tmp_path, text, **LONG)
    assert reasons(batch) == [
        (2, "duplicate_identical"),
        (3, "duplicate_disagrees"),
        (4, "not_a_number"),
        (5, "not_a_number"),
        (6, "bad_timestamp"),
        (7, "off_grid"),
        (8, "off_grid"),
        (9, "no_meter"),
        (10, "absurd_value"),
        (13, "in_the_future"),
        (14, "bad_timestamp"),
    ]
    readings = batch.tables["raw.meter_readings"]
    assert readings.select("energy_kwh", "quality").rows() == [(1.0, "measured"), (-5.0, "measured"), (None, "missing")]
    words = {r["file_row"]: r for r in batch.rejected.to_dicts()}
    assert (words[4]["column_name"], words[4]["raw_text"]) == ("kwh", "lots")
    assert (words[6]["column_name"], words[6]["raw_text"]) == ("time", "yesterday")
    assert words[3]["message"].startswith("row 1 ")


def test_one_bad_meter_leaves_the_others_alone(tmp_path: Path) -> None:
    text = "time,id,kwh\n2024-01-01 00:00,a,x\n2024-01-01 00:00,b,1\n"
    assert read_text(tmp_path, text, **LONG).tables["raw.meters"]["meter_id"].to_list() == ["b"]


def test_a_file_of_nothing_but_bad_rows_still_says_so(tmp_path: Path) -> None:
    batch = read_text(tmp_path, "time,id,kwh\nx,a,1\n", **LONG)
    assert batch.tables["raw.meter_readings"].height == 0
    assert reasons(batch) == [(1, "bad_timestamp")]


def test_the_limit_of_the_absurd_follows_the_kind(tmp_path: Path) -> None:
    text = "time,kwh\n2024-01-01 00:00,102000\n"  # MW: what France has drawn on a cold evening
    assert reasons(read_text(tmp_path, text, **ONE, unit="MW", kind="zone")) == []
    assert reasons(read_text(tmp_path, text, **ONE, unit="MW", kind="building")) == [(1, "absurd_value")]


def test_recorded_receipts_are_versions(tmp_path: Path) -> None:
    text = (
        "time,kwh,got\n"
        "2024-01-01 00:00,1,2024-01-01 01:10\n"
        "2024-01-01 00:00,2,2024-01-05 09:00\n"
        "2024-01-01 01:00,3,2024-01-01 00:00\n"
        "2024-01-01 02:00,4,2031-01-01 00:00\n"
        "2024-01-01 03:00,4,later\n"
    )
    batch = read_text(tmp_path, text, **ONE | {"columns": {"timestamp": "time", "value": "kwh", "known_at": "got"}})
    known = batch.tables["raw.meter_readings"]["known_at_utc"].to_list()
    # a receipt before the interval ended is a clock fault: the end counts
    assert known == [utc("2024-01-01 01:10"), utc("2024-01-05 09:00"), utc("2024-01-01 02:00")]
    assert reasons(batch) == [(4, "in_the_future"), (5, "bad_timestamp")]


def test_cleaned_data_is_known_from_its_publication(tmp_path: Path) -> None:
    text = "time,kwh\n2024-01-01 00:00,1\n2024-06-01 00:00,1\n"
    batch = read_text(
        tmp_path, text, **ONE, known_from="2024-03-01T00:00:00Z", quality="corrected", publication_lag_minutes=30
    )
    readings = batch.tables["raw.meter_readings"]
    assert readings["known_at_utc"].to_list() == [utc("2024-03-01 00:00"), utc("2024-06-01 01:30")]
    assert readings["quality"].to_list() == ["corrected", "corrected"]


def test_the_files_own_words_of_quality(tmp_path: Path) -> None:
    text = "time,kwh,q\n" + "".join(
        f"2024-01-01 {h:02}:00,1,{q}\n" for h, q in enumerate(["OK", "Estimated", "", "missing", "guess"])
    )
    batch = read_text(tmp_path, text, **ONE | {"columns": {"timestamp": "time", "value": "kwh", "quality": "q"}})
    assert batch.tables["raw.meter_readings"].select("quality", "energy_kwh").rows() == [
        ("measured", 1.0),
        ("estimated", 1.0),
        ("measured", 1.0),
        ("missing", None),
    ]
    assert reasons(batch) == [(4, "value_marked_missing"), (5, "unknown_quality")]


def test_columns_of_any_name_do_not_get_in_the_way(tmp_path: Path) -> None:
    columns = {"timestamp": "at", "meter_id": "number", "value": "energy_kwh", "quality": "meter_id"}
    text = (
        "at,number,energy_kwh,meter_id\n2024-01-01 00:00,7,1e12,ok\n2024-01-01 01:00,7,x,ok\n2024-01-01 02:00,7,1,ok\n"
    )
    batch = read_text(tmp_path, text, **LONG | {"columns": columns})
    assert batch.rejected["raw_text"].to_list() == ["1e12", "x"]
    assert batch.tables["raw.meter_readings"]["meter_id"].to_list() == ["7"]


STEEL: dict[str, Any] = {
    "timestamp_marks": "end",
    "interval_minutes": 15,
    "datetime_format": "%d-%m-%Y %H:%M",
    "timezone": "Asia/Seoul",
}
STEEL_TEXT = (
    "time,kwh\n01-01-2018 00:15,1\n01-01-2018 23:45,2\n01-01-2018 00:00,3\n"
    "02-01-2018 00:15,4\n02-01-2018 23:45,5\n02-01-2018 00:00,6\n"
)


def test_midnight_is_moved_to_the_next_day_and_says_so(tmp_path: Path) -> None:
    batch = read_text(tmp_path, STEEL_TEXT, **ONE | STEEL, repair=["midnight_belongs_to_next_day"])
    readings = batch.tables["raw.meter_readings"]
    assert readings["interval_end_utc"].is_sorted()
    assert readings.filter(quality="corrected")["interval_end_utc"].to_list() == [
        utc("2018-01-01 15:00"),
        utc("2018-01-02 15:00"),
    ]
    assert readings.filter(quality="corrected")["energy_kwh"].to_list() == [3, 6]


def test_midnight_that_starts_its_day_stays(tmp_path: Path) -> None:
    text = "time,kwh\n01-01-2018 23:45,1\n02-01-2018 00:00,2\n02-01-2018 00:15,3\n"
    batch = read_text(tmp_path, text, **ONE | STEEL, repair=["midnight_belongs_to_next_day"])
    assert batch.tables["raw.meter_readings"]["quality"].unique().to_list() == ["measured"]
    assert batch.tables["raw.meter_readings"]["interval_end_utc"].is_sorted()


def test_without_the_repair_clashing_midnights_are_visible(tmp_path: Path) -> None:
    text = STEEL_TEXT + "03-01-2018 00:00,7\n02-01-2018 00:00,8\n"
    batch = read_text(tmp_path, text, **ONE | STEEL)
    assert reasons(batch) == [(8, "duplicate_disagrees")]


def test_wide_files_have_a_meter_per_column(tmp_path: Path) -> None:
    text = (
        "time,file a,b,never\n"
        "2024-01-01 00:00,,1,\n"
        "2024-01-01 01:00,5,?,\n"
        "2024-01-01 02:00,6,2,\n"
        "2024-01-01 03:00,x,,\n"
        "2024-01-01 04:00,,,\n"
    )
    batch = read_text(tmp_path, text, **WIDE, meter_id_prefix="w_")
    rows = batch.tables["raw.meter_readings"].select("meter_id", "file_row", "energy_kwh", "quality").rows()
    assert rows == [
        ("w_file a", 2, 5.0, "measured"),
        ("w_file a", 3, 6.0, "measured"),
        ("w_b", 1, 1.0, "measured"),
        ("w_b", 2, None, "missing"),
        ("w_b", 3, 2.0, "measured"),
    ]
    assert reasons(batch) == [(4, "not_a_number"), (5, "no_value")]
    assert batch.rejected["column_name"][0] == "file a"


def test_wide_files_over_the_change_of_the_clock(tmp_path: Path) -> None:
    text = "time,a,b\n2024-10-27 02:00,1,10\n2024-10-27 02:00,2,20\n2024-10-27 03:00,3,30\n"
    batch = read_text(tmp_path, text, **WIDE | {"timezone": "Europe/Paris"})
    assert starts(batch) == [utc(f"2024-10-27 0{h}:00") for h in (0, 1, 2)] * 2


@pytest.mark.parametrize("zone", ["UTC", None])
def test_parquet_with_and_without_zones(tmp_path: Path, zone: str | None) -> None:
    path = tmp_path / "a.parquet"
    at = datetime(2024, 7, 1, 12, tzinfo=UTC if zone else None)
    pl.DataFrame({"time": [at, at], "id": [1, 2], "kwh": [1.5, float("nan")]}).write_parquet(path)
    batch = read_path(path, **LONG | {"timezone": "Europe/Paris"})
    assert starts(batch) == [utc("2024-07-01 12:00" if zone else "2024-07-01 10:00")] * 2
    assert batch.tables["raw.meter_readings"].select("meter_id", "energy_kwh", "quality").rows() == [
        ("1", 1.5, "measured"),
        ("2", None, "missing"),
    ]


def test_infinite_numbers_in_parquet_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame({"time": ["2024-01-01", "2024-01-02"], "kwh": [float("inf"), float("nan")]})
    frame.write_parquet(path)
    assert reasons(read_path(path, **ONE | {"null_values": [""]})) == [(1, "not_a_number"), (2, "not_a_number")]


def test_other_delimiters_and_words_for_missing(tmp_path: Path) -> None:
    batch = read_text(tmp_path, "time;kwh\n2024-01-01 00:00;-999\n", **ONE, delimiter=";", null_values=["-999"])
    assert batch.tables["raw.meter_readings"]["quality"].to_list() == ["missing"]


def test_feed_in_is_a_direction(tmp_path: Path) -> None:
    batch = read_text(tmp_path, "time,kwh\n2024-01-01 00:00,1\n", **ONE, direction="export")
    assert batch.tables["raw.meter_readings"]["direction"].to_list() == ["export"]


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    text = "time,id,kwh\n" + "".join(f"2024-01-{d:02} 00:00,{m},{d}\n" for d in range(1, 29) for m in "cab")
    first, second = (read_text(tmp_path, text, **LONG) for _ in range(2))
    assert all(first.tables[name].equals(second.tables[name]) for name in first.tables)
