"""A site's local day: intervals, windows and usual runs, on days of 23, 24 and 25 hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from energy_assets.flexibility.site_days import day_intervals, load_intervals

SPRING = (datetime(2026, 3, 28, 23, tzinfo=UTC), 23)
AUTUMN = (datetime(2026, 10, 24, 22, tzinfo=UTC), 25)
WORKDAY = (datetime(2026, 3, 10, 23, tzinfo=UTC), 24)
METER = pl.DataFrame(
    {"meter_id": "m", "site_id": "s", "tariff_id": "t", "timezone": "Europe/Paris", "country": "FR"}
)  # fmt: skip
NO_DAYS = pl.DataFrame(schema={"country": pl.String, "local_date": pl.Date, "is_workday": pl.Boolean})


def intervals(first: datetime, hours: int, minutes: int = 60) -> pl.DataFrame:
    """The day of a meter in Paris."""
    at = [first + timedelta(hours=h) for h in range(hours)]
    forecast = pl.DataFrame({"meter_id": "m", "interval_start_utc": at}).cast(
        {"interval_start_utc": pl.Datetime("us", "UTC")}
    )
    meter = METER.with_columns(averaging_minutes=pl.lit(minutes))
    return day_intervals(forecast, meter, NO_DAYS)


def loads(**changes: Any) -> pl.DataFrame:
    """A load of 8 kW for two hours from 08:30 on."""
    row = {"shiftable_load_id": "l", "meter_id": "m", "power_kw": 8.0, "duration_minutes": 120, "calendar": "all",
           "earliest_local": "06:00", "latest_local": "20:00", "usual_start_local": "08:30",
           "maximum_shift_minutes": None} | changes  # fmt: skip
    kinds = {"maximum_shift_minutes": pl.Int32, "duration_minutes": pl.Int32, "usual_start_local": pl.String}
    return pl.DataFrame([row], schema_overrides=kinds)


@pytest.mark.parametrize(("day", "quarters"), [(SPRING, 92), (WORKDAY, 96), (AUTUMN, 100)])
def test_a_day_is_as_long_as_it_is(day: tuple[datetime, int], quarters: int) -> None:
    found = intervals(*day, minutes=15)
    assert found.height == quarters
    assert found["local_date"].n_unique() == 1
    on = load_intervals(loads(usual_start_local="08:30"), found)
    running = on.join(found, on="interval_start_utc").filter(pl.col("usual_kw") > 0)["local_time"]
    assert [str(running.min())[11:16], str(running.max())[11:16]] == ["08:30", "10:15"]
    assert on["usual_kw"].sum() == pytest.approx(8 * 8.0)


def test_a_run_through_the_change_of_clocks_keeps_its_length() -> None:
    for day, name in ((SPRING, "02:30"), (AUTUMN, "02:30"), (AUTUMN, "01:00")):
        on = load_intervals(loads(usual_start_local=name, earliest_local="00:00"), intervals(*day, minutes=15))
        assert on["usual_kw"].sum() == pytest.approx(8 * 8.0)


def test_a_usual_run_begins_within_an_hour() -> None:
    on = load_intervals(loads(), intervals(*WORKDAY))
    assert on["usual_kw"].to_list()[8:11] == [4.0, 8.0, 4.0]
    assert on.filter("allowed").height == 14


def test_comfort_tightens_the_window() -> None:
    on = load_intervals(loads(maximum_shift_minutes=90), intervals(*WORKDAY))
    assert on.with_row_index("hour").filter("allowed")["hour"].to_list() == [7, 8, 9, 10, 11]


def test_loads_of_other_days_and_batteries() -> None:
    day = intervals(*WORKDAY)
    assert load_intervals(loads(calendar="weekends_and_holidays"), day).is_empty()
    assert load_intervals(loads(calendar="workdays"), day).height == 24
    battery = loads(duration_minutes=None, usual_start_local=None, earliest_local="00:00", latest_local="24:00")
    on = load_intervals(battery, day)
    assert on["allowed"].all()
    assert on["usual_kw"].sum() == 0


def test_holidays_are_no_workdays() -> None:
    holiday = pl.DataFrame({"country": "FR", "local_date": [date(2026, 3, 11)], "is_workday": [False]})
    hours = intervals(*WORKDAY).select("meter_id", "interval_start_utc", "interval_end_utc")
    meter = METER.with_columns(averaging_minutes=pl.lit(60))
    assert not day_intervals(hours, meter, holiday)["is_workday"].any()
