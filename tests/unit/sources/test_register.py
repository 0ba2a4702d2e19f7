"""Cumulative registers: differences, gaps, rollover, meters that were changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.sources.reading import read_text, reasons, utc

REGISTER: dict[str, Any] = {
    "type": "meter_files",
    "columns": {"timestamp": "time", "meter_id": "id", "value": "kwh"},
    "timezone": "UTC",
    "values": "register",
}


def text(*values: object, meter: str = "a") -> str:
    return "time,id,kwh\n" + "".join(f"2024-01-01 {h:02}:00,{meter},{v}\n" for h, v in enumerate(values) if v != "gap")


def test_energy_lies_between_two_readings(tmp_path: Path) -> None:
    batch = read_text(tmp_path, text(100, 103, 103, 110), **REGISTER)
    readings = batch.tables["raw.meter_readings"]
    assert readings["energy_kwh"].to_list() == [3, 0, 7]
    assert readings["interval_start_utc"][0] == utc("2024-01-01 00:00")
    assert readings["interval_end_utc"][0] == utc("2024-01-01 01:00")
    assert reasons(batch) == [(1, "first_register_value")]


def test_gaps_are_missing_and_never_one_big_hour(tmp_path: Path) -> None:
    batch = read_text(tmp_path, text(100, "gap", 108, 110, "?", 120, 121), **REGISTER)
    assert batch.tables["raw.meter_readings"].select("energy_kwh", "quality").rows() == [
        (None, "missing"),
        (2.0, "measured"),
        (None, "missing"),
        (None, "missing"),
        (1.0, "measured"),
    ]


def test_rollover(tmp_path: Path) -> None:
    batch = read_text(tmp_path, text(99_990, 99_998, 5, 9), **REGISTER, rollover=100_000)
    assert batch.tables["raw.meter_readings"]["energy_kwh"].to_list() == [8, 7, 4]


def test_a_fall_that_is_no_rollover_is_rejected_and_counting_goes_on(tmp_path: Path) -> None:
    for rollover in (None, 100_000):
        batch = read_text(tmp_path, text(500, 510, 3, 7), **REGISTER, rollover=rollover)
        assert batch.tables["raw.meter_readings"]["energy_kwh"].to_list() == [10, 4]
        assert reasons(batch) == [(1, "first_register_value"), (3, "register_went_back")]


def test_meters_count_apart_whatever_the_order_of_rows(tmp_path: Path) -> None:
    both = text(1, 2, 4) + text(10, 20, 40, meter="b").partition("\n")[2]
    header, *lines = both.splitlines()
    batch = read_text(tmp_path, "\n".join([header, *lines[::-1]]), **REGISTER)
    energy = batch.tables["raw.meter_readings"].sort("meter_id", "interval_start_utc")["energy_kwh"].to_list()
    assert energy == [1, 2, 10, 20]


def test_repeated_readings(tmp_path: Path) -> None:
    doubled = text(1, 2) + "2024-01-01 01:00,a,2\n2024-01-01 01:00,a,9\n2024-01-01 01:30,a,9\n"
    batch = read_text(tmp_path, doubled, **REGISTER)
    assert reasons(batch) == [
        (1, "first_register_value"),
        (3, "duplicate_identical"),
        (4, "duplicate_disagrees"),
        (5, "off_grid"),
    ]


@settings(max_examples=12, deadline=None)
@given(steps=st.lists(st.integers(0, 400), min_size=1, max_size=23), start=st.integers(0, 999))
def test_any_register_gives_back_what_went_through_it(
    steps: list[int], start: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    values, total = [start], start
    for step in steps:
        total += step
        values.append(total % 1000)
    batch = read_text(tmp_path_factory.mktemp("register"), text(*values), **REGISTER, rollover=1000)
    assert batch.tables["raw.meter_readings"]["energy_kwh"].to_list() == steps
