"""What follows from a finding: once, reversibly, and never against a person."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.contracts.anomalies import ACTIONS, ANOMALY_KINDS
from energy_assets.monitoring import anomalies
from energy_assets.monitoring.anomalies.events import FLAG_SCHEMA
from tests.unit.monitoring.frames import ISSUED, START, UTC_TIME, hourly, shape

DECIDED = ISSUED + timedelta(seconds=1)
DAY = timedelta(days=1)
NOTHING = table("raw.demand_exclusions").empty().drop("load_id")
HOURLY = hourly(shape())


def flagged(kind: str, *hours: int, repaired: float | None = None, detector: str = "rule") -> pl.DataFrame:
    """Hours that a rule has named."""
    starts = [START + timedelta(hours=h) for h in hours]
    return pl.DataFrame(
        {
            "meter_id": ["m"] * len(hours), "interval_start_utc": starts,
            "interval_end_utc": [s + timedelta(hours=1) for s in starts], "kind": kind, "detector": detector,
            "score": 2.0, "threshold": 1.0, "observed_kwh": 5.0, "expected_kwh": 4.0, "repaired_kwh": repaired,
        },
        schema=FLAG_SCHEMA,
    )  # fmt: skip


def decided(
    flags: pl.DataFrame, standing: pl.DataFrame = NOTHING, at: timedelta = timedelta(0), **more: object
) -> pl.DataFrame:
    given: dict[str, object] = {"hourly": HOURLY, "since": START} | more
    return anomalies.decisions(flags, standing=standing, decided_at=DECIDED + at, **given)  # type: ignore[arg-type]


def hours_of(rows: pl.DataFrame) -> list[tuple[int, int, str]]:
    """First hour, hours and action of each row."""
    hour = timedelta(hours=1)
    return [
        ((r["start_utc"] - START) // hour, (r["end_utc"] - r["start_utc"]) // hour, r["action"])
        for r in rows.to_dicts()
    ]


def test_the_policy_speaks_of_every_kind() -> None:
    assert set(anomalies.POLICY) == set(ANOMALY_KINDS)
    assert set(anomalies.POLICY.values()) == set(ACTIONS)


def test_adjoining_hours_are_one_stretch_and_fit_the_contract() -> None:
    rows = decided(flagged("flatline", 100, 101, 102, 110))
    assert hours_of(rows) == [(100, 3, "exclude"), (110, 1, "exclude")]
    assert rows["reason"].unique().to_list() == ["flatline"]
    assert rows["decided_at_utc"].unique().to_list() == [DECIDED]
    table("raw.demand_exclusions").conform(rows.with_columns(load_id=pl.lit(1, dtype=pl.Int64)))


def test_imputed_hours_keep_their_values_and_what_cannot_be_put_right_is_left_out() -> None:
    rows = decided(flagged("unit_scale", 100, 101, repaired=1.25))
    assert rows.select("action", "value_kwh").rows() == [("impute", 1.25)]  # the same value, one stretch
    assert decided(flagged("unit_scale", 100))["action"].to_list() == ["exclude"]


@pytest.mark.parametrize("kind", ["missing", "duplicate", "level_shift", "contextual", "clock_shift"])
def test_what_is_real_or_absent_stays(kind: str) -> None:
    assert decided(flagged(kind, 100)).is_empty()
    assert decided(flagged("estimated_run", 100, detector="declared")).is_empty()


def test_a_warehouse_may_choose_otherwise() -> None:
    assert decided(flagged("spike", 100))["action"].to_list() == ["quarantine"]
    assert decided(flagged("spike", 100), policy={"spike": "none"}).is_empty()


def test_the_same_again_decides_nothing_and_growth_adds_the_new_hours() -> None:
    first = decided(flagged("flatline", 100, 101, 102))
    assert decided(flagged("flatline", 100, 101, 102), first, DAY).is_empty()
    assert hours_of(decided(flagged("flatline", *range(100, 106)), first, DAY)) == [(103, 3, "exclude")]
    # another name for the same hours, or none at all, moves nothing: a decision does not flap
    assert decided(flagged("spike", 100), first, DAY).is_empty()
    assert decided(flagged("spike"), first, DAY).is_empty()


def test_a_reading_that_comes_anew_counts_again() -> None:
    first = decided(flagged("flatline", 100, 101))
    corrected = HOURLY.with_columns(
        known_at_utc=pl.when(pl.col("interval_start_utc") == START + timedelta(hours=101))
        .then(pl.lit(DECIDED + timedelta(hours=3)).cast(UTC_TIME))
        .otherwise("known_at_utc")
    )
    back = decided(flagged("flatline"), first, DAY, hourly=corrected)
    assert hours_of(back) == [(101, 1, "include")]
    standing = pl.concat([first, back])
    assert decided(flagged("flatline"), standing, 2 * DAY, hourly=corrected).is_empty()
    # wrong again, by another name: decided anew
    assert decided(flagged("negative", 101), first, DAY, hourly=corrected).is_empty()
    other = decided(flagged("unit_scale", 101, repaired=3.0), first, DAY, hourly=corrected)
    assert hours_of(other) == [(101, 1, "impute")]


@pytest.mark.parametrize("action", ["include", "exclude", "impute"])
def test_a_person_has_the_last_word(action: str) -> None:
    said = decided(flagged("flatline", 100)).with_columns(
        reason=pl.lit("feedback: a holiday"), action=pl.lit(action), value_kwh=pl.lit(7.0)
    )
    late = HOURLY.with_columns(known_at_utc=pl.lit(DECIDED + timedelta(hours=3)).cast(UTC_TIME))
    assert decided(flagged("flatline", 100), said, DAY, hourly=late).is_empty()
    assert decided(flagged("flatline"), said, DAY, hourly=late).is_empty()


def test_events_say_what_was_done() -> None:
    flags = pl.concat([flagged("flatline", 100, 101), flagged("contextual", 120, 121)])
    events = anomalies.merge(flags, ISSUED)
    first = decided(flags)
    assert anomalies.with_action(events, first)["action"].to_list() == ["exclude", "none"]
    overruled = first.with_columns(
        action=pl.lit("include"), reason=pl.lit("feedback"), decided_at_utc=pl.col("decided_at_utc") + DAY
    )
    assert anomalies.with_action(events, pl.concat([first, overruled]))["action"].to_list() == ["none", "none"]


def test_energies_are_sums_and_the_excess_is_their_difference() -> None:
    event = anomalies.merge(flagged("flatline", 100, 101), ISSUED).row(0, named=True)
    assert (event["observed_kwh"], event["expected_kwh"], event["excess_kwh"]) == (10.0, 8.0, 2.0)


def test_an_event_goes_on_under_its_id() -> None:
    yesterday = anomalies.merge(flagged("zero_run", *range(100, 110)), ISSUED)
    grown = anomalies.merge(flagged("zero_run", *range(103, 130)), ISSUED + DAY)  # the start has left the window
    one = anomalies.continue_known(grown, yesterday.select(KNOWN)).row(0, named=True)
    before = yesterday.row(0, named=True)
    assert {k: one[k] for k in ("anomaly_id", "start_utc", "detected_at_utc")} == {
        k: before[k] for k in ("anomaly_id", "start_utc", "detected_at_utc")
    }
    assert one["end_utc"] == START + timedelta(hours=130)
    apart = anomalies.merge(flagged("zero_run", 140), ISSUED + DAY)
    assert anomalies.continue_known(apart, yesterday.select(KNOWN)).equals(apart)
    other = anomalies.merge(flagged("flatline", 104), ISSUED + DAY)
    assert anomalies.continue_known(other, yesterday.select(KNOWN)).equals(other)


def test_what_was_one_and_is_two_stays_two() -> None:
    yesterday = anomalies.merge(flagged("zero_run", *range(100, 110)), ISSUED)
    now = anomalies.merge(flagged("zero_run", 100, 101, 107, 108), ISSUED + DAY)
    went_on = anomalies.continue_known(now, yesterday.select(KNOWN))
    assert went_on["anomaly_id"].n_unique() == 2
    assert went_on["anomaly_id"][0] == yesterday["anomaly_id"][0]


KNOWN = ["anomaly_id", "meter_id", "kind", "detector", "start_utc", "end_utc", "detected_at_utc"]
