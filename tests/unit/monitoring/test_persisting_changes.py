"""Changes that stay: of the level, of the quiet hours, of the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import numpy as np
import polars as pl
import pytest

from energy_assets.monitoring import detect
from energy_assets.monitoring.anomalies import with_expectation
from energy_assets.monitoring.anomalies.clock_shift import clock_shift
from energy_assets.monitoring.anomalies.level_shift import level_shift
from energy_assets.monitoring.anomalies.night_baseload import night_baseload
from tests.unit.monitoring.frames import DAYS, ISSUED, START, hourly, index, meters, shape

PERSISTING = ["level_shift", "night_baseload", "clock_shift"]
NONE_CLAIMED = pl.DataFrame(schema={"meter_id": pl.String, "interval_start_utc": pl.Datetime("us", "UTC")})


def events(values: np.ndarray, kind: str, **given: pl.DataFrame) -> pl.DataFrame:
    """The events of a kind in the window."""
    found = detect(hourly(values), meters(), issued_at=ISSUED, **given)  # type: ignore[arg-type]
    return found.filter(pl.col("kind") == kind)


def midnight(days_from_end: int) -> int:
    """Row of the start of a day."""
    return index(days_from_end, 0)


def quiet(hours: int) -> np.ndarray:
    """Which of the rows are the night's, ten to six."""
    return (np.arange(hours) % 24 < 6) | (np.arange(hours) % 24 >= 22)


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.3, 1.8])
def test_a_shift_of_level_is_found_with_its_day(factor: float) -> None:
    values = shape()
    values[midnight(9) :] *= factor
    found = events(values, "level_shift")
    assert found["start_utc"].to_list() == [START + timedelta(hours=midnight(9))]
    assert found["score"].item() == pytest.approx(abs(np.log(factor)), rel=0.15)
    ratio = found["observed_kwh"].item() / found["expected_kwh"].item()
    assert (ratio > 1) == (factor > 1)


def test_it_is_known_on_the_fifth_day_and_keeps_its_start() -> None:
    values = shape()
    values[midnight(9) :] *= 1.5
    starts = []
    for days in range(1, 9):
        issued = START + timedelta(hours=midnight(9) + 24 * days + 7)
        frame = hourly(values).filter(pl.col("interval_end_utc") <= issued)
        found = detect(frame, meters(), issued_at=issued).filter(pl.col("kind") == "level_shift")
        starts.append(found["start_utc"].to_list())
    assert starts == [[]] * 4 + [[START + timedelta(hours=midnight(9))]] * 4 or starts[4:] == [starts[4]] * 4
    assert starts[3] in ([], starts[4])  # four of the five days may be enough
    assert len(starts[4]) == 1


def test_a_shift_ends_when_the_level_is_back_and_the_return_is_none() -> None:
    values = shape()
    values[midnight(20) : midnight(10)] *= 1.5
    frame = with_expectation(hourly(values))
    found = level_shift(frame, NONE_CLAIMED, meters())
    found = found.filter(pl.col("score") >= pl.col("threshold"))
    assert found["interval_start_utc"].min() == START + timedelta(hours=midnight(20))
    assert found["interval_end_utc"].max() == START + timedelta(hours=midnight(10))
    assert found.height == 10 * 24


@pytest.mark.parametrize(("stepping", "flagged"), [(1, 1), (3, 3), (4, 0), (6, 0)])
def test_what_many_meters_do_at_once_is_no_fault_of_one(stepping: int, flagged: int) -> None:
    ids = [f"m{i}" for i in range(6)]
    frames = []
    for number, meter_id in enumerate(ids):
        values = shape(seed=number)
        values[midnight(9) :] *= 1.5 if number < stepping else 1.0
        frames.append(hourly(values, meter_id=meter_id))
    found = detect(pl.concat(frames), meters(*ids), issued_at=ISSUED).filter(pl.col("kind") == "level_shift")
    assert found["meter_id"].unique().len() == flagged


def test_meters_of_another_kind_excuse_nothing() -> None:
    ids = [f"m{i}" for i in range(6)]
    frames = []
    for number, meter_id in enumerate(ids):
        values = shape(seed=number)
        values[midnight(9) :] *= 1.5
        frames.append(hourly(values, meter_id=meter_id))
    kinds = meters(*ids).with_columns(kind=pl.when(pl.col("meter_id") == "m0").then(pl.lit("zone")).otherwise("kind"))
    found = detect(pl.concat(frames), kinds, issued_at=ISSUED).filter(pl.col("kind") == "level_shift")
    assert found["meter_id"].unique().to_list() == ["m0"]


