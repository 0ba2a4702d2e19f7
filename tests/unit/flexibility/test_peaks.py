"""Incumbent peaks and the windows of the next day, from tiny frames with known answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.flexibility import demand_peaks, incumbent_peaks

ISSUED = datetime(2026, 3, 10, 8, tzinfo=UTC)
TARGET = datetime(2026, 3, 10, 23, tzinfo=UTC)  # midnight of 11 March in Paris
UTC_TIME = pl.Datetime("us", "UTC")
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
SPREAD = (-4.0, -3.0, -1.0, 0.0, 1.0, 3.0, 4.0)


def meters(capacity: float | None = None, zone: str = "Europe/Paris") -> pl.DataFrame:
    return pl.DataFrame(
        {"meter_id": ["m"], "timezone": [zone], "capacity_kw": [capacity]},
        schema={"meter_id": pl.String, "timezone": pl.String, "capacity_kw": pl.Float64},
    )


def hourly(start: datetime, demand: list[float], *, lag_hours: int = 1) -> pl.DataFrame:
    begin = pl.Series([start + timedelta(hours=i) for i in range(len(demand))], dtype=UTC_TIME)
    return pl.DataFrame({"meter_id": "m", "interval_start_utc": begin, "demand_kwh": demand}).with_columns(
        interval_end_utc=pl.col("interval_start_utc") + timedelta(hours=1),
        known_at_utc=pl.col("interval_start_utc") + timedelta(hours=1 + lag_hours),
    )


def forecasts(medians: list[float], version: str = "v1", revision: int = 0) -> pl.DataFrame:
    rows = [
        ("m", ISSUED, version, TARGET + timedelta(hours=h), TARGET + timedelta(hours=h + 1), q, median + d, revision)
        for h, median in enumerate(medians)
        for q, d in zip(QUANTILES, SPREAD, strict=True)
    ]
    names = "meter_id issued_at_utc model_version interval_start_utc interval_end_utc quantile demand_kwh revision"
    times = dict.fromkeys(("issued_at_utc", "interval_start_utc", "interval_end_utc"), UTC_TIME)
    return pl.DataFrame(rows, schema=names.split(), orient="row").with_columns(
        pl.col(name).cast(dtype) for name, dtype in times.items()
    )


NO_INCUMBENT = table("flexibility.incumbent_peaks").empty()
NO_HISTORY = hourly(ISSUED, [1.0]).clear()


def test_incumbent_is_the_highest_hour_known_of_the_local_month() -> None:
    # 28 February 23:30 UTC is March in Paris; the 50 belongs to February there
    rows = hourly(datetime(2026, 2, 28, 22, tzinfo=UTC), [50.0, 30.0, 10.0])
    late = hourly(datetime(2026, 3, 10, 5, tzinfo=UTC), [40.0, 99.0], lag_hours=3)  # 40 known at 9, after the issue
    found = incumbent_peaks(pl.concat([rows, late]), meters(), ISSUED)
    assert found.to_dicts() == [
        {
            "meter_id": "m",
            "billing_period": "2026-03",
            "as_of_utc": ISSUED,
            "incumbent_peak_kw": 30.0,
            "peak_at_utc": datetime(2026, 2, 28, 23, tzinfo=UTC),
        }
    ]


def test_incumbents_of_many_issue_times_are_those_of_each() -> None:
    rows = hourly(datetime(2026, 3, 1, tzinfo=UTC), [float(i) for i in range(24 * 9)])
    times = [ISSUED - timedelta(days=i) for i in range(5)]
    together = incumbent_peaks(rows, meters(), times)
    single = pl.concat([incumbent_peaks(rows, meters(), time) for time in times]).sort("as_of_utc")
    assert together.sort("as_of_utc").equals(single)
    assert together["incumbent_peak_kw"].n_unique() > 1


def test_issue_time_in_any_zone() -> None:
    rows = hourly(datetime(2026, 3, 2, tzinfo=UTC), [1.0, 3.0])
    local = ISSUED.astimezone(ZoneInfo("Europe/Paris"))
    assert incumbent_peaks(rows, meters(), local).equals(incumbent_peaks(rows, meters(), ISSUED))


def test_power_of_a_quarter_hour_is_four_times_its_energy() -> None:
    rows = hourly(datetime(2026, 3, 2, tzinfo=UTC), [5.0]).with_columns(
        interval_end_utc=pl.col("interval_start_utc") + timedelta(minutes=15)
    )
    assert incumbent_peaks(rows, meters(), ISSUED)["incumbent_peak_kw"].to_list() == [20.0]


def test_windows_are_runs_of_hours_whose_p90_exceeds_the_threshold() -> None:
    medians = [10.0, 18.0, 21.0, 16.9, 10.0, 17.5, 10.0]
    found = demand_peaks(forecasts(medians), meters(20.0), NO_INCUMBENT, NO_HISTORY)
    assert found["window_start_utc"].to_list() == [TARGET + timedelta(hours=1), TARGET + timedelta(hours=5)]
    assert found["window_end_utc"].to_list() == [TARGET + timedelta(hours=3), TARGET + timedelta(hours=6)]
    first, second = found.to_dicts()
    assert first["peak_hour_utc"] == TARGET + timedelta(hours=2)
    assert first["probability"] == pytest.approx(0.75)  # 20 is the 25 % quantile of the best hour
    assert second["probability"] == pytest.approx(1 - (0.75 + 0.15 * (2.5 - 1) / 2))
    assert (first["peak_p10_kw"], first["peak_p50_kw"], first["peak_p90_kw"]) == (18.0, 21.0, 24.0)
    assert (first["level"], second["level"]) == (2, 0)
    assert first["threshold_basis"] == "capacity"
    assert first["billing_period"] == "2026-03"
    assert first["incumbent_peak_kw"] is None


def test_without_a_qualifying_hour_the_most_probable_one_stands_alone() -> None:
    found = demand_peaks(forecasts([10.0, 16.5, 16.9, 12.0]), meters(20.0), NO_INCUMBENT, NO_HISTORY)
    assert found.height == 1
    assert found["window_start_utc"].item() == TARGET + timedelta(hours=2)
    assert found["probability"].item() == pytest.approx(0.1 - 0.05 * 0.1)  # 20 lies 3.1 above, between p90 and p95


def test_improbable_windows_are_left_out() -> None:
    assert demand_peaks(forecasts([10.0, 15.9]), meters(20.0), NO_INCUMBENT, NO_HISTORY).is_empty()


@pytest.mark.parametrize(
    ("threshold", "level"), [(24.5, None), (23.0, 0), (22.0, 0), (21.0, 1), (20.0, 2), (17.0, 3), (10.0, 3)]
)
def test_levels(threshold: float, level: int | None) -> None:
    found = demand_peaks(forecasts([20.0]), meters(threshold), NO_INCUMBENT, NO_HISTORY)
    assert found["level"].to_list() == ([] if level is None else [level])


def test_every_basis_that_can_be_had() -> None:
    year = hourly(ISSUED - timedelta(days=380), [float(i % 24) for i in range(380 * 24)])
    incumbents = incumbent_peaks(year, meters(), ISSUED)
    found = demand_peaks(forecasts([25.0]), meters(24.0), incumbents, year)
    assert found["threshold_basis"].to_list() == ["capacity", "incumbent", "seasonal_quantile"]
    assert found["threshold_kw"].to_list()[:2] == [24.0, 23.0]
    assert found["threshold_kw"].to_list()[2] == pytest.approx(23.0, abs=0.5)
    assert found["incumbent_peak_kw"].to_list() == [23.0] * 3


def test_the_season_is_the_season_and_what_was_known() -> None:
    winter_only = hourly(datetime(2025, 8, 1, tzinfo=UTC), [100.0] * 24 * 30)  # August: not the season of March
    spring = hourly(ISSUED - timedelta(days=30), [10.0] * 24 * 30)
    late = hourly(ISSUED - timedelta(days=300), [90.0] * 24 * 300, lag_hours=24 * 400)  # of the season, known later
    history = pl.concat([winter_only, spring, late])
    found = demand_peaks(forecasts([25.0]), meters(), NO_INCUMBENT, history)
    assert found["threshold_kw"].to_list() == [10.0]
    short = demand_peaks(forecasts([25.0]), meters(), NO_INCUMBENT, spring.tail(13 * 24))
    assert short.is_empty()  # too few hours of the season


def test_a_new_month_has_no_incumbent() -> None:
    incumbents = incumbent_peaks(hourly(datetime(2026, 3, 2, tzinfo=UTC), [1.0]), meters(), ISSUED).with_columns(
        billing_period=pl.lit("2026-02")
    )
    assert demand_peaks(forecasts([25.0]), meters(), incumbents, NO_HISTORY).is_empty()


def test_the_last_revision_counts_and_ids_are_stable() -> None:
    both = pl.concat([forecasts([25.0]), forecasts([10.0], revision=1)])
    assert demand_peaks(both, meters(20.0), NO_INCUMBENT, NO_HISTORY).is_empty()
    twice = [
        demand_peaks(
            forecasts([25.0]).sample(fraction=1.0, shuffle=True, seed=seed), meters(20.0), NO_INCUMBENT, NO_HISTORY
        )
        for seed in (1, 2)
    ]
    assert twice[0].equals(twice[1])
    two_models = pl.concat([forecasts([25.0]), forecasts([25.0], version="v2")])
    assert demand_peaks(two_models, meters(20.0), NO_INCUMBENT, NO_HISTORY)["peak_id"].n_unique() == 2


def test_no_forecasts_no_peaks() -> None:
    empty = forecasts([25.0]).clear()
    assert demand_peaks(empty, meters(20.0), NO_INCUMBENT, NO_HISTORY).is_empty()
    other_issue = demand_peaks(
        forecasts([25.0]), meters(20.0), NO_INCUMBENT, NO_HISTORY, issued_at=ISSUED + timedelta(days=1)
    )
    assert other_issue.is_empty()
