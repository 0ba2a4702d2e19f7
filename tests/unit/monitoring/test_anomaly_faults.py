"""What formats, clocks, registers and units do to readings: each fault is named, each near miss is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from energy_assets.monitoring import Sight, anomalies, detect
from energy_assets.monitoring.anomalies import with_expectation
from tests.unit.monitoring.frames import HOURS, ISSUED, START, UTC_TIME, hourly, index, meters, shape

PARIS = "Europe/Paris"


def named(frame: pl.DataFrame, **more: object) -> pl.DataFrame:
    """The rules' events, without what is merely out of character."""
    events = detect(frame, meters(), issued_at=ISSUED, **more)  # type: ignore[arg-type]
    return events.filter(pl.col("kind") != "contextual")


def parts(values: np.ndarray, per_hour: int = 4) -> pl.DataFrame:
    """Readings of a part of an hour each, in the order of one file."""
    step = timedelta(hours=1) / per_hour
    start = pl.Series([START + step * i for i in range(len(values))], dtype=UTC_TIME)
    return pl.DataFrame({"meter_id": "m", "interval_start_utc": start, "energy_kwh": values}).with_columns(
        interval_end_utc=pl.col("interval_start_utc") + step,
        known_at_utc=pl.col("interval_start_utc") + step + timedelta(minutes=30),
        load_id=pl.lit(1),
        file_row=pl.int_range(1, pl.len() + 1),
    )


def rejected(hour: int, reason: str, raw_text: str = "", message: str = "") -> pl.DataFrame:
    """One row that did not come in."""
    start = START + timedelta(hours=hour)
    return pl.DataFrame(
        {
            "meter_id": ["m"], "interval_start_utc": [start], "interval_end_utc": [start + timedelta(hours=1)],
            "known_at_utc": [start + timedelta(hours=2)], "reason": reason, "raw_text": raw_text, "message": message,
        },
        schema_overrides=dict.fromkeys(("interval_start_utc", "interval_end_utc", "known_at_utc"), UTC_TIME),
    )  # fmt: skip


@pytest.mark.parametrize(("factor", "noise"), [(4.0, 0.06), (0.25, 0.06), (4.0, 0.35)])
def test_a_factor_of_four_is_a_unit_at_regular_and_irregular_meters(factor: float, noise: float) -> None:
    values = shape(noise=noise)
    values[index(4, 0) : index(2, 12)] *= factor
    flagged = anomalies.flagged_hours(hourly(values), meters(), issued_at=ISSUED).filter(pl.col("kind") == "unit_scale")
    assert flagged.height >= 40
    repaired = flagged.filter(pl.col("interval_start_utc") >= START + timedelta(hours=index(4, 0)))
    np.testing.assert_allclose(repaired["repaired_kwh"] * factor, repaired["observed_kwh"])


def test_a_short_unit_fault_below_the_floor() -> None:
    values = shape(noise=0.35)
    values[index(4, 9) : index(4, 14)] *= 0.001
    flagged = anomalies.flagged_hours(hourly(values), meters(), issued_at=ISSUED)
    assert flagged["kind"].unique().to_list() == ["unit_scale"]
    np.testing.assert_allclose(flagged["repaired_kwh"] / 1000, flagged["observed_kwh"])


def test_a_register_that_is_full_starts_again_and_its_energy_is_known() -> None:
    values = shape()
    row = index(3, 10)
    values[row] -= 1e6
    flagged = anomalies.flagged_hours(hourly(values), meters(), issued_at=ISSUED)
    assert flagged["kind"].to_list() == ["rollover"]
    assert flagged["repaired_kwh"].item() == pytest.approx(shape()[row])


@pytest.mark.parametrize("left", [-412_345.6, 412_345.6])
def test_a_register_that_is_changed_leaves_a_jump(left: float) -> None:
    values = shape()
    values[index(3, 10)] += left
    events = named(hourly(values))
    assert events["kind"].to_list() == ["meter_reset"]
    assert events["action"].to_list() == ["none"]


def test_a_jump_is_judged_when_the_hour_after_it_is_known() -> None:
    values = shape()
    values[-1] += 412_345.6
    assert named(hourly(values)).filter(pl.col("kind") == "meter_reset").is_empty()


@pytest.mark.parametrize(
    ("text", "before", "kind"), [("12.5", "999987.2", "rollover"), ("12.5", "412345.0", "meter_reset")]
)
def test_registers_that_a_reader_has_set_aside(text: str, before: str, kind: str) -> None:
    row = rejected(index(3, 10), "register_went_back", text, f"the reading before was {before}; a new meter, or ...")
    values = shape()
    values[index(3, 10)] = np.nan
    events = named(hourly(values), rejected=row)
    assert events.select("kind", "detector").rows() == [(kind, "rejected_row")]
    assert named(hourly(values), rejected=row.with_columns(known_at_utc=pl.lit(ISSUED + timedelta(1))))[
        "kind"
    ].to_list() == ["missing"]


