"""The expectation, and what is out of character although no rule has named it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.monitoring import detect
from energy_assets.monitoring.anomalies import Sight, with_expectation
from energy_assets.monitoring.anomalies.outlyingness import outlyingness
from tests.real_data import needs_real_data
from tests.unit.monitoring.frames import DAYS, ISSUED, START, hourly, index, meters, shape

EXPECTED = ["usual_kwh", "expected_kwh", "error_kwh", "typical_kwh"]
DISTANCES = ["deviation", "unlikeness_3h", "unlikeness_12h", "outlyingness"]


def contextual(events: pl.DataFrame) -> pl.DataFrame:
    """The events of that kind."""
    return events.filter(pl.col("kind") == "contextual")


def with_odd_day(values: np.ndarray) -> np.ndarray:
    """A Thursday as no other day of the week: half of the usual from seven to seven."""
    changed = values.copy()
    changed[index(4, 7) : index(4, 19)] = 12.0 * np.exp(np.random.default_rng(3).normal(0, 0.06, 12))
    return changed


def distances(frame: pl.DataFrame, days: int = 14, sight: Sight = Sight.PAST) -> pl.DataFrame:
    """The scores of the frame's last days."""
    hours = with_expectation(frame, sight=sight)
    return outlyingness(hours, hours["local_date"].unique().sort().tail(days), sight=sight)


def test_expectation_follows_the_hour_of_the_week() -> None:
    values = shape(noise=0.0)
    rows = with_expectation(hourly(values)).tail(14 * 24)
    np.testing.assert_allclose(rows["expected_kwh"].to_numpy(), values[-14 * 24 :], rtol=1e-9)


@settings(max_examples=12, deadline=None)
@given(cut=st.integers(1, 59 * 24), factor=st.sampled_from([0.0, -1.0, 1000.0]))
def test_the_future_changes_no_past_expectation(cut: int, factor: float) -> None:
    values = shape()
    changed = values.copy()
    changed[cut:] *= factor
    one, other = (with_expectation(hourly(v)).head(cut + 1).select(EXPECTED) for v in (values, changed))
    assert one.equals(other)  # the row of the cut itself too: no hour is part of its own expectation


@settings(max_examples=6, deadline=None)
@given(cut=st.integers(30 * 24, DAYS * 24), factor=st.sampled_from([0.0, 0.5, 1000.0]))
def test_the_future_moves_no_score(cut: int, factor: float) -> None:
    values = with_odd_day(shape())
    changed = values.copy()
    changed[cut:] *= factor
    until = START + timedelta(hours=cut)
    one, other = (
        distances(hourly(v), DAYS).filter(pl.col("interval_start_utc") < until).select(DISTANCES)
        for v in (values, changed)
    )
    assert one["outlyingness"].count() > 200
    assert one.equals(other)


def test_a_score_by_hand() -> None:
    # two weeks of a hundred, then twice that: log 2 from every past day, and as much over the least error
    values = np.full(22 * 24, 100.0)
    values[-5:] = 200.0
    row = distances(hourly(values), 1).tail(1)
    log_ratio = np.log(205.0 / 105.0)
    assert row["unlikeness_3h"].item() == pytest.approx(log_ratio, rel=5e-3)
    assert row["unlikeness_12h"].item() == pytest.approx(log_ratio * 5 / 12, rel=5e-3)
    assert row["deviation"].item() == pytest.approx(log_ratio / 0.25, rel=5e-3)
    unlike = log_ratio * np.sqrt(5 / 12)
    assert row["outlyingness"].item() == pytest.approx(np.sqrt(log_ratio / 0.25 * unlike), rel=5e-3)


def test_a_review_sees_both_sides() -> None:
    values = shape(noise=0.02)
    values[-21 * 24 :] *= 1.5  # three weeks at a new level: their first day is odd before, and usual afterwards
    day = date(2026, 3, 30)
    past, both = (
        distances(hourly(values), 28, sight).filter(pl.col("local_date") == day)["unlikeness_12h"].mean()
        for sight in Sight
    )
    assert isinstance(past, float)
    assert isinstance(both, float)
    assert past > 1.5 * both > 0


