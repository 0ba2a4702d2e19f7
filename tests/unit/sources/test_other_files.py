"""Published forecasts, machine telemetry and tariffs from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from energy_assets.sources import SourceError
from tests.unit.sources.reading import read_text, reasons, utc

FORECAST: dict[str, Any] = {
    "type": "forecast_files",
    "columns": {"timestamp": "time", "meter_id": "id", "value": "mw"},
    "publisher": "REE",
    "timezone": "Europe/Madrid",
    "unit": "MW",
}
SENSORS: dict[str, Any] = {
    "type": "telemetry_files",
    "columns": {"timestamp": "time", "machine_id": "id", "power_w": "p", "temperature_c": "t"},
    "timezone": "UTC",
}
TARIFF_HEADER = "tariff_id,component,window,valid_from,valid_to,calendar,price,unit\n"


def test_forecasts_are_known_at_their_published_hour(tmp_path: Path) -> None:
    batch = read_text(
        tmp_path,
        "time,id,mw\n2024-07-02 00:00,ES,20\n2024-07-02 00:00,PT,\n2024-07-02 00:00,FR,many\n2024-07-02 00:20,ES,1\n",
        **FORECAST,
    )
    (row,) = batch.tables["raw.published_forecasts"].to_dicts()
    assert (row["meter_id"], row["publisher"], row["energy_kwh"]) == ("ES", "REE", 20_000)
    assert row["interval_start_utc"] == utc("2024-07-01 22:00")
    assert row["known_at_utc"] == utc("2024-07-01 08:00")
    assert reasons(batch) == [(2, "no_value"), (3, "not_a_number"), (4, "off_grid")]


def test_the_hour_of_publication_is_of_the_meters_day(tmp_path: Path) -> None:
    text = "time,id,mw\n2024-07-02 05:00,CAISO,20\n"
    batch = read_text(
        tmp_path,
        text,
        **FORECAST | {"timezone": "UTC", "meter_timezone": "America/Los_Angeles", "timestamp_marks": "end"},
    )
    row = batch.tables["raw.published_forecasts"].row(0, named=True)
    assert row["interval_start_utc"] == utc("2024-07-02 04:00")  # the evening of the first there
    assert row["known_at_utc"] == utc("2024-06-30 17:00")


def test_recorded_times_of_forecasts_and_wide_layout(tmp_path: Path) -> None:
    text = "time,made,ES,PT\n2024-07-02 00:00,2024-07-01 09:00,1,2\n2024-07-02 01:00,2031-01-01 09:00,1,\n"
    wide = FORECAST | {"columns": {"timestamp": "time", "known_at": "made"}, "layout": "wide", "meter_id_prefix": "Z"}
    batch = read_text(tmp_path, text, **wide)
    rows = batch.tables["raw.published_forecasts"].select("meter_id", "energy_kwh", "known_at_utc").rows()
    assert rows == [("ZES", 1000, utc("2024-07-01 07:00")), ("ZPT", 2000, utc("2024-07-01 07:00"))]
    assert sorted(reasons(batch)) == [(2, "in_the_future"), (2, "no_value")]


def test_one_meter_named_by_its_source_and_repeated_forecasts(tmp_path: Path) -> None:
    fields = FORECAST | {"columns": {"timestamp": "time", "value": "mw"}, "meter_id": "ES"}
    text = "time,mw\n2024-07-02 00:00,1\n2024-07-02 00:00,1\n2024-07-02 00:00,2\n2024-07-02 01:00,9999999\n"
    batch = read_text(tmp_path, text, **fields)
    assert reasons(batch) == [(2, "duplicate_identical"), (3, "duplicate_disagrees"), (4, "absurd_value")]


def test_telemetry(tmp_path: Path) -> None:
    text = (
        "time,id,p,t\n"
        "2024-01-01 00:00:00,m1,1500,40\n"
        "2024-01-01 00:00:10,m1,x,41\n"
        "2024-01-01 00:00:20,m1,1500,99999\n"
        "2024-01-01 00:00:30,m1,,\n"
        "2024-01-01 00:00:00,m1,1500,40\n"
        "2024-01-01 00:00:00,m1,1500,44\n"
        "2024-01-01 00:00:00,,1500,44\n"
        "noon,m1,1500,44\n"
        "2026-01-01 00:00:00,m1,1500,44\n"
    )
    batch = read_text(tmp_path, text, **SENSORS, site_id="works")
    rows = batch.tables["raw.telemetry"].select("machine_id", "power_w", "temperature_c", "pressure_bar").rows()
    assert rows == [("m1", 1500.0, 40.0, None), ("m1", None, 41.0, None), ("m1", 1500.0, None, None)]
    assert batch.tables["raw.telemetry"]["known_at_utc"][0] == utc("2024-01-01 00:01")
    assert reasons(batch) == [
        (2, "not_a_number"),
        (3, "absurd_value"),
        (4, "no_value"),
        (5, "duplicate_identical"),
        (6, "duplicate_disagrees"),
        (7, "no_meter"),
        (8, "bad_timestamp"),
        (9, "in_the_future"),
    ]
    (machine,) = batch.tables["raw.meters"].to_dicts()
    assert (machine["meter_id"], machine["kind"], machine["site_id"], machine["interval_minutes"]) == (
        "m1",
        "machine",
        "works",
        15,
    )


def test_one_machine_named_by_its_source(tmp_path: Path) -> None:
    columns = {"timestamp": "time", "power_w": "p"}
    text = "time,p\n2024-10-27 02:30:00,1\n2024-10-27 02:00:00,2\n"
    batch = read_text(
        tmp_path, text, **SENSORS | {"columns": columns, "machine_id": "press", "timezone": "Europe/Paris"}
    )
    assert batch.tables["raw.telemetry"]["observed_at_utc"].to_list() == [
        utc("2024-10-27 00:30"),
        utc("2024-10-27 00:00"),
    ]
    with pytest.raises(SourceError, match="names no sensor"):
        read_text(tmp_path, text, **SENSORS | {"columns": {"timestamp": "time"}, "machine_id": "press"})


def test_tariffs(tmp_path: Path) -> None:
    text = TARIFF_HEADER + (
        "t1,energy,06:00-22:00,2024-01-01,2025-01-01,workdays,0.25,kWh\n"
        "t1,energy,22:00-06:00,2024-01-01,,,0.15,kWh\n"
        "t1,demand,all,2024-01-01,,all,9.5,kW_month\n"
    )
    rows = read_text(tmp_path, text, type="tariff_files", timezone="Europe/Paris").tables["raw.tariffs"].to_dicts()
    assert [(r["window"], r["calendar"], r["price"], r["currency"]) for r in rows] == [
        ("06:00-22:00", "workdays", 0.25, "EUR"),
        ("22:00-06:00", "all", 0.15, "EUR"),
        ("all", "all", 9.5, "EUR"),
    ]
    assert rows[0]["valid_from_utc"] == rows[0]["known_at_utc"] == utc("2023-12-31 23:00")
    assert [(r["averaging_minutes"], r["billing_basis"]) for r in rows] == [(None, None)] * 2 + [
        (60, "monthly_maximum")
    ]
    assert [r["valid_to_utc"] for r in rows] == [utc("2024-12-31 23:00"), None, None]


def test_tariffs_with_words_that_are_not_foreseen(tmp_path: Path) -> None:
    text = TARIFF_HEADER + (
        "t1,energy,all,2024-01-01,,all,0.25,kWh\n"
        "t1,fun,all,2024-01-01,,all,0.25,kWh\n"
        "t1,energy,25:00-26:00,2024-01-01,,all,0.25,kWh\n"
        "t1,energy,all,2024-02-01,,mondays,0.25,kWh\n"
        "t1,energy,all,2024-02-01,,all,free,kWh\n"
        "t1,energy,all,2024-02-01,,all,,kWh\n"
        "t1,energy,all,2024-02-01,2024-01-01,all,1,kWh\n"
        "t1,energy,all,2024-02-01,later,all,1,kWh\n"
        "t1,energy,all,soon,,all,1,kWh\n"
        ",energy,all,2024-02-01,,all,1,kWh\n"
        "t1,energy,all,2024-01-01,,all,0.30,kWh\n"
    )
    assert reasons(read_text(tmp_path, text, type="tariff_files")) == [
        (2, "bad_value"),
        (3, "bad_value"),
        (4, "bad_value"),
        (5, "not_a_number"),
        (6, "not_a_number"),
        (7, "bad_value"),
        (8, "bad_timestamp"),
        (9, "bad_timestamp"),
        (10, "bad_value"),
        (11, "duplicate_disagrees"),
    ]


def test_how_power_is_billed(tmp_path: Path) -> None:
    header = "tariff_id,component,window,valid_from,price,unit,averaging_minutes,billing_basis\n"
    text = header + (
        "t1,demand,all,2024-01-01,9.5,kW_month,15,mean_of_last_twelve\n"
        "t1,demand,06:00-22:00,2024-01-01,9.5,kW_year,,\n"
        "t1,fixed,all,2024-01-01,12,month,,\n"
        "t1,fixed,all,2024-01-01,1.5,kW_month,,\n"
        "t1,demand,all,2024-02-01,9.5,kW_month,30,\n"
        "t1,demand,all,2024-02-01,9.5,kW_year,15,highest\n"
        "t1,demand,all,2024-02-01,9.5,kWh,15,\n"
        "t1,fixed,all,2024-02-01,9.5,kWh,,\n"
    )
    batch = read_text(tmp_path, text, type="tariff_files")
    assert batch.tables["raw.tariffs"].select("component", "averaging_minutes", "billing_basis").rows() == [
        ("demand", 15, "mean_of_last_twelve"),
        ("demand", 60, "monthly_maximum"),
        ("fixed", None, None),
        ("fixed", None, None),
    ]
    assert reasons(batch) == [(row, "bad_value") for row in (5, 6, 7, 8)]
