"""What follows from statements: for readings, hour by hour, and for the thresholds of detectors."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
import pytest

from energy_assets.monitoring.feedback import decisions, sensitivities
from tests.unit.feedback.world import HOUR, NOW, START, rows, said

EXPECTED = pl.DataFrame(
    {"meter_id": "home", "interval_start_utc": [START, START + HOUR, START + 2 * HOUR], "expected_kwh": [1.0, 2.0, 1.0]}
)
Decision = tuple[int, int, datetime, str, float | None]


def detector(action: str, at: datetime, value: float | None = None) -> dict[str, Any]:
    """A detector's decision on the first two hours."""
    return {
        "meter_id": "home", "start_utc": START, "end_utc": START + 2 * HOUR, "decided_at_utc": at, "action": action,
        "value_kwh": value, "reason": "spike",
    }  # fmt: skip


def followed(
    *statements: dict[str, Any], detectors: tuple[dict[str, Any], ...] = (), expected: pl.DataFrame = EXPECTED
) -> list[Decision]:
    """From and to which hour, when, what and which value was decided."""
    found = decisions(rows("raw.feedback", *statements), rows("raw.demand_exclusions", *detectors), expected)
    assert (found["meter_id"] == "home").all()
    hour = [((pl.col(c) - START).dt.total_hours()).alias(c) for c in ("start_utc", "end_utc")]
    return found.select(*hour, "decided_at_utc", "action", "value_kwh").rows()


def test_a_confirmed_anomaly_leaves_training_and_a_rejected_one_comes_back() -> None:
    assert followed(said("a", "correct", NOW)) == [(0, 3, NOW, "exclude", None)]
    assert followed(said("a", "incorrect", NOW)) == [(0, 3, NOW, "include", None)]
    assert followed(said("a", "unsure", NOW)) == []


@pytest.mark.parametrize("action", ["exclude", "quarantine"])
def test_hours_that_are_left_out_already_are_not_decided_again(action: str) -> None:
    standing = detector(action, START + 5 * HOUR)
    assert followed(said("a", "correct", NOW), detectors=(standing,)) == [(2, 3, NOW, "exclude", None)]


def test_who_confirms_what_a_detector_has_put_right_agrees_with_that() -> None:
    repaired = detector("impute", START + 5 * HOUR, 0.1)
    assert followed(said("a", "correct", NOW), detectors=(repaired,)) == [(2, 3, NOW, "exclude", None)]
    before = said("a", "correct", START + 4 * HOUR)
    assert followed(before, detectors=(repaired,)) == [(0, 3, START + 4 * HOUR, "exclude", None)]


def test_a_corrected_value_is_spread_by_what_was_expected_else_evenly() -> None:
    corrected = said("a", "correct", NOW, corrected_kwh=8.0)
    replaced = detector("impute", START + 5 * HOUR, 0.1)
    by_shape = [(0, 1, NOW, "impute", 2.0), (1, 2, NOW, "impute", 4.0), (2, 3, NOW, "impute", 2.0)]
    assert followed(corrected, detectors=(replaced,)) == by_shape
    for unknown in (EXPECTED.head(2), EXPECTED.with_columns(expected_kwh=0.0)):
        assert followed(corrected, expected=unknown) == [(0, 3, NOW, "impute", 2.666667)]


def test_what_models_must_not_learn_from_and_what_is_about_something_else_changes_nothing() -> None:
    assert followed(said("a", "correct", NOW, use_for_training=False)) == []
    assert followed(said("a", "incorrect", NOW, target_type="forecast", corrected_kwh=3.0)) == []


def test_a_withdrawn_statement_gives_way_to_what_stood_beside_it() -> None:
    later = NOW + HOUR
    withdrawn = said("b", "withdrawn", later, supersedes_id="a")
    rejected = said("a", "incorrect", NOW)
    assert followed(rejected, withdrawn) == [(0, 3, NOW, "include", None), (0, 3, later, "none", None)]
    standing = detector("exclude", START + 5 * HOUR)
    assert followed(rejected, withdrawn, detectors=(standing,)) == [
        (0, 3, NOW, "include", None), (0, 2, later, "exclude", None), (2, 3, later, "none", None),
    ]  # fmt: skip