def test_clock_changes_leave_days_comparable() -> None:
    # a year's steps of the local clock: an hour of the evening is compared with that hour, whatever the UTC hour
    start = datetime(2025, 9, 1, tzinfo=UTC)
    hours = 70 * 24
    frame = hourly(np.ones(hours), start=start)
    local = pl.col("interval_start_utc").dt.convert_time_zone("Europe/Paris")
    frame = frame.with_columns(local_date=local.dt.date(), local_hour=local.dt.hour().cast(pl.Int32)).with_columns(
        (10.0 + pl.col("local_hour").is_between(8, 18) * 20.0).alias(name)
        for name in ("demand_reported_kwh", "demand_kwh")
    )
    scored = distances(frame, 21).filter(pl.col("local_date") >= date(2025, 10, 25))
    assert scored.filter(pl.col("local_date") == date(2025, 10, 26)).height == 25
    assert scored["unlikeness_12h"].max() == pytest.approx(0.0, abs=1e-3)
    assert scored["deviation"].abs().max() == pytest.approx(0.0, abs=1e-2)


def test_later_rows_change_no_earlier_event() -> None:
    values = with_odd_day(shape())
    values[index(6, 3)] = 200.0
    changed = values.copy()
    changed[index(2, 0) :] *= 3.0
    until = START + timedelta(hours=index(2, 0))
    one, other = (
        detect(hourly(v), meters(), issued_at=ISSUED).filter(pl.col("end_utc") < until) for v in (values, changed)
    )
    assert one.height >= 2
    assert one.equals(other)


def test_an_odd_day_is_out_of_character() -> None:
    events = contextual(detect(hourly(with_odd_day(shape())), meters(), issued_at=ISSUED))
    assert events.height == 1
    assert events["detector"].item() == "outlyingness"
    assert events["score"].item() > events["threshold"].item()
    assert events["observed_kwh"].item() < 0.6 * events["expected_kwh"].item()
    assert events["start_utc"].item() >= START + timedelta(hours=index(4, 7))


def test_feedback_moves_the_threshold() -> None:
    values = shape()
    values[index(4, 7) : index(4, 19)] *= 0.55
    factors = pl.DataFrame({"meter_id": ["m"], "kind": ["contextual"], "factor": [0.7]})

    def found(factor: float) -> int:
        given = factors.with_columns(factor=pl.lit(factor))
        return contextual(detect(hourly(values), meters(), issued_at=ISSUED, sensitivities=given)).height

    assert [found(0.7), found(5.0)] == [1, 0]


@pytest.mark.parametrize("marked", [False, True])
def test_a_working_day_like_a_sunday_is_none(marked: bool) -> None:
    values = shape()
    holiday = START + timedelta(hours=index(4, 0))  # a Thursday
    values[index(4, 0) : index(3, 0)] = values[index(8, 0) : index(7, 0)]  # the Sunday before
    frame = hourly(values)
    if marked:
        frame = frame.with_columns(is_holiday=pl.col("local_date") == holiday.date())
    assert contextual(detect(frame, meters(), issued_at=ISSUED)).is_empty()


def test_the_night_shift_that_a_holiday_leaves_out() -> None:
    values = shape()
    values[index(3, 0) : index(3, 6)] *= 0.5
    frame = hourly(values)
    holiday = (START + timedelta(hours=index(4, 0))).date()
    marked = frame.with_columns(is_holiday=pl.col("local_date") == holiday)
    assert contextual(detect(frame, meters(), issued_at=ISSUED)).height == 1
    assert contextual(detect(marked, meters(), issued_at=ISSUED)).is_empty()


def test_evenings_in_a_row_are_one_event() -> None:
    values = shape()
    for days in (6, 5, 4):
        values[index(days, 12) : index(days, 20)] *= 0.3
    found = contextual(detect(hourly(values), meters(), issued_at=ISSUED))
    assert found.height == 1
    assert found["end_utc"].item() - found["start_utc"].item() > timedelta(days=1)


def test_size_of_a_meter_does_not_matter() -> None:
    values = with_odd_day(shape())
    small, large = (detect(hourly(values * f), meters(), issued_at=ISSUED) for f in (0.01, 1e4))
    assert small["anomaly_id"].to_list() == large["anomaly_id"].to_list()
    assert small.height >= 1


