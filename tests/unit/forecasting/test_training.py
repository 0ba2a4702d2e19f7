"""What a model learns from, that it repeats to the bit, and that it is any good."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from energy_assets.forecasting import QUANTILES, NotEnoughHistory, forecast, load, save, train
from energy_assets.forecasting.features import FEW_METERS
from energy_assets.forecasting.models import uncross
from energy_assets.forecasting.selection import learnable, make_folds, subsample
from tests.unit.forecasting.frames import DAY, START, demand, features
from tests.unit.forecasting.shared import AS_OF, QUICK, one_day, zone_frame, zone_model, zone_series


def test_nothing_after_as_of_counts() -> None:
    later = (pl.col("label_known_at_utc") > AS_OF) | (pl.col("issued_at_utc") >= AS_OF)
    poisoned = zone_frame().with_columns(
        pl.when(later).then(pl.lit(1e9)).otherwise(pl.col(c)).alias(c)
        for c in ("demand_kwh", "demand_lag_1d_kwh", "temperature_c", "demand_mean_168h_kwh")
    )
    again = train(poisoned, kind="zone", as_of=AS_OF, params=QUICK)
    assert again.version == zone_model().version
    day = one_day(zone_frame())
    assert forecast(day, again).rows.equals(forecast(day, zone_model()).rows)


def test_a_label_received_late_does_not_count_although_its_hour_is_over() -> None:
    late = pl.col("interval_start_utc") >= AS_OF - 3 * DAY
    frame = zone_frame().with_columns(
        pl.when(late).then(AS_OF + DAY).otherwise("label_known_at_utc").alias("label_known_at_utc")
    )
    rows = learnable(frame, kind="zone", as_of=AS_OF).rows
    assert rows["interval_start_utc"].max() == AS_OF.replace(hour=0) - 3 * DAY + timedelta(hours=8)


def test_same_rows_in_another_order_give_the_same_model() -> None:
    shuffled = zone_frame().sample(fraction=1.0, shuffle=True, seed=5)
    again = train(shuffled, kind="zone", as_of=AS_OF, params=QUICK)
    day = one_day(zone_frame())
    assert again.version == zone_model().version
    assert np.array_equal(again.predict(day), zone_model().predict(day))


def test_models_trained_side_by_side_are_the_same() -> None:
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(train, zone_frame(), kind="zone", as_of=AS_OF, params=QUICK) for _ in range(2)]
        models = [job.result() for job in jobs]
    day = one_day(zone_frame())
    assert all(np.array_equal(m.predict(day), zone_model().predict(day)) for m in models)


def test_version_follows_data_seed_and_as_of() -> None:
    changed = zone_frame().with_columns(
        pl.when(pl.col("interval_start_utc") == START + 50 * DAY).then(1.0).otherwise("demand_kwh").alias("demand_kwh")
    )
    versions = {
        zone_model().version,
        train(changed, kind="zone", as_of=AS_OF, params=QUICK).version,
        train(zone_frame(), kind="zone", as_of=AS_OF, params=replace(QUICK, seed=8)).version,
        train(zone_frame(), kind="zone", as_of=AS_OF - DAY, params=QUICK).version,
    }
    assert len(versions) == 4


@pytest.mark.parametrize("kind", ["zone", "household"])
def test_too_little_history_says_so(kind: str) -> None:
    short = features(demand(days=15))
    with pytest.raises(NotEnoughHistory, match=r"14 are needed"):
        train(short, kind=kind, as_of=START + 15 * DAY, params=QUICK)


def test_three_weeks_are_enough_to_train() -> None:
    frame = features(demand(days=30))
    model = train(frame, kind="zone", as_of=START + timedelta(days=26, hours=9), params=QUICK)
    rows = forecast(one_day(frame, 27), model).rows
    assert rows.height == 24 * 7
    assert rows["quality"].unique().to_list() == ["primary"]


def test_as_of_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        train(zone_frame(), kind="zone", as_of=AS_OF.replace(tzinfo=None), params=QUICK)


def test_without_weather_the_model_does_without() -> None:
    frame = features(demand(days=60), weather=False)
    model = train(frame, kind="zone", as_of=START + timedelta(days=55, hours=9), params=QUICK)
    assert not model.needs_weather
    assert not [n for n in model.features if "temperature" in n]
    assert forecast(one_day(frame, 56), model).rows["quality"].unique().to_list() == ["primary"]


def test_meters_without_weather_are_forecast_beside_those_that_have_it() -> None:
    none = pl.when(pl.col("meter_id") == "m0").then("temperature_c").alias("temperature_c")
    model = train(zone_frame().with_columns(none), kind="zone", as_of=AS_OF, params=QUICK)
    assert model.needs_weather
    assert model.meters_without_weather == ("m1",)
    day = one_day(zone_frame()).with_columns(pl.lit(None, dtype=pl.Float64).alias("temperature_c"))
    reasons = dict(forecast(day, model).rows.select("meter_id", "quality_reason").unique().rows())
    assert reasons == {"m0": "weather_missing", "m1": None}


def test_model_is_better_than_naive_and_its_bands_cover() -> None:
    frame = zone_frame().filter(pl.col("issued_at_utc") >= AS_OF, pl.col("demand_kwh").is_not_null())
    quantiles = zone_model().predict(frame)
    actual = frame["demand_kwh"].to_numpy()
    error = np.abs(quantiles[:, QUANTILES.index(0.5)] - actual).mean()
    naive = np.abs(frame["demand_lag_7d_kwh"].to_numpy() - actual).mean()
    assert error < 0.75 * naive
    inside = (actual >= quantiles[:, QUANTILES.index(0.1)]) & (actual <= quantiles[:, QUANTILES.index(0.9)])
    assert 0.68 < inside.mean() < 0.92
    assert 0.6 < zone_model().metrics["coverage_80"] < 0.95
    assert sum(zone_model().importance().values()) == pytest.approx(1.0)


def test_a_faulty_day_in_training_hardly_changes_the_forecast() -> None:
    faulty = pl.col("issued_at_utc").is_between(START + 60 * DAY, START + 62 * DAY)
    broken = zone_frame().with_columns(
        pl.when(faulty).then(pl.col("demand_kwh") * 50).otherwise("demand_kwh").alias("demand_kwh")
    )
    model = train(broken, kind="zone", as_of=AS_OF, params=QUICK)
    day = one_day(zone_frame())
    median = QUANTILES.index(0.5)
    assert model.predict(day)[:, median] == pytest.approx(zone_model().predict(day)[:, median], rel=0.06)


def test_a_meter_with_a_calendar_of_its_own_is_forecast_by_it() -> None:
    """One of two works at weekends and rests on Wednesdays."""
    rests = pl.when(pl.col("meter_id") == "m0").then(pl.col("start").dt.weekday() == 3).otherwise(False)
    series = zone_series().with_columns(kwh=pl.col("kwh") * pl.when(rests).then(0.4).otherwise(1.0))
    frame = features(series)
    model = train(frame, kind="zone", as_of=AS_OF, params=QUICK)
    judged = frame.filter(pl.col("issued_at_utc") >= AS_OF, pl.col("day_of_week") == 3, pl.col("meter_id") == "m0")
    error = np.abs(model.predict(judged)[:, QUANTILES.index(0.5)] - judged["demand_kwh"].to_numpy())
    assert error.sum() / judged["demand_kwh"].sum() < 0.15


@cache
def _crowd() -> pl.DataFrame:
    """More meters than are told apart, half of which rest on Tuesdays; profiles know it from the 20th day on."""
    rests = (pl.col("meter_id").str.slice(1).cast(pl.Int32) % 2 == 0) & (pl.col("start").dt.weekday() == 2)
    factor = pl.when(rests).then(0.4).otherwise(1.0)
    usual = demand(meters=FEW_METERS + 1, days=60, noise=0.0).select("meter_id", "start", usual=pl.col("kwh") * factor)
    series = demand(meters=FEW_METERS + 1, days=60, noise=0.2).with_columns(kwh=pl.col("kwh") * factor)
    known = pl.col("issued_at_utc") >= START + 20 * DAY
    return (
        features(series, kind="household")
        .join(usual, left_on=["meter_id", "interval_start_utc"], right_on=["meter_id", "start"], how="left")
        .with_columns(demand_profile_kwh=pl.when(known).then("usual"), demand_profile_spread=pl.when(known).then(0.16))
        .drop("usual")
    )


def test_meters_too_many_to_be_told_apart_are_forecast_by_their_load_profiles(tmp_path: Path) -> None:
    as_of = START + timedelta(days=52, hours=9)
    judged = _crowd().filter(pl.col("issued_at_utc") >= as_of, pl.col("demand_kwh").is_not_null())
    columns = ("demand_profile_kwh", "demand_profile_spread")
    wapes = []
    for frame in (_crowd(), _crowd().drop(columns)):
        model = train(frame, kind="household", as_of=as_of, params=QUICK)
        assert (len(model.point.weights), "demand_profile_log_ratio" in model.features) in ((4, True), (3, False))
        said = forecast(judged.drop("demand_kwh", "label_known_at_utc"), model)
        assert said.skipped.is_empty()
        assert load(save(model, tmp_path)[0]).predict(judged).tolist() == model.predict(judged).tolist()
        error = np.abs(model.predict(judged)[:, QUANTILES.index(0.5)] - judged["demand_kwh"].to_numpy())
        wapes.append(error.sum() / judged["demand_kwh"].sum())
    assert wapes[0] < 0.95 * wapes[1]


def test_a_meter_without_a_load_profile_is_forecast_all_the_same() -> None:
    as_of = START + timedelta(days=52, hours=9)
    model = train(_crowd(), kind="household", as_of=as_of, params=QUICK)
    day = one_day(_crowd(), 54)
    none = pl.lit(None, dtype=pl.Float64)
    new = forecast(day.with_columns(demand_profile_kwh=none, demand_profile_spread=none), model).rows
    assert new["demand_kwh"].is_finite().all()
    assert new["quality"].unique().to_list() == ["primary"]
    assert not new.equals(forecast(day, model).rows)


def test_quantiles_are_uncrossed_and_the_median_stays() -> None:
    crossed = np.array([[3.0, 1.0, 2.0, 2.5, 2.0, 4.0, 3.0]])
    assert uncross(crossed).tolist() == [[1.0, 1.0, 2.0, 2.5, 2.5, 4.0, 4.0]]


def test_folds_never_learn_from_what_they_hold_out_and_trail_forward() -> None:
    issued = zone_frame()["issued_at_utc"]
    folds = make_folds(issued, QUICK)
    rank = issued.rank("dense").to_numpy()
    assert not (folds.trailing & folds.older).any()
    for held_out, learned in folds.splits:
        assert not (held_out & learned).any()
        if (held_out & folds.trailing).any():
            assert rank[learned].max() < rank[held_out].min() - 1
    assert np.array_equal(np.any([h for h, _ in folds.splits], axis=0), np.ones(len(issued), dtype=bool))


def test_subsample_keeps_the_newest_days_and_every_hour_and_weekday() -> None:
    rows = learnable(zone_frame(), kind="zone", as_of=START + 130 * DAY).rows
    thin = subsample(rows, 2500)
    assert thin.height <= 2600
    recent = pl.col("issued_at_utc") > START + 118 * DAY
    assert thin.filter(recent).height == rows.filter(recent).height
    counts = thin.group_by("day_of_week", "local_hour").len()
    assert counts.height == 7 * 24
    assert subsample(rows, rows.height).equals(rows)


def test_subsample_of_thousands_of_meters_still_has_days_of_all_times() -> None:
    """Where a single day of all meters is more than may be learned from, some of each day's meters are."""
    days, meters = 400, 500
    rows = pl.DataFrame({"day": range(days)}).join(pl.DataFrame({"m": range(meters)}), how="cross")
    issued = pl.lit(START) + pl.duration(days=1) * pl.col("day")
    rows = rows.select(meter_id=pl.format("m{}", "m"), issued_at_utc=issued, interval_start_utc=issued)
    few = pl.col("meter_id").is_in(["m7", "m77"])
    for frame in (rows, rows.filter((pl.col("issued_at_utc") >= START + 350 * DAY) | few)):
        thin = subsample(frame, 300)
        recent = thin.filter(pl.col("issued_at_utc") >= START + (days - 14) * DAY)
        assert 250 <= thin.height <= 310
        assert 120 <= recent.height <= 160
        assert recent["issued_at_utc"].n_unique() == 14
        assert thin["issued_at_utc"].n_unique() > 100