@pytest.mark.parametrize("value", [9999.0, 65535.0, -9999.0, 99.99, 2147483.647])
def test_a_number_that_stands_for_no_value(value: float) -> None:
    values = shape()
    values[index(3, 10)] = value
    assert named(hourly(values))["kind"].to_list() == ["sentinel"]


def test_minus_one_says_no_value_if_it_comes_again() -> None:
    values = shape()
    values[index(3, 10)] = -1.0
    assert named(hourly(values))["kind"].to_list() == ["negative"]
    values[index(3, 15)] = -1.0
    assert named(hourly(values))["kind"].to_list() == ["sentinel"]


def test_digits_of_a_usual_value_say_nothing() -> None:
    values = shape()
    values[index(3, 13)] = 32.767
    assert named(hourly(values)).is_empty()


def test_what_hides_within_the_hour() -> None:
    values = np.repeat(shape() / 4, 4)
    values[4 * index(3, 10)] = -1.7
    whole = hourly(values.reshape(-1, 4).sum(axis=1))
    assert named(whole).is_empty()
    assert named(whole, readings=parts(values))["kind"].to_list() == ["negative"]


def test_a_file_that_stamps_midnight_with_the_wrong_date() -> None:
    readings = parts(np.repeat(shape() / 4, 4))
    last = (pl.col("interval_start_utc").dt.hour() == 23) & (pl.col("interval_start_utc").dt.minute() == 45)
    back = pl.when(last).then(timedelta(days=1)).otherwise(timedelta(0))
    wrong = readings.with_columns(pl.col("interval_start_utc", "interval_end_utc", "known_at_utc") - back)
    recent = pl.col("interval_start_utc") >= ISSUED - timedelta(days=10)
    event = named(hourly(shape()), readings=wrong.filter(recent)).row(0, named=True)
    assert (event["kind"], event["detector"]) == ("clock_shift", "file_order")
    assert event["score"] >= 9
    assert "midnight_belongs_to_next_day" in event["message"]
    assert named(hourly(shape()), readings=readings.filter(recent)).is_empty()
    # a file in another order, or with gaps, is no clock fault
    assert named(hourly(shape()), readings=readings.filter(recent).sample(fraction=0.9, seed=1)).is_empty()


def test_rows_that_were_set_aside_as_doubled_are_duplicates() -> None:
    twice = pl.concat([rejected(index(3, 10), "duplicate_identical"), rejected(index(3, 11), "duplicate_disagrees")])
    readings = parts(shape()[: index(0, 0)], per_hour=1)
    events = named(hourly(shape()), readings=readings, rejected=twice)
    assert events.select("kind", "score").rows() == [("duplicate", 2.0)]
    assert events["end_utc"].item() - events["start_utc"].item() == timedelta(hours=2)


@pytest.mark.parametrize("lag", [24, 168])
def test_copies_of_another_day(lag: int) -> None:
    values = shape()
    values[index(3, 0) : index(2, 6)] = values[index(3, 0) - lag : index(2, 6) - lag]
    events = named(hourly(values))
    assert events.select("kind", "detector").rows() == [("estimated_run", "copied")]
    assert events["start_utc"].item() == START + timedelta(hours=index(3, 0))


def test_a_load_profile_repeats_itself_for_longer() -> None:
    week = shape(7 * 24)
    assert named(hourly(np.resize(week, HOURS))).is_empty()


def test_straight_lines() -> None:
    values = shape()
    values[index(3, 4) : index(3, 13)] = np.linspace(values[index(3, 3)], values[index(3, 13)], 9)
    assert named(hourly(values)).select("kind", "detector").rows() == [("estimated_run", "straight")]


def test_a_day_that_is_called_estimated_is_ordinary_and_more_is_not() -> None:
    frame = hourly(shape())
    at = pl.col("interval_start_utc")

    def said(hours: int) -> pl.DataFrame:
        first = START + timedelta(hours=index(5, 0))
        estimated = at.is_between(first, first + timedelta(hours=hours), closed="left")
        return frame.with_columns(quality=pl.when(estimated).then(pl.lit("estimated")).otherwise("quality"))

    assert named(said(24)).is_empty()
    assert named(said(30)).select("kind", "detector").rows() == [("estimated_run", "declared")]


def local(values: np.ndarray, end: datetime) -> pl.DataFrame:
    """Hours up to `end` with the local time of Paris."""
    frame = hourly(values, start=end - timedelta(hours=len(values)))
    there = pl.col("interval_start_utc").dt.convert_time_zone(PARIS)
    return frame.with_columns(local_date=there.dt.date(), local_hour=there.dt.hour().cast(pl.Int32))


