"""Champion and challenger."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from functools import cache

import polars as pl

from energy_assets.contracts import table
from energy_assets.forecasting import TrainedModel, decide, forecast, train
from tests.unit.forecasting.frames import DAY, START
from tests.unit.forecasting.shared import AS_OF, QUICK, zone_frame, zone_model

NOW = START + timedelta(days=125, hours=9)


@cache
def _worse() -> TrainedModel:
    """A champion that learned from mislabelled days."""
    wrong = zone_frame().with_columns(pl.col("demand_kwh") * (1 + 0.3 * (pl.col("local_hour") > 12)))
    return train(wrong, kind="zone", as_of=AS_OF - DAY, params=QUICK)


def _conform(row: pl.DataFrame) -> dict[str, object]:
    return table("forecasts.model_decisions").conform(row).row(0, named=True)


def test_the_first_model_is_promoted_and_says_so() -> None:
    row = _conform(decide(zone_model(), None, None, decided_at=NOW))
    assert (row["decision"], row["from_version"], row["to_version"]) == ("first", None, zone_model().version)


def test_a_better_challenger_is_promoted_and_a_worse_one_is_not() -> None:
    up = _conform(decide(zone_model(), _worse(), zone_frame(), decided_at=NOW))
    assert (up["decision"], up["to_version"]) == ("promoted", zone_model().version)
    figures = json.loads(str(up["figures"]))
    assert figures["candidate_wape"] < figures["champion_wape"]
    assert "better by" in str(up["reason"])
    down = _conform(decide(_worse(), zone_model(), zone_frame(), decided_at=NOW))
    assert (down["decision"], down["to_version"], down["candidate_version"]) == (
        "kept",
        zone_model().version,
        _worse().version,
    )


def test_the_same_model_is_kept() -> None:
    twin = replace(zone_model(), version="twin")
    row = _conform(decide(twin, zone_model(), zone_frame(), decided_at=NOW))
    assert row["decision"] == "kept"
    assert "the same" in str(row["reason"])


def test_only_days_that_neither_was_fitted_on_and_that_are_known_count() -> None:
    figures = json.loads(str(_conform(decide(zone_model(), _worse(), zone_frame(), decided_at=NOW))["figures"]))
    assert figures["days"] == 25  # issued on days 100 to 124
    early = _conform(decide(zone_model(), _worse(), zone_frame(), decided_at=AS_OF + 3 * DAY))
    assert early["decision"] == "kept"
    assert "7 are needed" in str(early["reason"])
    fresh = replace(zone_model(), as_of_utc=NOW)
    assert _conform(decide(fresh, _worse(), zone_frame(), decided_at=NOW))["decision"] == "kept"
    stand_in = decide(fresh, _worse(), zone_frame(), decided_at=NOW, judged_candidate=zone_model())
    assert _conform(stand_in)["decision"] == "promoted"


def test_rolling_origin_forecasts_stand_for_a_candidate_trained_on_everything() -> None:
    fresh = replace(zone_model(), as_of_utc=NOW)
    days = zone_frame().filter(pl.col("issued_at_utc") >= AS_OF)
    rolling = forecast(days, zone_model()).rows.with_columns(pl.lit("demand_blend").alias("model_name"))
    row = _conform(decide(fresh, _worse(), zone_frame(), decided_at=NOW, rolling=rolling))
    assert row["decision"] == "promoted"
    baseline = rolling.with_columns(pl.lit("seasonal_naive").alias("model_name"))
    assert _conform(decide(fresh, _worse(), zone_frame(), decided_at=NOW, rolling=baseline))["decision"] == "kept"
