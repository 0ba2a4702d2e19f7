"""Forecasts that follow: better than the model as it was trained, and by nothing that was not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from energy_assets.forecasting import QUANTILES, forecast
from energy_assets.forecasting.features import place_heating
from tests.unit.forecasting.frames import DAY, START
from tests.unit.forecasting.shared import AS_OF, one_day, zone_frame, zone_model

ISSUE = START + timedelta(days=125, hours=9)
LATER = pl.col("label_known_at_utc") > ISSUE


def _said(history: pl.DataFrame, day: int = 125) -> pl.DataFrame:
    return forecast(one_day(zone_frame(), day), zone_model(), history).rows


def test_nothing_known_after_the_issue_time_moves_a_bit() -> None:
    poisoned = zone_frame().with_columns(demand_kwh=pl.when(LATER).then(1e9).otherwise("demand_kwh"))
    assert _said(poisoned).equals(_said(zone_frame()))
    assert _said(zone_frame().filter(~LATER)).equals(_said(zone_frame()))
    before = zone_frame().with_columns(
        demand_kwh=pl.when(~LATER).then(pl.col("demand_kwh") * 1.3).otherwise("demand_kwh")
    )
    assert not _said(before).equals(_said(zone_frame()))


def test_features_of_later_days_move_nothing() -> None:
    later = pl.col("issued_at_utc") > ISSUE
    bent = zone_frame().with_columns(temperature_c=pl.when(later).then(-60.0).otherwise("temperature_c"))
    assert _said(bent).equals(_said(zone_frame()))


def test_a_level_that_shifted_after_training_is_followed() -> None:
    """Labels alone are raised here, as if the features of the days were not: only the errors can tell."""
    after = pl.col("issued_at_utc") >= AS_OF
    raised = zone_frame().with_columns(
        demand_kwh=pl.when(after).then(pl.col("demand_kwh") * 1.2).otherwise("demand_kwh")
    )
    median = pl.col("quantile") == 0.5
    followed, trained = (
        forecast(one_day(zone_frame(), 125), zone_model(), history).rows.filter(median)["demand_kwh"].sum()
        for history in (raised, None)
    )
    assert followed / trained == pytest.approx(1.2, abs=0.07)


def test_without_history_the_model_speaks_as_it_was_trained() -> None:
    day = one_day(zone_frame(), 125)
    empty = zone_frame().clear()
    said, trained = (forecast(day, zone_model(), history).rows for history in (empty, None))
    assert said["demand_kwh"].to_list() == pytest.approx(trained["demand_kwh"].to_list(), rel=1e-9)


def test_the_same_history_in_another_order_gives_the_same_bits() -> None:
    assert _said(zone_frame().reverse()).equals(_said(zone_frame()))
    assert _said(zone_frame().sample(fraction=1.0, shuffle=True, seed=5)).equals(_said(zone_frame()))


def test_kinds_of_many_meters_follow_by_level_and_bands_alone() -> None:
    many = replace(zone_model(), follows=False)
    day = one_day(zone_frame(), 125)
    said = forecast(day, many, zone_frame()).rows
    assert said.height == day.height * len(QUANTILES)
    assert not said.equals(_said(zone_frame()))
    poisoned = zone_frame().with_columns(demand_kwh=pl.when(LATER).then(1e9).otherwise("demand_kwh"))
    assert forecast(day, many, poisoned).rows.equals(said)


def test_quantiles_do_not_cross() -> None:
    wide = _said(zone_frame()).pivot(on="quantile", index=["meter_id", "interval_start_utc"], values="demand_kwh")
    values = wide.select(str(q) for q in QUANTILES).to_numpy()
    assert (np.diff(values, axis=1) >= 0).all()
    assert (values >= 0).all()


def test_a_meter_that_is_new_is_forecast_beside_the_others() -> None:
    """Three weeks of history: the regressions are not warm, the model of the kind speaks."""
    young = (pl.col("meter_id") == "m1") & (pl.col("issued_at_utc") < ISSUE - 21 * DAY)
    said = _said(zone_frame().filter(~young))
    assert said.filter(pl.col("meter_id") == "m1")["demand_kwh"].is_finite().all()
    assert said.filter(pl.col("meter_id") == "m0")["quality"].unique().to_list() == ["primary"]


def test_places_are_told_from_their_mean() -> None:
    frame = pl.DataFrame({"heating_by_place_c": [[10.0, 0.0, 2.0], [1.0, 3.0], None]})
    found = place_heating(frame)
    assert found.tolist() == [[6.0, -4.0, -2.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    assert place_heating(pl.DataFrame({"heating_by_place_c": [[10.0], None]})).shape == (2, 0)