AUTUMN = datetime(2025, 10, 27, 6, tzinfo=UTC)  # the clock went back on the 26th at 01:00 UTC
SECOND = -29  # row of the second pass of the hour


@pytest.mark.parametrize("fault", ["missing", "both in one", "halved", "copied", "copied after a flat day"])
def test_the_hour_that_the_clock_repeats(fault: str) -> None:
    values = shape(start=AUTUMN - timedelta(hours=HOURS))
    first = SECOND - 1
    if fault == "missing":
        values[SECOND] = np.nan
    elif fault == "both in one":
        values[first] += values[SECOND]
        values[SECOND] = np.nan
    elif fault == "copied after a flat day":
        values[SECOND - 60 : SECOND - 40] = 30.0
        values[SECOND] = values[first]
    elif fault == "halved":
        values[first] /= 2
    else:
        values[SECOND] = values[first]
    events = detect(local(values, AUTUMN), meters(), issued_at=AUTUMN + timedelta(hours=1))
    events = events.filter(pl.col("kind") != "flatline")
    assert events["kind"].to_list() == ["dst_fold"]
    assert events["start_utc"].item() in (AUTUMN + timedelta(hours=SECOND - 1), AUTUMN + timedelta(hours=SECOND))
    assert events["severity"].item() == "low"


def test_a_plain_change_of_clocks_is_none() -> None:
    values = shape(start=AUTUMN - timedelta(hours=HOURS))
    assert detect(local(values, AUTUMN), meters(), issued_at=AUTUMN + timedelta(hours=1)).is_empty()


def test_a_row_for_the_hour_that_never_was() -> None:
    row = rejected(index(3, 1), "nonexistent_local_time")
    assert named(hourly(shape()), rejected=row).select("kind", "detector").rows() == [("dst_fold", "rejected_row")]


def test_a_dip_below_the_floor_and_a_dip_at_noon() -> None:
    values = shape()
    values[index(3, 2)] *= 0.1
    values[index(2, 12)] *= 0.3
    events = named(hourly(values)).filter(pl.col("kind") == "dip")
    assert events["start_utc"].to_list() == [
        START + timedelta(hours=index(3, 2)),
        START + timedelta(hours=index(2, 12)),
    ]


def test_sensitivity_of_one_meter_and_kind() -> None:
    values = shape()
    values[index(4, 9) : index(4, 15)] = 31.5

    def flat(factor: float, kind: str = "flatline") -> int:
        moved = pl.DataFrame({"meter_id": ["m"], "kind": [kind], "factor": [factor]})
        return named(hourly(values), sensitivities=moved).height

    assert (flat(1.0), flat(1.2), flat(1.3), flat(9.0, "spike")) == (1, 1, 0, 1)
    values[index(4, 13) : index(4, 15)] = shape()[index(4, 13) : index(4, 15)]
    assert (flat(1.0), flat(0.8)) == (0, 1)


def test_a_review_expects_by_both_sides() -> None:
    values = shape(noise=0.02)
    values[index(30, 0) :] *= 1.5
    online, review = (
        with_expectation(hourly(values), sight=sight)["expected_kwh"].to_numpy() / values
        for sight in (Sight.PAST, Sight.BOTH)
    )
    week = slice(index(30, 0), index(23, 0))  # the first at the new level
    assert np.nanmedian(online[week]) < 0.9
    assert np.nanmedian(review[week]) > 0.97
    assert np.isnan(online[:48]).all()
    assert not np.isnan(review[:48]).any()
    with pytest.raises(ValueError, match="review"):
        with_expectation(
            hourly(values),
            hourly(values).select("meter_id", "interval_start_utc", expected_kwh="demand_kwh"),
            Sight.BOTH,
        )


def test_readings_known_later_move_no_event() -> None:
    values = np.repeat(shape() / 4, 4)
    values[4 * index(3, 10)] = -1.7
    readings = parts(values).filter(pl.col("interval_start_utc") >= ISSUED - timedelta(days=14))
    later = readings.with_columns(
        known_at_utc=pl.lit(ISSUED + timedelta(seconds=1)).cast(UTC_TIME), energy_kwh=pl.lit(-9999.0)
    )
    refused = rejected(index(2, 3), "duplicate_identical").with_columns(
        known_at_utc=pl.lit(ISSUED + timedelta(seconds=1)).cast(UTC_TIME)
    )
    whole = hourly(values.reshape(-1, 4).sum(axis=1))
    plain = named(whole, readings=readings)
    assert plain.height == 1
    assert plain.equals(named(whole, readings=pl.concat([readings, later]), rejected=refused))