def test_a_season_seen_a_year_ago_is_not_new() -> None:
    year = shape(430 * 24, start=ISSUED - timedelta(days=430))
    day = np.arange(len(year)) % 24
    for begins in (430 - 8, 430 - 372):  # a week of evenings twice as high, this year and last
        evenings = (np.arange(len(year)) // 24 >= begins) & (np.arange(len(year)) // 24 < begins + 7) & (day > 17)
        year[evenings] *= 2.0
    for begins in range(430 - 372, 430 - 300, 14):
        evenings = (np.arange(len(year)) // 24 >= begins) & (np.arange(len(year)) // 24 < begins + 7) & (day > 17)
        year[evenings] *= 2.0
    frame = hourly(year, start=ISSUED - timedelta(days=430))
    recent = pl.col("interval_start_utc") >= ISSUED - timedelta(days=104)
    alone, remembered = (
        detect(frame.filter(recent), meters(), history=history, issued_at=ISSUED)
        for history in (None, frame.filter(~recent))
    )
    assert contextual(alone)["observed_kwh"].sum() > contextual(remembered)["observed_kwh"].sum()


def test_the_same_rows_in_any_order_give_the_same_events() -> None:
    frame = hourly(with_odd_day(shape()))
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=4)
    one, other = (detect(f, meters(), issued_at=ISSUED) for f in (frame, shuffled))
    assert one.equals(other)
    assert one.height >= 1


def test_a_forecast_is_the_better_expectation() -> None:
    values = with_odd_day(shape())  # a holiday that the forecast knew of
    foreseen = hourly(values).select("meter_id", "interval_start_utc", expected_kwh="demand_kwh")
    events = detect(hourly(values), meters(), issued_at=ISSUED, forecasts=foreseen)
    assert contextual(events).is_empty()


def test_an_unknown_meter_is_left_out() -> None:
    events = detect(hourly(with_odd_day(shape()), "stranger"), meters("other"), issued_at=ISSUED)
    assert contextual(events).is_empty()


@pytest.mark.parametrize("days", [3, 10, 21])
def test_a_new_meter_alone_has_no_threshold(days: int) -> None:
    values = shape(days * 24, start=ISSUED - timedelta(days=days))
    values[-36:-24] *= 0.3
    frame = hourly(values, start=ISSUED - timedelta(days=days))
    assert contextual(detect(frame, meters(), issued_at=ISSUED)).is_empty()


def test_a_new_meter_takes_the_threshold_of_its_kind() -> None:
    new = shape(21 * 24, start=ISSUED - timedelta(days=21), seed=5)
    new[-36:-24] *= 0.3
    frame = pl.concat([hourly(shape()), hourly(new, "new", start=ISSUED - timedelta(days=21))])
    kinds = meters("m", "new")
    assert contextual(detect(frame, kinds, issued_at=ISSUED))["meter_id"].to_list() == ["new"]
    other = kinds.with_columns(kind=pl.Series(["building", "household"]))
    assert contextual(detect(frame, other, issued_at=ISSUED)).is_empty()


@needs_real_data
def test_labelled_buildings() -> None:
    """Hours that people have marked rank before others, in the mean of five buildings, online and without labels."""
    from tests.bench.labelled_buildings import buildings, figures

    hours = with_expectation(buildings())
    rows = outlyingness(hours, hours["local_date"].unique().sort())
    areas, _ = figures(rows["outlyingness"].to_numpy(), rows)
    assert np.mean(areas) > 0.62
    assert min(areas) > 0.35


def test_rest_on_a_day_between_a_holiday_and_the_weekend_is_no_event() -> None:
    values = shape()
    friday = index(3, 0)
    values[friday + 6 : friday + 20] *= 0.45
    frame = hourly(values)
    holiday = (START + timedelta(hours=friday - 24)).date()
    told = frame.with_columns(is_holiday=pl.col("local_date") == holiday)
    plain = frame.with_columns(is_holiday=pl.lit(value=False))
    assert contextual(detect(plain, meters(), issued_at=ISSUED)).height == 1
    assert (
        contextual(detect(told, meters(), issued_at=ISSUED))
        .filter(pl.col("start_utc") >= START + timedelta(hours=friday))
        .is_empty()
    )
