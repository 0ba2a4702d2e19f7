"""The UCI household: mixed dates resolved by order, `?`, minutes to energy, the hour that does not exist."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.sources import SourceError
from energy_assets.sources.uci import with_days
from tests.unit.sources.reading import read_text, reasons, utc

UCI: dict[str, Any] = {"type": "uci_household"}
PUBLISHED = "Date;Time;Global_active_power;Voltage\n"


def test_the_published_form(tmp_path: Path) -> None:
    text = PUBLISHED + "16/12/2006;17:24:00;4.2;234.8\n16/12/2006;17:25:00;?;?\n"
    batch = read_text(tmp_path, text, "power.txt", **UCI)
    readings = batch.tables["raw.meter_readings"]
    assert readings["interval_start_utc"].to_list() == [utc("2006-12-16 16:24"), utc("2006-12-16 16:25")]
    assert readings["energy_kwh"].to_list() == pytest.approx([0.07, None])
    assert readings["quality"].to_list() == ["measured", "missing"]
    assert (readings["known_at_utc"] - readings["interval_end_utc"]).dt.total_minutes().to_list() == [5, 5]
    assert batch.tables["raw.meters"].select("meter_id", "kind", "interval_minutes").rows() == [
        ("uci_household", "household", 1)
    ]


def test_the_copy_with_commas_an_index_and_mixed_dates(tmp_path: Path) -> None:
    text = (
        "index,Date,Time,Global_active_power\n0,12/1/07,23:59:00,1\n1,13/1/2007,0:00:00,1\n"
        "2,14/1/2007,0:00:00,1\n3,1/2/07,0:00:00,1\n"
    )
    days = read_text(tmp_path, text, **UCI).tables["raw.meter_readings"]["interval_end_utc"].dt.date()
    assert days.to_list() == [date(2007, 1, 12), date(2007, 1, 12), date(2007, 1, 13), date(2007, 1, 31)]


@settings(max_examples=30, deadline=None)
@given(
    first=st.dates(date(2005, 1, 1), date(2020, 1, 1)),
    length=st.integers(35, 150),
    short_first=st.sampled_from(["d/m", "m/d"]),
    long_first=st.sampled_from(["d/m", "m/d"]),
)
def test_the_order_of_rows_tells_the_order_of_dates(
    first: date, length: int, short_first: str, long_first: str
) -> None:
    """Spreadsheets write days up to the twelfth in one shape and later ones in another."""
    days = [first + timedelta(days=n) for n in range(length)]

    def written(day: date) -> str:
        short = day.day <= 12
        a, b = (day.day, day.month) if (short_first if short else long_first) == "d/m" else (day.month, day.day)
        return f"{a}/{b}/{day:%y}" if short else f"{a}/{b}/{day:%Y}"

    assert with_days(pl.DataFrame({"Date": [written(d) for d in days for _ in range(2)]}))["day"].to_list() == [
        d for d in days for _ in range(2)
    ]


def test_dates_that_both_orders_allow_are_as_published() -> None:
    assert with_days(pl.DataFrame({"Date": ["1/2/07", "1/2/07"]}))["day"].to_list() == [date(2007, 2, 1)] * 2


def test_the_hour_that_does_not_exist_and_the_one_that_comes_twice(tmp_path: Path) -> None:
    text = PUBLISHED + "".join(
        f"{day};{hour}:59:00;1;1\n" for day, hour in (("25/3/2007", 1), ("25/3/2007", 2), ("25/3/2007", 3))
    )
    text += "28/10/2007;2:00:00;1;1\n28/10/2007;3:00:00;1;1\n"
    batch = read_text(tmp_path, text, **UCI)
    assert reasons(batch) == [(2, "nonexistent_local_time")]
    assert batch.tables["raw.meter_readings"]["interval_start_utc"].dt.hour().to_list() == [0, 1, 0, 2]


def test_bad_rows(tmp_path: Path) -> None:
    text = PUBLISHED + (
        "16/12/2006;17:24:00;4.2;1\nsoon;17:25:00;1;1\n16/12/2006;25:00:00;1;1\n;;1;1\n"
        "16/12/2006;17:26:30;1;1\n16/12/2006;17:27:00;high;1\n16/12/2006;17:24:00;4.3;1\n"
    )
    assert reasons(read_text(tmp_path, text, **UCI)) == [
        (2, "bad_timestamp"),
        (3, "bad_timestamp"),
        (4, "bad_timestamp"),
        (5, "off_grid"),
        (6, "not_a_number"),
        (7, "duplicate_disagrees"),
    ]


def test_other_columns(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Global_active_power") as caught:
        read_text(tmp_path, "Date;Time;Power\n16/12/2006;17:24:00;1\n", **UCI)
    assert caught.value.reason == "wrong_columns"
