"""Local times to instants: what a clock showed, in its order, comes back as the instants it went through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.config import PublishedAt
from energy_assets.sources.timestamps import local_hour_of_day, with_instants, with_stamps
from tests.unit.sources.reading import utc

ZONES = [
    "Europe/Paris",
    "America/New_York",
    "Australia/Sydney",
    "Asia/Seoul",
    "Atlantic/Azores",
    "America/Havana",
    "UTC",
]


def instants(texts: list[str], zone: str, datetime_format: str | None = None) -> list[datetime | None]:
    frame = with_stamps(pl.DataFrame({"t": texts}), "t", "at", datetime_format)
    return with_instants(frame, "at", zone)["at"].to_list()


@settings(max_examples=30, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    noon=st.dates(datetime(2000, 1, 1).date(), datetime(2030, 1, 1).date()),
    minutes=st.sampled_from([15, 30, 60]),
    days=st.integers(1, 200),
    newest_first=st.booleans(),
)
def test_local_times_in_order_are_the_instants_they_were(
    zone: str, noon: datetime, minutes: int, days: int, newest_first: bool
) -> None:
    first = datetime(noon.year, noon.month, noon.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    step = timedelta(minutes=minutes)
    there = pl.datetime_range(first, first + timedelta(days=days), step, time_unit="us", eager=True)
    there = there.dt.convert_time_zone("UTC")
    if newest_first:
        there = there.reverse()
    local = there.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    frame = with_instants(with_stamps(pl.DataFrame({"t": local}), "t", "at"), "at", zone)
    assert frame["at"].to_list() == there.to_list()


@settings(max_examples=100, deadline=None)
@given(zone=st.sampled_from(ZONES), local=st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)))
def test_only_times_that_exist_have_an_instant(zone: str, local: datetime) -> None:
    there = local.replace(tzinfo=ZoneInfo(zone))
    exists = there.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local
    (found,) = instants([local.isoformat(sep=" ")], zone)
    assert (found is not None) == exists
    if exists:
        assert found == there.replace(fold=0).astimezone(UTC)


def test_each_series_has_its_own_order() -> None:
    texts = ["2018-10-28 02:00", "2018-10-28 02:00", "2018-10-28 02:30", "2018-10-28 02:00", "2018-10-28 02:30"]
    frame = with_stamps(pl.DataFrame({"t": texts, "m": ["a", "b", "a", "a", "b"]}), "t", "at")
    found = with_instants(frame, "at", "Europe/Paris", ["m"])["at"].dt.hour().to_list()
    assert found == [0, 0, 0, 1, 0]


def test_a_gap_in_the_second_pass_keeps_the_rest_of_it() -> None:
    texts = ["2018-10-28 02:30", "2018-10-28 02:45", "2018-10-28 02:15", "2018-10-28 02:45"]
    assert [at.hour for at in instants(texts, "Europe/Paris") if at] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-06-01T12:00:00Z", "2024-06-01 12:00"),
        ("2024-06-01 12:00:00.000+02:00", "2024-06-01 10:00"),
        ("2024-06-01 12:00-0330", "2024-06-01 15:30"),
        ("2024-06-01T12:00 UTC", "2024-06-01 12:00"),
        (" 2024-06-01 12:00 ", "2024-06-01 10:00"),
        ("2024-06-01", "2024-05-31 22:00"),
        ("2024-06-01 24:00", "2024-06-01 22:00"),
        ("2024-06-01T24:00:00", "2024-06-01 22:00"),
    ],
)
def test_texts_of_times(text: str, expected: str) -> None:
    assert instants([text], "Europe/Paris") == [utc(expected)]


@pytest.mark.parametrize(
    "text", ["", "soon", "2024-13-01 00:00", "2024-02-30", "1970-01-01 00:00", "01.02.2024 00:00", "45292"]
)
def test_texts_that_are_no_times(text: str) -> None:
    assert instants([text], "Europe/Paris") == [None]


def test_a_format_of_ones_own() -> None:
    assert instants(["31/01/2024 24:00", "2024-01-31"], "UTC", "%d/%m/%Y %H:%M") == [utc("2024-02-01 00:00"), None]
    assert instants(["31/01/2024 10:00 +0100"], "UTC", "%d/%m/%Y %H:%M %z") == [utc("2024-01-31 09:00")]


@pytest.mark.parametrize(
    ("valid", "expected"),
    [
        ("2022-11-20 22:59", "2022-11-19 09:00"),
        ("2022-11-20 23:00", "2022-11-20 09:00"),
        ("2022-03-27 12:00", "2022-03-26 09:00"),
        ("2022-03-28 12:00", "2022-03-27 08:00"),
    ],
)
def test_ten_oclock_of_the_day_before(valid: str, expected: str) -> None:
    when = PublishedAt(day=-1, hour=10)
    frame = pl.DataFrame({"at": [utc(valid)]}, schema={"at": pl.Datetime("us", "UTC")})
    assert frame.select(local_hour_of_day(pl.col("at"), "Europe/Paris", when)).item() == utc(expected)


def test_an_hour_of_publication_that_the_clock_skips_comes_an_hour_later() -> None:
    frame = pl.DataFrame({"at": [utc("2022-03-28 12:00")]}, schema={"at": pl.Datetime("us", "UTC")})
    found = frame.select(local_hour_of_day(pl.col("at"), "Europe/Paris", PublishedAt(day=-1, hour=2))).item()
    assert found == utc("2022-03-27 01:00")
