"""The ENTSO-E export: zones of its header, both days on which clocks change, 15 minutes, what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from energy_assets.config import Market
from energy_assets.sources import Batch, SourceError
from tests.unit.sources.reading import read_path, read_text, reasons, utc

FR: dict[str, Any] = {"type": "entsoe_load", "meter_id": "FR", "publisher": "RTE", "timezone": "Europe/Paris"}
UTC_HEADER = '"Time (UTC)","Day-ahead Total Load Forecast [MW] - BZN|FR","Actual Total Load [MW] - BZN|FR"\n'
CET_HEADER = UTC_HEADER.replace("UTC", "CET/CEST")


def rows(*lines: tuple[str, str, str]) -> str:
    return "".join(f'"{time}","{forecast}","{actual}"\n' for time, forecast, actual in lines)


def hours(batch: Batch, name: str = "raw.meter_readings") -> list[str]:
    return [f"{at:%d %H:%M}" for at in batch.tables[name]["interval_start_utc"]]


def test_actuals_and_forecasts(tmp_path: Path) -> None:
    batch = read_text(tmp_path, UTC_HEADER + rows(("01.01.2021 00:00 - 01.01.2021 01:00", "64600", "64139")), **FR)
    (reading,) = batch.tables["raw.meter_readings"].to_dicts()
    assert (reading["meter_id"], reading["direction"], reading["quality"]) == ("FR", "import", "measured")
    assert reading["energy_kwh"] == 64_139_000
    assert (reading["interval_start_utc"], reading["interval_end_utc"]) == (
        utc("2021-01-01 00:00"),
        utc("2021-01-01 01:00"),
    )
    assert reading["known_at_utc"] == utc("2021-01-01 02:00")
    assert reading["file_row"] == 1
    (forecast,) = batch.tables["raw.published_forecasts"].to_dicts()
    assert (forecast["publisher"], forecast["energy_kwh"]) == ("RTE", 64_600_000)
    assert forecast["known_at_utc"] == utc("2020-12-31 09:00")
    (meter,) = batch.tables["raw.meters"].to_dicts()
    assert (meter["kind"], meter["timezone"], meter["country"], meter["interval_minutes"]) == (
        "zone",
        "Europe/Paris",
        "FR",
        60,
    )


def test_the_header_says_the_zone_of_the_stamps_and_the_meter_keeps_its_own(tmp_path: Path) -> None:
    text = CET_HEADER + rows(("01.06.2018 00:00 - 01.06.2018 01:00", "8000", "8100"))
    batch = read_text(tmp_path, text, **FR | {"timezone": "Europe/Helsinki"})
    assert hours(batch) == ["31 22:00"]
    assert batch.tables["raw.meters"]["timezone"].to_list() == ["Europe/Helsinki"]
    # 01:00 of the first of June in Helsinki; ten o'clock of the day before there
    assert batch.tables["raw.published_forecasts"]["known_at_utc"].to_list() == [utc("2018-05-31 07:00")]


def test_the_spring_hour_is_rejected_and_nothing_else(tmp_path: Path) -> None:
    text = CET_HEADER + rows(
        ("25.03.2018 01:00 - 25.03.2018 02:00", "1", "10"),
        ("25.03.2018 02:00 - 25.03.2018 03:00", "", ""),
        ("25.03.2018 03:00 - 25.03.2018 04:00", "3", "30"),
    )
    batch = read_text(tmp_path, text, **FR)
    assert reasons(batch) == [(2, "nonexistent_local_time")]
    assert hours(batch) == ["25 00:00", "25 01:00"]


def test_the_autumn_hour_stands_twice(tmp_path: Path) -> None:
    text = CET_HEADER + rows(
        ("28.10.2018 01:00 - 28.10.2018 02:00", "1", "10"),
        ("28.10.2018 02:00 - 28.10.2018 03:00", "2", "20"),
        ("28.10.2018 02:00 - 28.10.2018 03:00", "3", "N/A"),
        ("28.10.2018 03:00 - 28.10.2018 04:00", "4", "40"),
    )
    batch = read_text(tmp_path, text, **FR)
    assert hours(batch) == ["27 23:00", "28 00:00", "28 01:00", "28 02:00"]
    assert batch.tables["raw.meter_readings"]["energy_kwh"].to_list() == [10_000, 20_000, None, 40_000]
    assert batch.tables["raw.meter_readings"]["quality"].to_list()[2] == "missing"


def test_quarter_hours_over_both_changes_and_in_the_middle_of_a_file(tmp_path: Path) -> None:
    autumn = [
        (f"28.10.2018 02:{m:02} - 28.10.2018 {'02' if m < 45 else '03'}:{(m + 15) % 60:02}", "", str(m))
        for _ in range(2)
        for m in (0, 15, 30, 45)
    ]
    text = CET_HEADER + rows(("28.10.2018 01:00 - 28.10.2018 02:00", "", "400"), *autumn)
    batch = read_text(tmp_path, text, **FR)
    readings = batch.tables["raw.meter_readings"]
    assert hours(batch)[1:] == [f"28 {h:02}:{m:02}" for h in (0, 1) for m in (0, 15, 30, 45)]
    assert readings["energy_kwh"].to_list()[:3] == [400_000, 0, 15_000 / 4]
    assert (readings["interval_end_utc"] - readings["interval_start_utc"]).dt.total_minutes().to_list() == [
        60,
        *[15] * 8,
    ]
    assert batch.tables["raw.meters"]["interval_minutes"].to_list() == [15]


def test_rows_whose_end_is_said_on_the_new_clock(tmp_path: Path) -> None:
    text = CET_HEADER + rows(
        ("25.03.2018 01:00 - 25.03.2018 03:00", "", "10"),
        ("28.10.2018 02:00 - 28.10.2018 02:00", "", "20"),
        ("29.10.2018 02:00 - 29.10.2018 04:00", "", "30"),
    )
    batch = read_text(tmp_path, text, **FR)
    lengths = (batch.tables["raw.meter_readings"]["interval_end_utc"].dt.hour()).to_list()
    assert lengths == [1, 1]
    assert reasons(batch) == [(3, "bad_timestamp")]


@pytest.mark.parametrize("missing", ["", "-", "N/A", "n/e"])
def test_missing_actuals_inside_are_readings_and_at_the_end_are_not_yet(tmp_path: Path, missing: str) -> None:
    text = UTC_HEADER + rows(
        ("01.01.2021 00:00 - 01.01.2021 01:00", "1", missing),
        ("01.01.2021 01:00 - 01.01.2021 02:00", missing, "20"),
        ("01.01.2021 02:00 - 01.01.2021 03:00", "3", missing),
        ("01.01.2021 03:00 - 01.01.2021 04:00", missing, missing),
    )
    batch = read_text(tmp_path, text, **FR)
    assert batch.tables["raw.meter_readings"]["quality"].to_list() == ["missing", "measured"]
    assert hours(batch, "raw.published_forecasts") == ["01 00:00", "01 02:00"]
    assert reasons(batch) == [(4, "no_value")]
    assert batch.loaded_rows is not None
    assert sorted(batch.loaded_rows.to_list()) == [1, 2, 3]


def test_a_file_of_forecasts_only(tmp_path: Path) -> None:
    batch = read_text(tmp_path, UTC_HEADER + rows(("01.01.2021 00:00 - 01.01.2021 01:00", "1", "-")), **FR)
    assert batch.tables["raw.meter_readings"].height == 0
    assert batch.tables["raw.meters"]["meter_id"].to_list() == ["FR"]


def test_bad_cells_cost_the_cell_and_bad_times_the_row(tmp_path: Path) -> None:
    text = UTC_HEADER + rows(
        ("01.01.2021 00:00 - 01.01.2021 01:00", "1", "much"),
        ("01.01.2021 01:00 - 01.01.2021 02:00", "x", "20"),
        ("01.01.2021 02:00", "3", "30"),
        ("01.01.2021 03:00 - 01.01.2021 05:00", "4", "40"),
        ("01.01.2021 04:00 - 01.01.2021 05:00", "5", "5000000"),
        ("01.01.2021 05:00 - 01.01.2021 06:00", "6", "60"),
        ("01.01.2021 05:00 - 01.01.2021 06:00", "6", "60"),
        ("01.01.2021 05:00 - 01.01.2021 06:00", "6", "61"),
    )
    batch = read_text(tmp_path, text, **FR)
    assert reasons(batch) == [
        (1, "not_a_number"),
        (2, "not_a_number"),
        (3, "bad_timestamp"),
        (4, "bad_timestamp"),
        (5, "absurd_value"),
        (7, "duplicate_identical"),
        (7, "duplicate_identical"),
        (8, "duplicate_disagrees"),
        (8, "duplicate_identical"),
    ]
    assert batch.tables["raw.meter_readings"]["file_row"].to_list() == [2, 6]
    assert batch.tables["raw.published_forecasts"]["energy_kwh"].to_list() == [1000, 5000, 6000]
    cell = batch.rejected.row(0, named=True)
    assert (cell["raw_text"], cell["column_name"]) == ("much", "Actual Total Load [MW] - BZN|FR")


def test_a_clock_in_the_future_costs_readings_but_not_tomorrows_forecast(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text(
        UTC_HEADER
        + rows(
            ("01.01.2021 00:00 - 01.01.2021 01:00", "1", "10"),
            ("02.01.2021 20:00 - 02.01.2021 21:00", "2", "20"),
            ("03.01.2021 20:00 - 03.01.2021 21:00", "3", "30"),
        )
    )
    batch = read_path(path, received_at=utc("2021-01-01 10:00"), **FR)
    assert hours(batch) == ["01 00:00"]
    assert hours(batch, "raw.published_forecasts") == ["01 00:00", "02 20:00", "03 20:00"]
    assert reasons(batch) == [(2, "in_the_future"), (3, "in_the_future")]


def test_newer_exports(tmp_path: Path) -> None:
    text = (
        '"MTU (CET/CEST)","Area","Actual Total Load (MW)","Day-ahead Total Load Forecast (MW)"\n'
        '"01/01/2025 00:00:00 (CET) - 01/01/2025 00:15:00 (CET)","BZN|FR","8","n/e"\n'
    )
    path = tmp_path / "new.csv"
    path.write_text(text)
    batch = read_path(path, received_at=utc("2025-06-01 00:00"), market=Market(), **FR)
    assert batch.tables["raw.meter_readings"]["energy_kwh"].to_list() == [2000]


def test_another_export_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Actual Total Load") as caught:
        read_text(tmp_path, '"Time (UTC)","Generation"\n"01.01.2021 00:00 - 01.01.2021 01:00","1"\n', **FR)
    assert caught.value.reason == "wrong_columns"
