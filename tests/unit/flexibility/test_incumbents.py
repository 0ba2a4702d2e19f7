"""The ledger of billed power, from small frames with known answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from energy_assets.flexibility import incumbent_peaks
from energy_assets.flexibility.incumbents import quarter_hour_ratios
from tests.unit.flexibility.frames import HOLIDAYS, ISSUED, hourly, known, meter, meters, tariff

BILLED = meters(meter(tariff_id="t", interval_minutes=15))
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def ledger(rows: pl.DataFrame, parts: pl.DataFrame | None = None, described: pl.DataFrame = BILLED,
           tariffs: pl.DataFrame | None = None, at: datetime = ISSUED) -> pl.DataFrame:  # fmt: skip
    of = known(described, rows, tariffs=tariff() if tariffs is None else tariffs, parts=parts, issued_at=at)
    return incumbent_peaks(of.hourly, of.parts, of.charges, HOLIDAYS, at)


def test_incumbent_is_the_highest_hour_known_of_the_local_month() -> None:
    # 28 February 23:30 UTC is March in Paris; the 50 belongs to February there
    rows = hourly(datetime(2026, 2, 28, 22, tzinfo=UTC), [50.0, 30.0, 10.0])
    late = hourly(datetime(2026, 3, 10, 5, tzinfo=UTC), [40.0, 99.0], lag_hours=3)  # 40 known at 9, after the issue
    [row] = ledger(pl.concat([rows, late]), described=meters()).to_dicts()
    assert row == {
        "meter_id": "m", "tariff_id": "none", "demand_window": "all", "billing_period": "2026-03", "as_of_utc": ISSUED,
        "averaging_minutes": 60, "billing_basis": "monthly_maximum", "incumbent_peak_kw": 30.0,
        "peak_at_utc": datetime(2026, 2, 28, 23, tzinfo=UTC), "billed_peak_kw": 30.0,
    }  # fmt: skip


def test_what_became_known_later_moves_nothing() -> None:
    rows = hourly(MARCH, [10.0] * 24 * 9)
    later = hourly(MARCH, [999.0] * 24 * 30, lag_hours=24 * 60)
    assert ledger(pl.concat([rows, later])).equals(ledger(rows))
    changed = tariff("08:00-20:00").with_columns(known_at_utc=pl.lit(ISSUED + timedelta(seconds=1)))
    assert ledger(rows, tariffs=changed)["tariff_id"].to_list() == ["none"]


def test_issue_time_in_any_zone() -> None:
    rows = hourly(datetime(2026, 3, 2, tzinfo=UTC), [1.0, 3.0])
    assert ledger(rows, at=ISSUED.astimezone(ZoneInfo("Europe/Paris"))).equals(ledger(rows))


def test_a_charge_on_quarter_hours_sees_what_the_hour_hides() -> None:
    quarters = hourly(MARCH, [1.0, 1.0, 5.0, 1.0] * 24, minutes=15)
    hours = hourly(MARCH, [8.0] * 24)
    [row] = ledger(hours, quarters, tariffs=tariff(minutes=15)).to_dicts()
    assert (row["incumbent_peak_kw"], row["averaging_minutes"]) == (20.0, 15)
    assert row["peak_at_utc"] == MARCH + timedelta(minutes=30)
    assert ledger(hours, quarters)["incumbent_peak_kw"].to_list() == [8.0]  # the same meter, billed by the hour
    by_hour = meters(meter(tariff_id="t"))
    assert ledger(hours, described=by_hour, tariffs=tariff(minutes=15))["averaging_minutes"].to_list() == [60]


def test_parts_of_a_quarter_hour_are_put_together_and_half_known_ones_do_not_count() -> None:
    fives = hourly(MARCH, [1.0, 1.0, 1.0, 9.0, 9.0], minutes=5)  # the second quarter lacks its last part
    assert ledger(fives.clear(), fives, tariffs=tariff(minutes=15))["incumbent_peak_kw"].to_list() == [12.0]


@pytest.mark.parametrize(
    ("window", "calendar", "peak"),
    [("all", "all", 90.0), ("08:00-20:00", "all", 70.0), ("08:00-20:00", "workdays", 50.0),
     ("20:00-08:00", "workdays", 60.0), ("all", "weekends_and_holidays", 90.0)],
)  # fmt: skip
def test_only_the_hours_and_days_of_the_charge_count(window: str, calendar: str, peak: float) -> None:
    at = {(2, 11): 50.0, (2, 22): 60.0, (4, 11): 70.0, (7, 3): 90.0}  # a Monday, a holiday, a Saturday; UTC hours
    demand = [at.get((1 + h // 24, h % 24), 1.0) for h in range(24 * 9)]
    found = ledger(hourly(MARCH, demand), tariffs=tariff(window, calendar))
    assert found["incumbent_peak_kw"].to_list() == [peak]
    assert found["demand_window"].to_list() == [window if calendar == "all" else f"{window} {calendar}"]


def test_the_mean_of_twelve_months_bills_the_running_one_as_it_stands() -> None:
    maxima = {2025: {2: 500.0, 3: 500.0, 4: 120.0, 12: 60.0}, 2026: {1: 60.0, 3: 40.0}}
    rows = pl.concat(
        hourly(datetime(year, month, 5, 12, tzinfo=UTC), [peak])
        for year, of in maxima.items()
        for month, peak in of.items()
    )
    [row] = ledger(rows, tariffs=tariff(basis="mean_of_last_twelve")).to_dicts()
    assert (row["incumbent_peak_kw"], row["billed_peak_kw"]) == (40.0, (120 + 60 + 60 + 40) / 4)


def test_ratios_are_those_of_high_demand() -> None:
    calm, high = [1.0, 1.0, 3.0, 1.0], [10.0, 10.0, 12.0, 8.0]
    quarters = hourly(MARCH, calm * 20 + high * 4, minutes=15)
    assert quarter_hour_ratios(quarters, ISSUED).rows() == [("m", pytest.approx(1.2))]
    assert quarter_hour_ratios(quarters, MARCH).is_empty()
