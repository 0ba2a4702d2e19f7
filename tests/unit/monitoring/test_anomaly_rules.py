"""Each rule finds the fault put into a clean series, says how large it was, and is silent where it is normal."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.monitoring import detect
from energy_assets.monitoring.anomalies import flagged_hours
from tests.unit.monitoring.frames import DAYS, HOURS, ISSUED, START, hourly, index, meters, shape


def found(values: np.ndarray, kind: str | None = None, **options: object) -> pl.DataFrame:
    events = detect(hourly(values), meters(), None, issued_at=ISSUED, **options)  # type: ignore[arg-type]
    return events if kind is None else events.filter(pl.col("kind") == kind)


def at(row: int) -> object:
    return START + timedelta(hours=row)


@pytest.mark.parametrize("seed", range(4))
def test_clean_series_raise_next_to_nothing(seed: int) -> None:
    events = found(shape(seed=seed))
    assert set(events["kind"]) <= {"contextual"}
    assert events.height <= 2


def test_rows_fit_the_contract() -> None:
    values = shape()
    values[index(3, 8) : index(3, 14)] = np.nan
    events = found(values)
    assert events.schema == table("monitoring.demand_anomalies").polars_schema
    assert events["action"].unique().to_list() == ["none"]
    assert events["detected_at_utc"].unique().to_list() == [ISSUED]


def test_missing_hours_are_one_event() -> None:
    values = shape()
    values[index(3, 8) : index(3, 14)] = np.nan
    event = found(values, "missing").to_dicts()
    assert len(event) == 1
    assert (event[0]["start_utc"], event[0]["end_utc"]) == (at(index(3, 8)), at(index(3, 14)))
    assert (event[0]["score"], event[0]["severity"]) == (6.0, "medium")
    assert event[0]["observed_kwh"] is None
    assert event[0]["expected_kwh"] == pytest.approx(shape()[index(3, 8) : index(3, 14)].sum(), rel=0.2)
    assert event[0]["message"] == "No reading for 6 h from 2026-04-17 08:00 UTC."


def test_corrections_a_week_later_do_not_excuse_a_silence() -> None:
    silent = hourly(shape(HOURS - 60))
    corrected = silent.with_columns(
        first_known_at_utc="known_at_utc",
        known_at_utc=pl.when(pl.col("interval_end_utc") < ISSUED - timedelta(days=8))
        .then(pl.col("interval_end_utc") + timedelta(days=7))
        .otherwise("known_at_utc"),
    )
    found_missing = detect(corrected, meters(), None, issued_at=ISSUED).filter(pl.col("kind") == "missing")
    assert found_missing["end_utc"].to_list() == [ISSUED]


def test_a_meter_that_reports_once_a_day_is_not_missing_in_between() -> None:
    values = shape(HOURS - 6)
    daily = hourly(values).with_columns(  # everything of a day is known at six the next morning
        known_at_utc=pl.col("interval_start_utc").dt.truncate("1d") + timedelta(hours=30)
    )
    assert detect(daily, meters(), None, issued_at=ISSUED).filter(pl.col("kind") == "missing").is_empty()


def test_a_silent_meter_is_one_event_until_now_even_without_gap_rows() -> None:
    events = found(shape(HOURS - 60), "missing")
    assert events.height == 1
    assert events["start_utc"].item() == at(HOURS - 60)
    assert events["end_utc"].item() == ISSUED
    assert events["severity"].item() == "high"


def test_what_is_known_later_is_not_used() -> None:
    values = shape()
    late = hourly(values).with_columns(
        known_at_utc=pl.when(pl.col("interval_start_utc") >= at(index(5, 0)))
        .then(ISSUED + timedelta(hours=1))
        .otherwise("known_at_utc")
    )
    poisoned = late.with_columns(
        pl.when(pl.col("interval_start_utc") >= at(index(5, 0))).then(1e9).otherwise(pl.col(c)).alias(c)
        for c in ("demand_reported_kwh", "demand_kwh")
    )
    one, other = (detect(frame, meters(), None, issued_at=ISSUED) for frame in (late, poisoned))
    assert one.equals(other)
    assert one["kind"].to_list() == ["missing"]


def test_negative_demand() -> None:
    values = shape()
    values[index(2, 10) : index(2, 12)] = [-4.0, -7.0]
    event = found(values, "negative").to_dicts()
    assert len(event) == 1
    assert event[0]["score"] == 7.0
    assert event[0]["observed_kwh"] == -11.0


def test_a_net_meter_may_be_negative() -> None:
    values = shape() - 30.0
    assert found(values, "negative").is_empty()


def test_flatline() -> None:
    values = shape()
    values[index(4, 9) : index(4, 21)] = 31.5
    event = found(values, "flatline").to_dicts()
    assert len(event) == 1
    assert (event[0]["start_utc"], event[0]["end_utc"]) == (at(index(4, 9)), at(index(4, 21)))
    assert event[0]["score"] == 12.0


def test_a_meter_that_is_often_flat_may_be_flat() -> None:
    values = np.round(shape() / 20) * 20  # a coarse meter: the same value for most of the night
    assert found(values, "flatline").is_empty()


def test_zero_run() -> None:
    values = shape()
    values[index(2, 6) : index(2, 20)] = 0.0
    events = found(values)
    assert events["kind"].to_list() == ["zero_run"]
    assert events["severity"].to_list() == ["medium"]
    assert events["observed_kwh"].to_list() == [0.0]
    assert events["expected_kwh"].item() > 200


def test_a_long_dead_meter_stays_one_event() -> None:
    values = shape()
    values[index(12, 0) :] = 0.0
    events = found(values, "zero_run")
    assert events.height == 1
    assert events["start_utc"].item() == at(index(12, 0))
    assert events["end_utc"].item() == at(HOURS)
    assert events["severity"].item() == "high"


def test_zero_weekends_are_normal_for_a_works_that_rests() -> None:
    values = shape()
    weekend = np.array([(START + timedelta(hours=i)).weekday() >= 5 for i in range(HOURS)])
    values[weekend] = 0.0
    assert found(values).filter(pl.col("kind") != "contextual").is_empty()
    values[index(5, 0) : index(4, 0)] = 0.0  # a Wednesday is not
    assert found(values, "zero_run").height == 1


def test_an_empty_home_with_many_zeros_is_silent() -> None:
    rng = np.random.default_rng(5)
    values = np.where(rng.random(HOURS) < 0.5, 0.0, rng.gamma(2, 0.2, HOURS))
    assert found(values, "zero_run").is_empty()


def test_spike() -> None:
    values = shape()
    values[index(1, 15)] = 150.0
    events = found(values)
    assert events["kind"].to_list() == ["spike"]
    assert events["observed_kwh"].to_list() == [150.0]
    assert events["score"].item() > events["threshold"].item()


def test_a_peaky_home_may_be_peaky() -> None:
    rng = np.random.default_rng(2)
    values = rng.exponential(0.4, HOURS)
    assert found(values, "spike").is_empty()


@pytest.mark.parametrize("factor", [0.001, 0.1, 10.0, 1000.0])
def test_unit_scale(factor: float) -> None:
    values = shape()
    values[index(4, 0) : index(2, 12)] *= factor
    events = found(values, "unit_scale")
    assert events.height == 1
    assert events["severity"].item() == "high"
    assert abs((events["start_utc"].item() - at(index(4, 0))) / timedelta(hours=1)) <= 1
    assert abs((events["end_utc"].item() - at(index(2, 12))) / timedelta(hours=1)) <= 1
    assert found(values, "spike").is_empty()  # the first name counts


def test_a_short_unit_fault_is_no_spike() -> None:
    rng = np.random.default_rng(2)
    values = rng.exponential(0.4, HOURS)
    values[index(4, 9) : index(4, 13)] *= 1000.0
    events = found(values)
    assert events.filter(pl.col("kind") == "unit_scale").height == 1
    assert events.filter(pl.col("kind") == "spike").is_empty()


def test_a_meter_that_is_doubled_is_no_unit_fault() -> None:
    values = shape()
    values[index(4, 0) : index(2, 12)] *= 2.0
    assert found(values, "unit_scale").is_empty()


def test_duplicates_merge_over_adjoining_intervals() -> None:
    starts = [START + timedelta(days=DAYS - 2, minutes=30 * i) for i in (0, 1, 2, 6)]
    readings = pl.DataFrame(
        {
            "meter_id": "m",
            "interval_start_utc": [at for at, times in zip(starts, (2, 3, 2, 2), strict=True) for _ in range(times)],
            "energy_kwh": 10.0,
        },
        schema_overrides={"interval_start_utc": pl.Datetime("us", "UTC")},
    ).with_columns(
        interval_end_utc=pl.col("interval_start_utc") + timedelta(minutes=30),
        known_at_utc=pl.col("interval_start_utc") + timedelta(minutes=60) * pl.int_range(1, pl.len() + 1),
    )
    known = readings.with_columns(pl.min_horizontal("known_at_utc", pl.lit(ISSUED)))
    events = detect(hourly(shape()), meters(interval_minutes=30), known, issued_at=ISSUED).filter(
        pl.col("kind") == "duplicate"
    )
    assert events["score"].to_list() == [3.0, 2.0]
    assert events["end_utc"].to_list() == [starts[2] + timedelta(minutes=30), starts[3] + timedelta(minutes=30)]


def test_only_the_window_is_reported() -> None:
    values = shape()
    values[index(20, 8) : index(20, 14)] = np.nan
    assert found(values, "missing", window_days=14).is_empty()
    assert found(values, "missing", window_days=30).height == 1


def test_ids_are_those_of_the_event_not_of_the_run() -> None:
    values = shape()
    values[index(3, 8) : index(3, 14)] = np.nan
    today = found(values, "missing")
    grown = hourly(np.append(values, shape(24 + HOURS)[HOURS:]))
    tomorrow = detect(grown, meters(), None, issued_at=ISSUED + timedelta(days=1)).filter(pl.col("kind") == "missing")
    assert today["anomaly_id"].to_list() == tomorrow["anomaly_id"].to_list()


@pytest.mark.parametrize("hours", [0, 1, 30, 24 * 3])
def test_a_new_meter_is_no_error(hours: int) -> None:
    frame = hourly(shape(hours), start=ISSUED - timedelta(hours=hours + 1))
    assert detect(frame, meters(), None, issued_at=ISSUED).filter(pl.col("severity") == "high").is_empty()


def test_naive_issue_time_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        detect(hourly(shape(48)), meters(), None, issued_at=ISSUED.replace(tzinfo=None))


def test_days_of_a_wrong_unit_do_not_make_spikes_usual() -> None:
    values = shape()
    values[index(9, 0) : index(5, 0)] *= 1000.0
    values[index(2, 15)] = 150.0
    decided = hourly(values).with_columns(  # what was set aside is not what is usual
        demand_kwh=pl.when(pl.col("demand_reported_kwh") < 1000.0).then("demand_reported_kwh")
    )
    events = detect(decided, meters(), issued_at=ISSUED)
    assert events.filter(pl.col("kind") == "unit_scale").height == 1
    assert events.filter(pl.col("kind") == "spike")["start_utc"].to_list() == [at(index(2, 15))]


def test_a_record_of_an_irregular_meter_is_a_spike_and_the_same_again_is_none() -> None:
    values = np.random.default_rng(2).exponential(0.4, HOURS)
    highest = values.max()
    values[index(2, 12)] = 1.35 * highest
    assert found(values, "spike")["start_utc"].to_list() == [at(index(2, 12))]
    values[index(20, 12)] = 1.3 * highest
    assert found(values, "spike").is_empty()


def test_zeros_at_a_meter_that_is_often_at_zero_are_no_dip() -> None:
    values = np.where(np.random.default_rng(3).random(HOURS) < 0.2, 0.0, shape())
    assert found(values, "dip").is_empty()


def test_what_only_a_record_says_is_not_put_right() -> None:
    irregular = np.random.default_rng(1).lognormal(0, 0.5, HOURS)  # a fourth may be a wrong unit, or nobody at home
    irregular[index(3, 0) : index(2, 0)] *= 0.25
    regular = shape()
    regular[index(3, 0) : index(2, 0)] *= 4.0
    for values, known in ((irregular, False), (regular, True)):
        flagged = flagged_hours(hourly(values), meters(), issued_at=ISSUED).filter(pl.col("kind") == "unit_scale")
        assert flagged.height >= 12
        assert flagged["repaired_kwh"].is_not_null().unique().to_list() == [known]
