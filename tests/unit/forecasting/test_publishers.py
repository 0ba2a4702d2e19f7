"""Published forecasts that are no forecasts."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from energy_assets.forecasting.publishers import LEAST_HOURS, implausible

HOURS = 24 * 14
ACTUAL = 50_000 + 10_000 * np.sin(np.arange(HOURS) / 24 * 2 * np.pi)
SOUND = ACTUAL * (1 + 0.02 * np.random.default_rng(1).normal(size=HOURS))
NAIVE = ACTUAL * (1 + 0.06 * np.random.default_rng(2).normal(size=HOURS))


def said(published: np.ndarray, actual: np.ndarray = ACTUAL, naive: np.ndarray | None = NAIVE) -> pl.DataFrame:
    hours = len(published)
    return pl.DataFrame(
        {
            "meter_id": "FR",
            "publisher": "TSO",
            "published_kwh": published,
            "actual_kwh": actual[:hours],
            "naive_kwh": np.full(hours, None) if naive is None else naive[:hours],
        },
        schema_overrides={"naive_kwh": pl.Float64},
    )


def findings(frame: pl.DataFrame) -> list[str]:
    return implausible(frame)["finding"].to_list()


@pytest.mark.parametrize(
    ("published", "found"),
    [
        (SOUND, []),
        (ACTUAL, ["copy_of_actuals"]),
        (np.where(np.arange(HOURS) % 4 == 0, np.round(ACTUAL), SOUND), ["copy_of_actuals"]),
        (np.where(np.arange(HOURS) % 6 == 0, np.round(ACTUAL), SOUND), []),
        (SOUND / 1000, ["level_too_low", "worse_than_naive", "wrong_by_half"]),
        (SOUND * 1.45, ["worse_than_naive"]),
        (SOUND * 1.6, ["level_too_high", "worse_than_naive", "wrong_by_half"]),
        (np.full(HOURS, 50_000.0), ["flat", "worse_than_naive"]),
    ],
)
def test_what_is_found(published: np.ndarray, found: list[str]) -> None:
    assert findings(said(published)) == found


def test_a_finding_says_how_much_of_what() -> None:
    copied = np.where(np.arange(HOURS) < HOURS // 2, ACTUAL, SOUND)
    [row] = implausible(said(copied)).to_dicts()
    assert row["value"] == pytest.approx(0.5, abs=0.01)
    assert (row["threshold"], row["n"]) == (0.2, HOURS)


def test_a_flat_forecast_of_a_flat_load_is_sound() -> None:
    load = np.full(HOURS, 100.0) + np.random.default_rng(3).normal(0, 0.2, HOURS)
    assert findings(said(np.full(HOURS, 100.5), load, load + 1)) == []


def test_hours_that_never_came_true_do_not_count_and_few_are_not_judged() -> None:
    unknown = said(ACTUAL).with_columns(actual_kwh=pl.when(pl.int_range(pl.len()) < LEAST_HOURS).then("actual_kwh"))
    assert implausible(unknown)["n"].to_list() == [LEAST_HOURS]
    assert findings(said(ACTUAL[: LEAST_HOURS - 1])) == []
    assert findings(unknown.clear()) == []


def test_zeros_of_both_are_no_copy_and_no_error_of_nothing() -> None:
    assert findings(said(np.zeros(HOURS), np.zeros(HOURS), np.zeros(HOURS))) == []
    night = np.where(np.arange(HOURS) % 24 < 12, 0.0, ACTUAL)
    assert findings(said(night * 1.02, night)) == []


def test_without_last_week_the_other_rules_still_hold() -> None:
    assert findings(said(SOUND * 1.45, naive=None)) == []
    assert findings(said(SOUND * 3, naive=None)) == ["level_too_high", "wrong_by_half"]


def test_publishers_are_judged_apart() -> None:
    both = pl.concat([said(ACTUAL), said(SOUND).with_columns(publisher=pl.lit("other"))])
    assert implausible(both)["publisher"].to_list() == ["TSO"]
