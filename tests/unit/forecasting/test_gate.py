"""Which of two forecasts speaks: the rule over errors that are known exactly, and over models."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from energy_assets.config import Promotion
from energy_assets.contracts import table
from energy_assets.forecasting import TrainedModel, gate, train
from energy_assets.forecasting.gate import NOTHING, Comparison, compare
from tests.unit.forecasting.frames import DAY, HOUR, INSTANT, START
from tests.unit.forecasting.shared import AS_OF, QUICK, zone_frame, zone_model

RULE = Promotion()
NOW = START + timedelta(days=125, hours=9)
LEVEL = 100.0


def said(errors: np.ndarray) -> pl.DataFrame:
    """Medians that are wrong by the shares `errors` (meters x days), every hour of a day alike."""
    meters, days = errors.shape
    frame = pl.DataFrame(
        {
            "meter_id": np.repeat([f"m{i}" for i in range(meters)], days),
            "issued_at_utc": [START + int(d) * DAY for d in np.tile(np.arange(days), meters)],
            "demand_kwh": LEVEL * (1 + errors.ravel()),
        }
    ).join(pl.DataFrame({"hour": range(24)}), how="cross")
    return frame.select(
        "meter_id",
        pl.col("issued_at_utc").cast(INSTANT),
        (pl.col("issued_at_utc") + DAY + pl.col("hour") * HOUR).cast(INSTANT).alias("interval_start_utc"),
        pl.lit(0.5).alias("quantile"),
        "demand_kwh",
    )


def came_true(rows: pl.DataFrame, until: datetime | None = None) -> pl.DataFrame:
    """The demand of those hours, as far as it is known."""
    actual = rows.select("meter_id", "interval_start_utc", pl.lit(LEVEL).alias("demand_kwh")).unique()
    return actual if until is None else actual.filter(pl.col("interval_start_utc") < until)


def judged(ours: np.ndarray, theirs: np.ndarray) -> Comparison:
    return compare(said(ours), said(theirs), came_true(said(ours)))


def errors(mean: float, *, meters: int = 1, days: int = 26, seed: int = 1, spread: float = 0.1) -> np.ndarray:
    """Daily errors that scatter around a mean by a share of it."""
    return mean * np.exp(spread * np.random.default_rng(seed).normal(size=(meters, days)))


@cache
def worse_model() -> TrainedModel:
    """A champion that learned from mislabelled days."""
    wrong = zone_frame().with_columns(pl.col("demand_kwh") * (1 + 0.3 * (pl.col("local_hour") > 12)))
    return train(wrong, kind="zone", as_of=AS_OF - DAY, params=QUICK)


def row(decision: pl.DataFrame | None) -> dict[str, object]:
    assert decision is not None
    return table("forecasts.model_decisions").conform(decision).row(0, named=True)


def test_the_mean_daily_errors_and_the_days_are_those_of_the_intervals_that_both_have() -> None:
    ours, theirs = said(np.full((2, 10), 0.02)), said(np.full((2, 10), 0.04))
    found = compare(ours.filter(pl.col("meter_id") == "m0"), theirs, came_true(ours))
    assert (found.days, round(found.ours, 9), round(found.theirs, 9)) == (10, 0.02, 0.04)
    assert found.gain == pytest.approx(0.5)
    assert (found.harmed, found.spared) == (0, 1)


def test_a_country_does_not_drown_a_home() -> None:
    big = pl.when(pl.col("meter_id") == "m0").then(1e6).otherwise(1.0)
    ours, theirs = said(np.array([[0.01] * 9, [0.09] * 9])), said(np.full((2, 9), 0.04))
    scaled = [f.with_columns(pl.col("demand_kwh") * big) for f in (ours, theirs, came_true(ours))]
    assert compare(*scaled).ours == pytest.approx(0.05)


def test_days_whose_demand_is_not_known_or_only_in_part_do_not_count() -> None:
    ours, theirs = said(errors(0.02, days=20)), said(errors(0.04, days=20))
    assert compare(ours, theirs, came_true(ours, START + 11 * DAY + 9 * HOUR)).days == 10  # the eleventh has nine hours
    assert compare(ours, theirs, came_true(ours, START)) == NOTHING
    gone = came_true(ours).with_columns(demand_kwh=pl.lit(float("nan")))
    assert compare(ours, theirs, gone) == NOTHING


def test_demand_of_zero_makes_no_error_and_no_decision() -> None:
    ours = said(errors(0.02))
    zero = came_true(ours).with_columns(demand_kwh=pl.lit(0.0))
    assert compare(ours, said(errors(0.04)), zero) == NOTHING


def test_better_needs_margin_certainty_and_days() -> None:
    clear = judged(errors(0.02), errors(0.03, seed=2))
    assert clear.better(RULE)
    assert not clear.worse(RULE)
    assert not clear.better(Promotion(margin=0.9))
    assert clear.better(Promotion(min_days=26, weeks=5))
    assert not clear.better(Promotion(min_days=27, weeks=5))
    few = judged(errors(0.02, days=6), errors(0.03, days=6))
    assert not few.better(RULE)
    assert "6 issue days that neither was fitted on have come true, 7 are needed" in few.sentence("it", RULE)
    noisy = judged(errors(0.0295, spread=0.8), errors(0.03, spread=0.8, seed=2))
    assert noisy.p_better > RULE.significance or noisy.gain < RULE.margin
    assert not noisy.better(RULE)
    same = judged(errors(0.02), errors(0.02))
    assert (same.gain, same.p_better, same.better(RULE), same.worse(RULE)) == (0, 1, False, False)
    assert "the same" in same.sentence("the champion", RULE)


def test_better_and_worse_are_one_rule_seen_from_two_sides() -> None:
    one, other = errors(0.02, meters=3), errors(0.03, meters=3, seed=2)
    forth, back = judged(one, other), judged(other, one)
    assert (forth.better(RULE), forth.worse(RULE)) == (back.worse(RULE), back.better(RULE)) == (True, False)
    assert forth.p_better == pytest.approx(back.p_worse)


def test_a_gain_on_average_does_not_pay_for_harm_to_many_meters() -> None:
    theirs = np.full((4, 20), 0.10) * np.exp(0.01 * np.random.default_rng(1).normal(size=(4, 20)))
    for harmed, expected in ((1, True), (2, False)):
        ours = theirs * 0.5
        ours[:harmed] = theirs[:harmed] * 1.2
        found = judged(ours, theirs)
        assert found.harmed == harmed / 4
        assert found.gain > 0.1
        assert found.better(RULE) is expected
    assert "50% of the meters over 10% worse" in found.sentence("the champion", RULE)


def test_equal_models_are_rarely_told_apart_though_their_days_are_alike() -> None:
    random = np.random.default_rng(5)
    found = 0
    for _ in range(200):
        steps = random.normal(0, 0.1, (2, 40))
        memory = np.stack([np.convolve(s, 0.5 ** np.arange(12), "valid")[:26] for s in steps])
        ours, theirs = 0.03 * np.exp(memory[:1]), 0.03 * np.exp(memory[1:])
        daily = pl.DataFrame({"ours": ours[0], "theirs": theirs[0]})
        found += gate._p_values(daily)[0] <= RULE.significance
    assert 5 <= found <= 40  # ten in a hundred were asked for; a t-test finds twice as many


def test_the_first_model_is_promoted_and_says_so() -> None:
    said_ = row(gate.first("x", "a", at=NOW))
    assert (said_["decision"], said_["from_version"], said_["to_version"]) == ("first", None, "a")


def test_a_challenger_takes_the_place_or_does_not() -> None:
    better, worse = judged(errors(0.02), errors(0.03, seed=2)), judged(errors(0.03), errors(0.02, seed=2))
    up = row(gate.promotion("x", "b", "a", better, RULE, at=NOW, withheld=False))
    assert (up["decision"], up["from_version"], up["to_version"]) == ("promoted", "a", "b")
    assert "of the champion" in str(up["reason"])
    down = row(gate.promotion("x", "b", "a", worse, RULE, at=NOW, withheld=True))
    assert (down["decision"], down["to_version"], down["candidate_version"]) == ("kept", "a", "b")
    assert "of the naive forecast" in str(down["reason"])
    assert json.loads(str(up["figures"]))["worse"] is False
    assert json.loads(str(down["figures"]))["worse"] is True
    none = row(gate.promotion("x", "b", "a", NOTHING, RULE, at=NOW, withheld=False))
    assert none["decision"] == "kept"
    assert json.loads(str(none["figures"])) == {"days": 0, "min_days": 7}


def test_a_predecessor_is_put_back_only_when_it_is_better() -> None:
    better, same = judged(errors(0.02), errors(0.03, seed=2)), judged(errors(0.02), errors(0.02))
    back = row(gate.demotion("x", "a", "b", better, RULE, at=NOW))
    assert (back["decision"], back["from_version"], back["to_version"]) == ("demoted", "b", "a")
    assert gate.demotion("x", "a", "b", same, RULE, at=NOW) is None
    assert gate.demotion("x", "a", "b", NOTHING, RULE, at=NOW) is None


def test_the_naive_forecast_speaks_where_it_is_better_until_it_is_worse() -> None:
    better, worse = judged(errors(0.02), errors(0.03, seed=2)), judged(errors(0.03), errors(0.02, seed=2))
    out = row(gate.withholding("x", "a", better, RULE, at=NOW, withheld=False))
    assert (out["decision"], out["to_version"], out["candidate_version"]) == ("withheld", "a", "seasonal_naive")
    back = row(gate.withholding("x", "a", worse, RULE, at=NOW, withheld=True))
    assert (back["decision"], back["to_version"], back["candidate_version"]) == ("restored", "a", "a")
    for found, withheld in ((worse, False), (better, True), (NOTHING, False), (NOTHING, True)):
        assert gate.withholding("x", "a", found, RULE, at=NOW, withheld=withheld) is None


def test_each_day_is_forecast_by_the_newest_model_trained_by_then() -> None:
    later = replace(zone_model(), version="later", as_of_utc=AS_OF + 7 * DAY)
    rows = gate.newest_says([later, zone_model()], zone_frame(), since=START)
    by = rows.group_by("model_version").agg(pl.col("issued_at_utc").min(), last=pl.col("issued_at_utc").max())
    spans = {version: (first, last) for version, first, last in by.iter_rows()}
    assert spans == {
        zone_model().version: (AS_OF, AS_OF + 6 * DAY),
        "later": (AS_OF + 7 * DAY, zone_frame()["issued_at_utc"].max()),
    }
    assert gate.newest_says([], zone_frame(), since=START).is_empty()
    since = gate.newest_says([later, zone_model()], zone_frame(), since=AS_OF + 10 * DAY)
    assert since["model_version"].unique().to_list() == ["later"]
    assert since["issued_at_utc"].min() == AS_OF + 10 * DAY


def test_a_day_is_forecast_from_what_was_known_by_then() -> None:
    day, later = AS_OF + 3 * DAY, pl.col("label_known_at_utc") > AS_OF + 3 * DAY
    wild = zone_frame().with_columns(demand_kwh=pl.when(later).then(1e6).otherwise("demand_kwh"))
    said = [gate.newest_says([zone_model()], f, since=day) for f in (zone_frame(), wild)]
    first = [rows.filter(pl.col("issued_at_utc") == day) for rows in said]
    assert first[0].equals(first[1])
    assert not said[0].equals(said[1])  # the days after have learned from it


def test_models_that_were_trained_are_told_apart_by_days_that_they_had_not_learned_from() -> None:
    known = zone_frame().filter(pl.col("label_known_at_utc") <= NOW)
    ours, theirs = (gate.newest_says([m], zone_frame(), since=AS_OF) for m in (zone_model(), worse_model()))
    found = compare(ours, theirs, known)
    assert found.days == 24  # issued on days 100 to 123; the day after the last one is not over
    assert found.better(RULE)
    naive = compare(gate.naive_says(zone_frame()), ours, known)
    assert naive.worse(RULE)


def test_days_that_can_never_be_there_are_refused_in_the_settings() -> None:
    assert Promotion(min_days=26).weeks == 4
    with pytest.raises(ValueError, match="min_days 27 can never be reached within 4 weeks; at most 26"):
        Promotion(min_days=27)
