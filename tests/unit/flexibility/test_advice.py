"""Advice: rows and sentences, honest in time, and what became of them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from energy_assets.contracts import table
from energy_assets.flexibility import Advised, KnownForAdvice, advise, settled
from energy_assets.flexibility.planning import meter_days

ISSUED = datetime(2026, 3, 10, 8, tzinfo=UTC)  # Tuesday, nine o'clock in Paris
MIDNIGHT = datetime(2026, 3, 10, 23, tzinfo=UTC)
AFTER = MIDNIGHT + timedelta(days=2)
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
PEAKS = table("flexibility.demand_peaks").empty()
NO_ANSWERS = pl.DataFrame(
    schema={"target_id": pl.String, "verdict": pl.String, "given_at_utc": pl.Datetime("us", "UTC")}
)


def conform(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows that fit a contract."""
    contract = table(name)
    return contract.conform(pl.DataFrame(rows, schema=contract.polars_schema))


METERS = pl.DataFrame(
    {"meter_id": ["works", "shop"], "site_id": ["site", None], "tariff_id": ["t15", "t60"], "country": ["FR"] * 2,
     "timezone": ["Europe/Paris"] * 2, "interval_minutes": [15, 60], "capacity_kw": [500.0, None]},
    schema_overrides={"interval_minutes": pl.Int32},
)  # fmt: skip
DAYS = pl.DataFrame({"country": "FR", "local_date": [date(2026, 3, 11)], "is_workday": [True]})


def price(
    tariff: str, component: str, window: str, amount: float, unit: str, minutes: int | None = None
) -> dict[str, Any]:
    """A row of raw.tariffs."""
    return {
        "tariff_id": tariff, "component": component, "window": window, "valid_from_utc": LONG_AGO, "valid_to_utc": None,
        "calendar": "all", "price": amount, "unit": unit, "averaging_minutes": minutes,
        "billing_basis": "monthly_maximum" if minutes else None, "currency": "EUR", "known_at_utc": LONG_AGO,
        "source": "made up", "load_id": 1,
    }  # fmt: skip


TARIFFS = conform("raw.tariffs", [
    price(tariff, *row)
    for tariff, minutes in (("t15", 15), ("t60", 60))
    for row in (("energy", "06:00-22:00", 0.2, "kWh"), ("energy", "22:00-06:00", 0.1, "kWh"),
                ("demand", "all", 10.0, "kW_month", minutes))
])  # fmt: skip


def load(name: str, meter: str, **changes: Any) -> dict[str, Any]:
    """A row of raw.shiftable_loads: 40 kW for four hours from 18:00 on."""
    return {
        "shiftable_load_id": f"{meter}_{name}", "meter_id": meter, "name": name, "power_kw": 40.0, "energy_kwh": 160.0,
        "duration_minutes": 240, "earliest_local": "05:00", "latest_local": "24:00", "interruptible": False,
        "minimum_on_minutes": 240, "usual_start_local": "18:00", "calendar": "workdays", "rebound_share": 0.0,
        "maximum_shift_minutes": None, "source": "made up", "load_id": 1,
    } | changes  # fmt: skip


RUNS = [load("kiln", "works"), load("oven", "shop"), load("idle", "shop", calendar="weekends_and_holidays")]
LOADS = conform("raw.shiftable_loads", RUNS)
# 100 kW by day, an evening peak of 160 kW in which the loads usually run: 200 kW
SHAPE = np.where((np.arange(24) >= 18) & (np.arange(24) < 22), 200.0, 100.0)


def known(**changes: Any) -> KnownForAdvice:
    """What was known: two paths a little apart, a billed peak of 150 kW."""
    hours = [MIDNIGHT + timedelta(hours=h) for h in range(24)]
    scenarios = [
        {"meter_id": meter, "issued_at_utc": ISSUED, "model_version": "v1", "scenario": path, "interval_start_utc": at,
         "interval_end_utc": at + timedelta(hours=1), "demand_kwh": float(kwh) + 2.0 * path}
        for meter in ("works", "shop") for path in range(2) for at, kwh in zip(hours, SHAPE, strict=True)
    ]  # fmt: skip
    incumbents = [
        {"meter_id": meter, "tariff_id": tariff, "demand_window": "all", "billing_period": "2026-03",
         "as_of_utc": ISSUED, "averaging_minutes": minutes, "billing_basis": "monthly_maximum",
         "incumbent_peak_kw": 150.0, "peak_at_utc": ISSUED - timedelta(days=3), "billed_peak_kw": 150.0}
        for meter, tariff, minutes in (("works", "t15", 15), ("shop", "t60", 60))
    ]  # fmt: skip
    quarters = pl.DataFrame(
        schema={"meter_id": pl.String, "interval_start_utc": pl.Datetime("us", "UTC"), "power_kw": pl.Float64}
    )
    return dataclasses.replace(
        KnownForAdvice(METERS, LOADS, TARIFFS, DAYS, conform("forecasts.demand_scenarios", scenarios),
                       conform("flexibility.incumbent_peaks", incumbents), quarters),
        **changes,
    )  # fmt: skip