def test_a_chain_of_statements_leaves_only_the_last_one_in_force() -> None:
    at = [NOW + number * HOUR for number in range(3)]
    assert followed(
        said("a", "correct", at[0]),
        said("b", "incorrect", at[1], supersedes_id="a"),
        said("c", "correct", at[2], supersedes_id="b", interval_end_utc=START + HOUR),
    ) == [
        (0, 3, at[0], "exclude", None), (0, 3, at[1], "include", None), (0, 1, at[2], "exclude", None),
        (1, 3, at[2], "none", None),
    ]  # fmt: skip


def test_two_people_about_the_same_hours_the_newest_word_stands() -> None:
    first, second = said("a", "correct", NOW), said("b", "incorrect", NOW + HOUR, target_id="other")
    taken_back = said("c", "withdrawn", NOW + 2 * HOUR, target_id="other", supersedes_id="b")
    assert followed(first, second, taken_back) == [
        (0, 3, NOW, "exclude", None), (0, 3, NOW + HOUR, "include", None), (0, 3, NOW + 2 * HOUR, "exclude", None),
    ]  # fmt: skip


def test_a_detector_does_not_overrule_people() -> None:
    found = decisions(
        rows("raw.feedback", said("a", "incorrect", NOW)),
        rows("raw.demand_exclusions", detector("exclude", NOW + HOUR)),
        EXPECTED,
    )
    assert found["action"].to_list() == ["include", "include"]
    assert found["decided_at_utc"].max() > NOW + HOUR  # type: ignore[operator]
    assert found["reason"].unique().to_list() == ["feedback a: anomaly rejected"]


def test_statements_that_came_later_do_not_move_what_was_decided_before() -> None:
    early = [said("a", "correct", NOW), said("b", "incorrect", NOW + HOUR, supersedes_id="a")]
    before = followed(*early)
    late = [
        said("c", "correct", NOW + 5 * HOUR, supersedes_id="b", corrected_kwh=1e9),
        said("d", "correct", NOW + 6 * HOUR, target_id="other", interval_end_utc=START + HOUR),
    ]
    after = followed(*early, *late)
    assert [d for d in after if d[2] <= NOW + HOUR] == before
    assert len(after) > len(before)


def factors(*statements: dict[str, Any]) -> dict[tuple[str, str], float]:
    kinds = pl.DataFrame({"anomaly_id": [f"s{n}" for n in range(20)], "kind": ["spike"] * 19 + ["dip"]})
    found = sensitivities(rows("raw.feedback", *statements), kinds)
    return {(meter, kind): factor for meter, kind, factor in found.rows()}


def test_a_rejected_anomaly_makes_its_detector_less_sensitive_for_that_meter_within_limits() -> None:
    def rejected(number: int, **more: Any) -> dict[str, Any]:
        return said(f"f{number}", "incorrect", NOW, target_id=f"s{number}", **more)

    assert factors(rejected(1)) == {("home", "spike"): pytest.approx(1.25)}
    assert factors(*map(rejected, range(19))) == {("home", "spike"): pytest.approx(3.0)}
    assert factors(rejected(1), rejected(19, meter_id="other")) == {
        ("home", "spike"): pytest.approx(1.25), ("other", "dip"): pytest.approx(1.25),
    }  # fmt: skip
    assert factors(rejected(1, use_for_training=False)) == {}
    assert factors(said("u", "unsure", NOW, target_id="s1")) == {}


def test_confirmed_anomalies_make_it_more_sensitive_within_limits() -> None:
    confirmed = [said(f"f{n}", "correct", NOW, target_id=f"s{n}") for n in range(19)]
    assert factors(*confirmed[:1]) == {("home", "spike"): pytest.approx(1 / 1.05)}
    assert factors(*confirmed) == {("home", "spike"): pytest.approx(0.8)}


def test_facts_have_no_threshold_to_move() -> None:
    rejected = [said(f"f{n}", "incorrect", NOW, target_id=f"s{n}") for n in range(30)]

    def factor(kind: str, number: int) -> list[float]:
        kinds = pl.DataFrame({"anomaly_id": [f"s{n}" for n in range(30)], "kind": kind})
        return sensitivities(rows("raw.feedback", *rejected[:number]), kinds)["factor"].to_list()

    assert factor("missing", 30) == factor("duplicate", 1) == []
    assert factor("contextual", 1) == [pytest.approx(1.25)]


def test_of_two_words_on_one_anomaly_the_newest_moves_the_threshold() -> None:
    both = said("f1", "incorrect", NOW, target_id="s1"), said("f2", "correct", NOW, target_id="s1")
    assert factors(*both) == {("home", "spike"): pytest.approx(1 / 1.05)}
