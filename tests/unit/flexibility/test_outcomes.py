"""What came of windows and of events that no window told, worked out by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from energy_assets.flexibility import hourly_power, peak_outcomes, peak_scores
from tests.unit.flexibility.frames import TARGET, flag, forecasts, hourly, meter, meters, tariff

OF_20 = meters(meter(capacity_kw=20.0))
MEDIANS = [10.0, 18.0, 21.0, 10.0, 10.0, 17.5, 10.0, 10.0]  # windows of hours 1-2 (probability 0.75) and 5 (below 0.2)
DONE = TARGET + timedelta(days=2)


def outcomes(actual: list[float], *, as_of: datetime = DONE, medians: list[float] = MEDIANS) -> pl.DataFrame:
    flagged = flag(forecasts(medians), OF_20)
    power = hourly_power(hourly(TARGET, actual), hourly(TARGET, []), as_of)
    return peak_outcomes(flagged.windows, flagged.hours, power)


def test_a_hit_has_size_and_hour_errors() -> None:
    found = outcomes([10.0, 24.0, 22.0, 21.0, 10.0, 10.0, 10.0, 10.0])
    assert found["outcome"].to_list() == ["hit", "correct_rejection"]
    hit = found.to_dicts()[0]
    assert hit["outcome_id"] == hit["peak_id"]
    assert (hit["actual_peak_kw"], hit["actual_peak_at_utc"]) == (24.0, TARGET + timedelta(hours=1))
    assert hit["size_error_kw"] == pytest.approx(21.0 - 24.0, abs=0.1)
    assert hit["hour_error"] == 1.0
    assert (hit["lead_minutes"], hit["lead_bucket"]) == (16 * 60, "15-21")
    assert hit["known_at_utc"] == TARGET + timedelta(hours=4)  # hour 3 exceeded too: the same event, told by the window


def test_false_alarms_misses_and_events_that_nobody_flagged() -> None:
    found = outcomes([10.0, 18.0, 19.0, 10.0, 10.0, 30.0, 10.0, 25.0]).sort("window_start_utc")
    assert found["outcome"].to_list() == ["false_alarm", "miss", "miss"]
    unflagged = found.to_dicts()[2]
    assert unflagged["peak_id"] is None
    assert (unflagged["window_start_utc"], unflagged["actual_peak_kw"]) == (TARGET + timedelta(hours=7), 25.0)
    assert (unflagged["level"], unflagged["size_error_kw"]) == (0, None)
    assert found["level"].to_list() == [2, 0, 0]


def test_outcomes_wait_for_readings_and_follow_corrections() -> None:
    actual = [10.0, 24.0, 22.0, 10.0, 10.0, 10.0, 10.0, 25.0]
    assert outcomes(actual, as_of=TARGET + timedelta(hours=3)).is_empty()  # the window's last hour comes at 4
    early = outcomes(actual, as_of=TARGET + timedelta(hours=5))
    assert early["outcome"].to_list() == ["hit"]
    assert outcomes(actual).height == 3
    assert outcomes([10.0] * 8).filter(pl.col("outcome") == "miss").is_empty()


def test_quarter_hours_decide_where_they_are_billed() -> None:
    described = meters(meter(tariff_id="t", interval_minutes=15))
    before = hourly(TARGET - timedelta(days=3), [18.0] * 40)
    quarters = hourly(TARGET - timedelta(days=3), [5.0] * 160, minutes=15)
    flagged = flag(forecasts([21.0, 10.0]), described, before, tariffs=tariff(minutes=15), parts=quarters)
    hours, parts = hourly(TARGET, [18.0, 18.0]), hourly(TARGET, [4.0, 4.0, 4.0, 6.0, 4.5, 4.5, 4.5, 4.5], minutes=15)
    found = peak_outcomes(flagged.windows, flagged.hours, hourly_power(hours, parts, DONE))
    assert found["outcome"].to_list() == ["hit"]
    assert (found["threshold_kw"].item(), found["actual_peak_kw"].item()) == (20.0, 24.0)


def test_zones_decide_for_their_meters() -> None:
    described = meters(meter("home"), meter("FR", kind="zone"))
    year = hourly(TARGET - timedelta(days=380), [float(i % 24) for i in range(379 * 24)], of="FR")
    said = pl.concat([forecasts([3.0], of="home"), forecasts([25.0], of="FR")])
    flagged = flag(said, described, year)
    power = hourly_power(hourly(TARGET, [30.0], of="FR"), hourly(TARGET, []), DONE)
    found = peak_outcomes(flagged.windows, flagged.hours, power)
    shared = found.filter(pl.col("threshold_basis") == "coincident")
    assert shared.select("meter_id", "outcome", "actual_peak_kw").rows() == [("home", "hit", 30.0)]


def test_scores_are_sums_of_squared_errors_by_lead_and_tenth() -> None:
    year = hourly(TARGET - timedelta(days=380), [float(i % 24) for i in range(379 * 24)])
    flagged = flag(forecasts([30.0, 15.0]), OF_20, year)
    of_capacity = flagged.hours.filter(pl.col("threshold_basis") == "capacity").with_columns(climatology=0.25)
    power = hourly_power(hourly(TARGET, [10.0, 12.0]), hourly(TARGET, []), DONE)
    found = peak_scores(of_capacity, power)
    assert found["probability_bin"].to_list() == [0, 9]
    assert found["lead_bucket"].to_list() == ["15-21", "15-21"]
    assert found["hours"].to_list() == [1, 1]
    assert found["exceeded_hours"].to_list() == [0, 0]
    said = of_capacity["probability"].sort()
    assert found["squared_error_sum"].to_list() == pytest.approx((said**2).to_list())
    assert found["climatology_error_sum"].to_list() == pytest.approx([0.0625, 0.0625])
    assert peak_scores(of_capacity, power.clear()).is_empty()