@cache
def advised() -> Advised:
    """The advice of the day."""
    return advise(known(), PEAKS, ISSUED)


def of(frame: pl.DataFrame, meter: str) -> dict[str, Any]:
    """The one row of a meter."""
    return frame.row(by_predicate=pl.col("meter_id") == meter, named=True)


def actual(power: np.ndarray = SHAPE, *, before: float = 150.0) -> pl.DataFrame:
    """Demand as it came, at both intervals, with one hour earlier in the month that was billed."""
    frames = []
    for meter, minutes in (("works", 15), ("shop", 60)):
        count = 24 * 60 // minutes
        at = [MIDNIGHT + timedelta(minutes=minutes * i) for i in range(count)] + [MIDNIGHT - timedelta(days=4)]
        kw = np.append(np.repeat(power, 60 // minutes), before)
        frames.append(
            pl.DataFrame({"meter_id": meter, "averaging_minutes": minutes, "interval_start_utc": at, "power_kw": kw})
        )
    kinds = {"averaging_minutes": pl.Int32, "interval_start_utc": pl.Datetime("us", "UTC")}
    return pl.concat(frames).cast(kinds)  # type: ignore[arg-type]


def settle(answers: pl.DataFrame = NO_ANSWERS, power: pl.DataFrame | None = None, at: datetime = AFTER) -> pl.DataFrame:
    """The day's advice at an instant."""
    made = advised()
    return settled(
        made.advice, made.schedules, answers, actual() if power is None else power, METERS, TARIFFS, DAYS, at
    )


def test_a_kiln_leaves_the_evening_peak() -> None:
    row = of(advised().advice, "works")
    assert (row["site_id"], row["solver_status"], row["status"], row["price_basis"]) == (
        "site",
        "optimal",
        "proposed",
        "published",
    )
    assert (row["from_start_utc"], row["from_end_utc"]) == (
        MIDNIGHT + timedelta(hours=18),
        MIDNIGHT + timedelta(hours=22),
    )
    assert row["to_end_utc"] <= MIDNIGHT + timedelta(hours=18)
    assert row["shifted_kwh"] == 160
    # 40 kW at 10 EUR each, and an hour or so at the night's price; both paths lie above the billed peak
    assert row["saving_demand"] == pytest.approx(400.0)
    assert row["saving_energy"] == pytest.approx(4.0)
    assert (row["peak_before_kw"], row["peak_after_kw"], row["incumbent_peak_kw"]) == (201.0, 161.0, 150.0)
    assert row["sentence"] == "Run kiln 05:00-09:00 instead of 18:00-22:00: -40 kW at the peak, saves 404.00 EUR."
    assert of(advised().advice, "shop")["site_id"] == "shop"


def test_schedules_and_outlook_say_the_same() -> None:
    made = advised()
    works = made.schedules.filter(pl.col("advice_id") == of(made.advice, "works")["advice_id"])
    assert works.height == 96
    assert works["usual_kw"].sum() == works["advised_kw"].sum() == 40.0 * 16
    outlook = made.outlook.filter(pl.col("meter_id") == "works")
    assert (outlook["before_p50_kw"] + outlook["moved_kw"]).max() == 161.0
    assert outlook["incumbent_peak_kw"].unique().to_list() == [150.0]


def test_the_same_again_and_nothing_of_the_future() -> None:
    again = advise(known(), PEAKS, ISSUED)
    later = price("t15", "energy", "all", 99.0, "kWh") | {
        "known_at_utc": ISSUED + timedelta(seconds=1),
        "valid_from_utc": ISSUED,
    }
    poisoned = advise(known(tariffs=pl.concat([TARIFFS, conform("raw.tariffs", [later])])), PEAKS, ISSUED)
    for made in (again, poisoned):
        assert_frame_equal(made.advice, advised().advice, check_exact=True)
        assert_frame_equal(made.schedules, advised().schedules, check_exact=True)


def test_meters_without_forecast_or_price_say_so() -> None:
    some = known().scenarios.filter((pl.col("meter_id") == "works") & (pl.col("interval_start_utc") < MIDNIGHT))
    nothing = advise(known(scenarios=some), PEAKS, ISSUED).advice
    assert nothing["status"].to_list() == ["none", "none"]
    assert of(nothing, "works")["sentence"] == "No advice: there is no forecast of the whole day."
    no_night = TARIFFS.filter(~((pl.col("tariff_id") == "t60") & (pl.col("window") == "22:00-06:00")))
    shop = of(advise(known(tariffs=no_night), PEAKS, ISSUED).advice, "shop")
    assert (shop["status"], shop["solver_status"]) == ("none", "not_run")
    assert shop["sentence"] == "No advice: no price is known for some hour of the day."


def test_nothing_is_moved_where_nothing_is_to_gain() -> None:
    flat = TARIFFS.with_columns(price=pl.when(pl.col("component") == "energy").then(0.2).otherwise(0.0))
    made = advise(known(tariffs=flat), PEAKS, ISSUED)
    assert made.advice["sentence"].to_list() == ["Nothing is worth moving on 2026-03-11."] * 2
    assert made.schedules.is_empty()
    assert made.outlook.is_empty()


def test_a_day_on_which_nothing_runs_has_nothing_to_move() -> None:
    holiday = DAYS.with_columns(is_workday=False)
    made = advise(known(days=holiday, loads=LOADS.filter(pl.col("calendar") == "workdays")), PEAKS, ISSUED)
    assert made.advice["sentence"].to_list() == ["Nothing is worth moving on 2026-03-11."] * 2


def test_quarter_hours_of_past_days_shape_the_hours() -> None:
    at = [MIDNIGHT - timedelta(days=1) + timedelta(minutes=15 * i) for i in range(96)]
    quarters = pl.DataFrame(
        {"meter_id": "works", "interval_start_utc": at, "power_kw": [80.0, 80.0, 80.0, 160.0] * 24}
    ).cast({"interval_start_utc": pl.Datetime("us", "UTC")})
    days = pl.DataFrame(
        {"country": "FR", "local_date": [date(2026, 3, 10), date(2026, 3, 11)], "is_workday": [True, True]}
    )
    made = {day.meter["meter_id"]: day.site for day in meter_days(known(parts=quarters, days=days), ISSUED)}
    assert made["works"].rest_kw.shape == (2, 96)
    np.testing.assert_allclose(made["works"].rest_kw[0][:4], [80.0, 80.0, 80.0, 160.0])
    assert made["shop"].rest_kw.shape == (2, 24)


def test_the_rest_is_never_below_zero() -> None:
    little = known().scenarios.with_columns(demand_kwh=pl.lit(30.0))
    for day in meter_days(known(scenarios=little), ISSUED):
        assert day.site.rest_kw.min() == 0.0


def test_advice_expires_and_shows_what_it_would_have_saved() -> None:
    proposed = settle(at=MIDNIGHT - timedelta(hours=1), power=actual().clear())
    assert proposed["status"].to_list() == ["proposed", "proposed"]
    found = settle()
    assert found["status"].to_list() == ["expired", "expired"]
    assert found["realised_saving"].null_count() == 2
    # the day was as one path had it: 200 kW with the kiln, 160 without
    assert of(found, "works")["potential_saving"] == pytest.approx(400.0 + 4.0)
    above_anyway = settle(power=actual(before=190.0))
    assert of(above_anyway, "works")["potential_saving"] == pytest.approx(100.0 + 4.0)


def test_accepted_advice_is_held_against_the_usual_run_in_its_stead() -> None:
    made = advised()
    answers = pl.DataFrame(
        {
            "target_id": made.advice["advice_id"],
            "verdict": ["correct", "incorrect"],
            "given_at_utc": [ISSUED + timedelta(hours=2)] * 2,
        }
    ).cast({"given_at_utc": pl.Datetime("us", "UTC")})
    shop, works = made.advice["meter_id"].to_list()
    assert (shop, works) == ("shop", "works")
    moved = made.schedules.filter(pl.col("advice_id") == of(made.advice, "shop")["advice_id"])
    with_move = SHAPE + (moved["advised_kw"] - moved["usual_kw"]).to_numpy()
    found = settle(
        answers,
        pl.concat(
            [actual(with_move).filter(pl.col("meter_id") == "shop"), actual().filter(pl.col("meter_id") == "works")]
        ),
    )
    assert found["status"].to_list() == ["accepted", "rejected"]
    assert of(found, "shop")["realised_saving"] == pytest.approx(400.0 + 4.0)
    assert of(found, "shop")["potential_saving"] is None
    assert of(found, "works")["potential_saving"] == pytest.approx(404.0)
    assert of(found, "works")["realised_saving"] is None


def test_a_day_that_is_not_known_as_a_whole_is_not_settled() -> None:
    found = settle(power=actual().filter(pl.col("interval_start_utc") != MIDNIGHT + timedelta(hours=3)))
    assert found["potential_saving"].null_count() == 2
