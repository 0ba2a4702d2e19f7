"""Demand at the meters' own interval as it was known: corrections, hours set aside, meters without parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from energy_assets.contracts import TABLES
from energy_assets.warehouse import Warehouse, ensure_tables, fetch
from energy_assets.warehouse.intervals import INTERVAL_VERSIONS

HOUR = timedelta(hours=1)
AT = datetime(2026, 3, 10, 10, tzinfo=UTC)  # start of the hour
KNOWN = AT + 2 * HOUR
READING = """INSERT INTO raw.meter_readings BY NAME
SELECT $meter AS meter_id, 'import' AS direction, $start AS interval_start_utc,
    $start + to_minutes($minutes) AS interval_end_utc, $known AS known_at_utc, $kwh AS energy_kwh,
    'measured' AS quality, 'x' AS source, 1 AS load_id, 'x' AS file_sha256, 1 AS file_row, $known AS loaded_at_utc"""
VERSION = """INSERT INTO intermediate.int_demand_versions
VALUES ('m', $start, $known, $replaced, $kwh, $reported, 1.0)"""


@pytest.fixture
def filled(warehouse: Warehouse) -> Warehouse:
    """A meter of quarters with one whole hour, one of hours, and one whose 40 minutes divide no hour."""
    with warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
        con.execute(
            "INSERT INTO raw.meters BY NAME SELECT unnest(['m', 'hourly', 'odd']) AS meter_id, "
            "unnest([15, 60, 40]) AS interval_minutes, 'building' AS kind, 'x' AS name, "
            "'x' AS source, 'UTC' AS timezone"
        )
        con.execute(
            "CREATE SCHEMA intermediate; CREATE TABLE intermediate.int_demand_versions (meter_id VARCHAR, "
            "interval_start_utc TIMESTAMPTZ, known_from_utc TIMESTAMPTZ, known_to_utc TIMESTAMPTZ, demand_kwh DOUBLE, "
            "demand_reported_kwh DOUBLE, coverage DOUBLE)"
        )
        for meter, minutes in (("m", 15), ("hourly", 60), ("odd", 40)):
            for part in range(60 // minutes):
                start = AT + part * timedelta(minutes=minutes)
                con.execute(
                    READING, {"meter": meter, "start": start, "minutes": minutes, "known": KNOWN, "kwh": 1.0 + part}
                )
    return warehouse


def version(
    warehouse: Warehouse, known: datetime, kwh: float | None, reported: float, replaced: datetime | None = None
) -> None:
    """A version of the hour."""
    said = {"start": AT, "known": known, "replaced": replaced, "kwh": kwh, "reported": reported}
    with warehouse.transaction() as con:
        con.execute(VERSION, said)


def parts(warehouse: Warehouse, as_of: datetime) -> pl.DataFrame:
    parameters = {"meters": ["m", "hourly", "odd"], "as_of": as_of, "since": AT, "until": AT + HOUR}
    with warehouse.connect(read_only=True) as con:
        return fetch(con, INTERVAL_VERSIONS, parameters=parameters)


def test_parts_are_known_once_their_hour_is_and_of_meters_that_have_some(filled: Warehouse) -> None:
    version(filled, KNOWN + HOUR, 10.0, 10.0)
    assert parts(filled, KNOWN).is_empty()
    found = parts(filled, KNOWN + HOUR)
    assert found["meter_id"].to_list() == ["m"] * 4
    assert found["demand_kwh"].to_list() == [1.0, 2.0, 3.0, 4.0]
    assert set(found["known_from_utc"]) == {KNOWN + HOUR}
    assert found["known_to_utc"].null_count() == 4


def test_a_correction_ends_what_it_corrects_and_is_not_known_before(filled: Warehouse) -> None:
    later = KNOWN + 24 * HOUR
    with filled.transaction() as con:
        con.execute(READING, {"meter": "m", "start": AT, "minutes": 15, "known": later, "kwh": 9.0})
    version(filled, KNOWN, 10.0, 10.0, replaced=later)
    version(filled, later, 18.0, 18.0)
    before = parts(filled, later - HOUR)
    assert before["demand_kwh"].to_list() == [1.0, 2.0, 3.0, 4.0]
    assert before["known_to_utc"].null_count() == 4  # nobody knew that it would be replaced
    after = parts(filled, later)
    assert after.filter(pl.col("known_to_utc").is_null())["demand_kwh"].to_list() == [9.0, 2.0, 3.0, 4.0]
    assert after.filter(pl.col("known_to_utc") == later)["demand_kwh"].to_list() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("kwh", [None, 12.0])
def test_an_hour_set_aside_or_given_by_hand_has_no_parts_from_then_on(filled: Warehouse, kwh: float | None) -> None:
    decided = KNOWN + 24 * HOUR
    version(filled, KNOWN, 10.0, 10.0, replaced=decided)
    version(filled, decided, kwh, 10.0)
    found = parts(filled, decided)
    assert found.height == 4
    assert set(found["known_to_utc"]) == {decided}
