"""The expectation, and the forest that judges what no rule has named."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.monitoring import detect
from energy_assets.monitoring.anomalies import with_expectation
from tests.real_data import REAL_DATA, needs_real_data
from tests.unit.monitoring.frames import ISSUED, START, hourly, index, meters, shape

EXPECTED = ["usual_kwh", "expected_kwh", "error_kwh", "typical_kwh"]


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


def test_later_rows_change_no_earlier_event() -> None:
    values = shape()
    values[index(6, 9) : index(6, 15)] *= 0.3
    values[index(5, 3)] = 200.0
    changed = values.copy()
    changed[index(2, 0) :] *= 3.0
    until = START + timedelta(hours=index(2, 0))
    one, other = (
        detect(hourly(v), meters(), None, issued_at=ISSUED).filter(pl.col("end_utc") < until) for v in (values, changed)
    )
    assert one.height >= 2
    assert one.equals(other)


def test_a_quiet_working_day_is_out_of_character() -> None:
    values = shape()
    values[index(4, 7) : index(4, 19)] = 12.0 * np.exp(np.random.default_rng(3).normal(0, 0.06, 12))
    events = detect(hourly(values), meters(), None, issued_at=ISSUED)
    hit = events.filter(pl.col("start_utc") < START + timedelta(hours=index(4, 19)), pl.col("kind") == "contextual")
    assert hit.height == 1
    assert hit["detector"].item() == "isolation_forest"
    assert hit["score"].item() > hit["threshold"].item()
    assert hit["observed_kwh"].item() < 0.6 * hit["expected_kwh"].item()


def test_size_of_a_meter_does_not_matter() -> None:
    values = shape()
    values[index(4, 7) : index(4, 19)] *= 0.4
    small, large = (detect(hourly(values * f), meters(), None, issued_at=ISSUED) for f in (0.01, 1e4))
    assert small["anomaly_id"].to_list() == large["anomaly_id"].to_list()
    assert small.height >= 1


def test_meters_of_a_kind_share_a_forest_and_kinds_do_not() -> None:
    def events(kinds: list[str]) -> pl.DataFrame:
        frame = pl.concat([hourly(shape(seed=i), f"m{i}") for i in range(3)])
        broken = shape(seed=9)
        broken[index(4, 7) : index(4, 19)] *= 0.4
        described = meters("m0", "m1", "m2", "x").with_columns(kind=pl.Series(kinds))
        found = detect(pl.concat([frame, hourly(broken, "x")]), described, None, issued_at=ISSUED)
        return found.filter(pl.col("meter_id") == "x")

    alone = events(["household"] * 3 + ["building"])
    together = events(["building"] * 4)
    assert alone.filter(pl.col("kind") == "contextual").height >= 1
    assert together.filter(pl.col("kind") == "contextual").height >= 1
    assert alone["score"].to_list() != together["score"].to_list()


def test_the_same_rows_in_any_order_give_the_same_events() -> None:
    values = shape()
    values[index(4, 7) : index(4, 19)] *= 0.4
    frame = hourly(values)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=4)
    one, other = (detect(f, meters(), None, issued_at=ISSUED) for f in (frame, shuffled))
    assert one.equals(other)


def test_a_forecast_is_the_better_expectation() -> None:
    values = shape()
    values[index(4, 7) : index(4, 19)] *= 0.4  # a holiday that the forecast knew of
    foreseen = hourly(values).select("meter_id", "interval_start_utc", expected_kwh="demand_kwh")
    events = detect(hourly(values), meters(), None, issued_at=ISSUED, forecasts=foreseen)
    assert events.filter(pl.col("kind") == "contextual").is_empty()


def test_a_holiday_is_expected_to_be_like_a_sunday() -> None:
    values = shape()
    holiday = START + timedelta(hours=index(4, 0))  # a Thursday
    day = slice(index(4, 0), index(3, 0))
    values[day] = values[index(8, 0) : index(7, 0)]  # the Sunday before
    frame = hourly(values)
    marked = frame.with_columns(is_holiday=pl.col("local_date") == holiday.date())
    plain, known = (
        detect(f, meters(), None, issued_at=ISSUED).filter(
            pl.col("kind") == "contextual", pl.col("start_utc") >= holiday
        )
        for f in (frame, marked)
    )
    assert plain.height >= 1
    assert known.is_empty()


@needs_real_data
def test_labelled_buildings() -> None:
    """On buildings with anomalies marked by people: most of what is reported is marked, and it is not much."""
    parts = []
    for path in sorted((REAL_DATA / "lead_buildings").glob("*.csv")):
        rows = pl.read_csv(path, try_parse_dates=True)
        frame = hourly(rows["meter_reading"].to_numpy(), path.stem, rows["timestamp"][0].replace(tzinfo=ISSUED.tzinfo))
        parts.append(frame.with_columns(labelled=(rows["anomaly"] == 1)))
    hours = pl.concat(parts)
    described = meters(*hours["meter_id"].unique().sort().to_list())
    start = hours["interval_start_utc"].min()
    found = []
    for month in range(2, 12):
        issued = start + timedelta(days=30 * month + 30, hours=9)  # type: ignore[operator]
        frame = hours.filter(
            pl.col("interval_start_utc").is_between(issued - timedelta(days=90), issued, closed="left")
        )
        found.append(detect(frame.drop("labelled"), described, None, issued_at=issued, window_days=30))
    events = pl.concat(found).filter(pl.col("kind") != "missing").unique("anomaly_id")
    flagged = hours.join_where(
        events.select("start_utc", "end_utc", meter="meter_id"),
        pl.col("meter_id") == pl.col("meter"),
        pl.col("interval_start_utc") >= pl.col("start_utc"),
        pl.col("interval_start_utc") < pl.col("end_utc"),
    )
    precision = flagged["labelled"].mean()
    assert isinstance(precision, float)
    assert precision > 0.5
    assert events.height / (5 * 10) < 2.0  # per building and month
    assert flagged["labelled"].sum() > 0.2 * hours["labelled"].sum()


def test_an_unknown_meter_is_left_out_of_the_forest() -> None:
    events = detect(hourly(shape(), "stranger"), meters("other"), None, issued_at=ISSUED)
    assert events.filter(pl.col("kind") == "contextual").is_empty()


@pytest.mark.parametrize("days", [10, 20])
def test_short_histories_train_no_forest(days: int) -> None:
    frame = hourly(shape(days * 24), start=ISSUED - timedelta(days=days))
    assert detect(frame, meters(), None, issued_at=ISSUED).filter(pl.col("kind") == "contextual").is_empty()
