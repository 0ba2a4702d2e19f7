"""Prices per interval: windows over midnight, calendars, what replaces what, and what is not known yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.flexibility.clock import with_local_time
from energy_assets.flexibility.tariffs import demand_prices, energy_prices

ISSUED = datetime(2026, 3, 10, 8, tzinfo=UTC)
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)


def tariff(**changes: Any) -> dict[str, Any]:
    """A row of raw.tariffs."""
    return {
        "tariff_id": "t", "component": "energy", "window": "all", "valid_from_utc": LONG_AGO, "valid_to_utc": None,
        "calendar": "all", "price": 0.2, "unit": "kWh", "averaging_minutes": None, "billing_basis": None,
        "currency": "EUR", "known_at_utc": LONG_AGO, "source": "made up", "load_id": 1,
    } | changes  # fmt: skip


def tariffs(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows that fit the contract."""
    contract = table("raw.tariffs")
    return contract.conform(pl.DataFrame(list(rows), schema=contract.polars_schema))


def hours(first: datetime, count: int, *, workday: bool = True) -> pl.DataFrame:
    """Hours of a meter in Paris."""
    starts = [first + timedelta(hours=h) for h in range(count)]
    rows = pl.DataFrame({"interval_start_utc": pl.Series(starts, dtype=pl.Datetime("us", "UTC"))}).with_columns(
        meter_id=pl.lit("m"), tariff_id=pl.lit("t"), timezone=pl.lit("Europe/Paris"), is_workday=pl.lit(workday)
    )
    return with_local_time(rows, "interval_start_utc")


def prices(rows: pl.DataFrame, intervals: pl.DataFrame) -> list[float | None]:
    """Prices at the issue time."""
    return energy_prices(rows, intervals, ISSUED)["price"].to_list()


def test_windows_over_midnight_and_calendars() -> None:
    rows = tariffs(
        tariff(window="06:00-22:00", calendar="workdays", price=0.3),
        tariff(window="22:00-06:00", calendar="workdays", price=0.2),
        tariff(calendar="weekends_and_holidays", price=0.1),
    )
    day = hours(datetime(2026, 3, 10, 23, tzinfo=UTC), 24)
    assert prices(rows, day) == [0.2] * 6 + [0.3] * 16 + [0.2] * 2
    assert prices(rows, day.with_columns(is_workday=False)) == [0.1] * 24


@pytest.mark.parametrize(
    ("first", "count"), [(datetime(2026, 3, 28, 23, tzinfo=UTC), 23), (datetime(2026, 10, 24, 22, tzinfo=UTC), 25)]
)
def test_days_of_23_and_25_hours(first: datetime, count: int) -> None:
    rows = tariffs(tariff(window="06:00-22:00", price=0.3), tariff(window="22:00-06:00", price=0.2))
    assert prices(rows, hours(first, count)) == [0.2] * (count - 18) + [0.3] * 16 + [0.2] * 2


def test_the_newest_price_counts_and_the_narrower_window() -> None:
    target = datetime(2026, 3, 11, tzinfo=UTC)
    rows = tariffs(
        tariff(price=0.2),
        tariff(price=0.25, valid_from_utc=target - timedelta(days=1)),
        tariff(price=0.4, window="02:00-03:00", valid_from_utc=target - timedelta(days=1)),
        tariff(price=9.0, valid_from_utc=target - timedelta(hours=12), known_at_utc=ISSUED + timedelta(seconds=1)),
        tariff(price=7.0, valid_from_utc=target - timedelta(days=9), valid_to_utc=target),
    )
    assert prices(rows, hours(target, 3)) == [0.25, 0.4, 0.25]


def test_prices_by_the_hour_that_are_not_known_yet_stand_in_openly() -> None:
    target = datetime(2026, 3, 11, tzinfo=UTC)

    def hour(at: datetime, price: float, known: datetime) -> dict[str, Any]:
        return tariff(valid_from_utc=at, valid_to_utc=at + timedelta(hours=1), price=price, known_at_utc=known)

    early, late = ISSUED - timedelta(hours=1), ISSUED + timedelta(hours=4)
    rows = tariffs(
        hour(target, 0.5, early),
        hour(target + timedelta(hours=1), 0.9, late),  # published after the issue: nothing of it may be seen
        hour(target - timedelta(days=7, hours=-1), 0.3, LONG_AGO + timedelta(days=400)),
        hour(target - timedelta(days=14, hours=-1), 0.1, LONG_AGO),
        hour(target - timedelta(days=14, hours=-2), 0.15, LONG_AGO),
    )
    found = energy_prices(rows, hours(target, 4), ISSUED)
    assert found["price"].to_list() == [0.5, 0.3, 0.15, None]
    assert found["price_basis"].to_list() == ["published", "expected", "expected", None]
    later = energy_prices(rows, hours(target, 2), late)
    assert later["price"].to_list() == [0.5, 0.9]


def test_what_a_kw_costs() -> None:
    rows = tariffs(
        tariff(component="demand", price=10.0, unit="kW_month", averaging_minutes=15, billing_basis="monthly_maximum"),
        tariff(component="demand", price=12.0, unit="kW_month", valid_from_utc=ISSUED - timedelta(days=3),
               known_at_utc=ISSUED - timedelta(days=9)),
        tariff(component="demand", window="06:00-22:00", calendar="workdays", price=60.0, unit="kW_year"),
        tariff(component="demand", price=99.0, unit="kW_month", valid_from_utc=ISSUED - timedelta(days=1),
               known_at_utc=ISSUED + timedelta(hours=1)),
    )  # fmt: skip
    found = demand_prices(rows, ISSUED)
    assert dict(found.select("demand_window", "price_per_kw").iter_rows()) == {"all": 12.0, "06:00-22:00 workdays": 5.0}