def test_what_comes_by_degrees_is_weather() -> None:
    values = shape()
    ramp = np.clip((np.arange(len(values)) - midnight(20)) / (14 * 24), 0, 1)
    found = [events(values * (1 + 0.6 * ramp), kind).height for kind in PERSISTING]
    assert found == [0, 0, 0]


@pytest.mark.parametrize("days", [1, 3])
def test_a_holiday_is_no_shift(days: int) -> None:
    values = shape()
    values[midnight(9) : midnight(9 - days)] *= 0.5
    assert [events(values, kind).height for kind in PERSISTING] == [0, 0, 0]


def test_a_vacation_leaves_the_night_and_is_no_shift() -> None:
    values = shape()
    away = np.arange(len(values)) >= midnight(9)
    values[away & ~quiet(len(values))] *= 0.4
    assert [events(values, kind).height for kind in PERSISTING] == [0, 0, 0]


def test_nights_that_stay_up() -> None:
    values = shape()
    left_on = (np.arange(len(values)) >= midnight(9)) & quiet(len(values))
    values[left_on] *= 1.6
    found = events(values, "night_baseload")
    assert found["start_utc"].to_list() == [START + timedelta(hours=midnight(9))]
    assert events(values, "level_shift").is_empty()
    values = shape()
    values[left_on] *= 0.6  # quieter nights are nobody's loss
    assert events(values, "night_baseload").is_empty()


@pytest.mark.parametrize("hours", [-3, -1, 1, 2])
def test_a_displaced_clock(hours: int) -> None:
    values = shape()
    values[midnight(9) :] = np.roll(values, hours)[midnight(9) :]
    found = events(values, "clock_shift")
    assert found.height == 1
    assert abs(found["start_utc"].item() - START - timedelta(hours=midnight(9))) <= timedelta(days=2)
    assert found["end_utc"].item() > ISSUED - timedelta(days=2)
    assert events(values, "level_shift").is_empty()


def test_one_odd_day_is_no_clock() -> None:
    values = shape()
    odd = slice(midnight(5), midnight(4))
    values[odd] = np.roll(values[odd], 6) * np.where(quiet(24), 4.0, 1.0)
    assert events(values, "clock_shift").is_empty()


def test_an_even_meter_has_no_clock_to_lose() -> None:
    values = 10.0 * np.exp(np.random.default_rng(2).normal(0, 0.05, DAYS * 24 + 6))
    values[midnight(9) :] = np.roll(values, 3)[midnight(9) :]
    assert events(values, "clock_shift").is_empty()


@pytest.mark.parametrize("detector", [partial(level_shift, meters=meters()), night_baseload, clock_shift])
def test_hours_with_a_name_do_not_count(detector: Callable[..., pl.DataFrame]) -> None:
    values = shape()
    values[midnight(9) :] = np.roll(values, 3)[midnight(9) :]
    values[midnight(9) :] *= np.where(quiet(len(values)), 3.0, 1.5)[midnight(9) :]
    hours = with_expectation(hourly(values))
    claimed = hours.filter(pl.col("interval_start_utc") >= START + timedelta(hours=midnight(9)))
    found = detector(hours, claimed.select(NONE_CLAIMED.columns))
    assert found.filter(pl.col("score") >= pl.col("threshold")).is_empty()


def test_gaps_and_new_meters_are_borne() -> None:
    values = shape()
    values[midnight(9) :] *= 1.5
    values[midnight(7) + 3 : midnight(7) + 12] = np.nan
    assert events(values, "level_shift").height == 1  # one day of five may be lacking
    new = shape(21 * 24, start=ISSUED - timedelta(days=21))
    found = detect(hourly(new, start=ISSUED - timedelta(days=21)), meters(), issued_at=ISSUED)
    assert found.filter(pl.col("kind").is_in(PERSISTING)).is_empty()


def test_feedback_moves_the_threshold_of_a_step() -> None:
    values = shape()
    values[midnight(9) :] *= 1.23  # below a quarter
    given = pl.DataFrame({"meter_id": ["m"], "kind": ["level_shift"], "factor": [0.7]})
    assert events(values, "level_shift").is_empty()
    assert events(values, "level_shift", sensitivities=given).height == 1
