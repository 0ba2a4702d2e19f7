"""Rolling origin: the same intervals for all, and nothing from the future."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache, partial

import polars as pl

from energy_assets.contracts import table
from energy_assets.forecasting import backtest_id, rolling_origin
from energy_assets.forecasting.backtest import COLUMNS
from energy_assets.forecasting.contenders import DEFAULT, contender
from energy_assets.forecasting.contenders.ours import fit_demand_blend
from tests.unit.forecasting.frames import DAY, HOUR, INSTANT, START, demand, features
from tests.unit.forecasting.shared import QUICK, zone_frame

LAST = START + 118 * DAY + 9 * HOUR


MODELS = {name: contender(name) for name in DEFAULT} | {"demand_blend": partial(fit_demand_blend, params=QUICK)}


def _run(
    frame: pl.DataFrame,
    published: pl.DataFrame | None = None,
    weeks: int = 2,
    last: datetime = LAST,
    kind: str = "zone",
) -> pl.DataFrame:
    return rolling_origin(
        frame,
        kind=kind,
        first_issue=last - timedelta(weeks=weeks) + DAY,
        last_issue=last,
        refit_weeks=1,
        models=MODELS,
        published=published,
    )


@cache
def _plain() -> pl.DataFrame:
    return _run(zone_frame(), _published())


def _published() -> pl.DataFrame:
    return (
        zone_frame()
        .select(
            "meter_id",
            pl.lit("TSO").alias("publisher"),
            "interval_start_utc",
            (pl.col("issued_at_utc") + HOUR).cast(INSTANT).alias("known_at_utc"),
            pl.col("demand_kwh").alias("energy_kwh"),
        )
        .filter(pl.col("meter_id") == "m0")
    )


def test_rows_fit_the_contract_and_cover_the_weeks() -> None:
    found = _plain()
    assert found.columns == list(COLUMNS)
    table("forecasts.backtest_forecasts").conform(found.with_columns(pl.lit("b").alias("backtest_id")))
    assert found["issued_at_utc"].n_unique() == 14
    assert found["issued_at_utc"].max() == LAST
    first = found.filter(pl.col("meter_id") == "m0")
    assert set(first["model_name"]) == {"demand_blend", "seasonal_naive", "calendar_temperature", "publisher"}
    assert set(found.filter(pl.col("meter_id") == "m1")["model_name"]) == set(first["model_name"]) - {"publisher"}
    assert found.filter(pl.col("publisher").is_not_null())["model_name"].unique().to_list() == ["publisher"]


def test_every_model_of_a_meter_has_the_same_intervals() -> None:
    holes = _published().filter(pl.col("interval_start_utc").dt.hour() != 12)
    found = _run(zone_frame(), holes, weeks=1)
    counts = found.group_by("meter_id", "model_name").agg(pl.col("interval_start_utc").n_unique())
    assert counts.filter(pl.col("meter_id") == "m0")["interval_start_utc"].unique().to_list() == [7 * 23]
    assert counts.filter(pl.col("meter_id") == "m1")["interval_start_utc"].unique().to_list() == [7 * 24]


def test_labels_of_the_last_week_change_nothing_before_they_were_known() -> None:
    second_refit = LAST - 6 * DAY
    poisoned = zone_frame().with_columns(
        pl.when(pl.col("label_known_at_utc") > second_refit).then(1e9).otherwise("demand_kwh").alias("demand_kwh")
    )
    late = _run(poisoned, _published())
    known = pl.col("issued_at_utc") <= second_refit
    assert late.filter(known).equals(_plain().filter(known))


def test_a_forecast_published_after_the_day_began_is_none() -> None:
    late = _published().with_columns((pl.col("interval_start_utc").dt.truncate("1d") + HOUR).alias("known_at_utc"))
    found = _run(zone_frame(), late, weeks=1)
    assert "publisher" not in set(found["model_name"])


def test_short_history_is_forecast_by_the_fallback() -> None:
    frame = features(demand(days=20))
    last = START + 12 * DAY + 9 * HOUR
    found = _run(frame, weeks=1, last=last)
    ours = found.filter(pl.col("model_name") == "demand_blend")
    assert ours.height
    assert "calendar_temperature" not in set(found["model_name"])


def test_nothing_to_evaluate() -> None:
    empty = _run(zone_frame(), weeks=1, kind="household")
    assert empty.columns == list(COLUMNS)
    assert empty.height == 0


def test_backtest_id_follows_its_inputs() -> None:
    assert backtest_id(weeks=1, last_issue=LAST) != backtest_id(weeks=2, last_issue=LAST)


def test_of_two_publishers_the_one_in_time_counts() -> None:
    late = _published().with_columns(publisher=pl.lit("a"), known_at_utc=pl.col("known_at_utc") + DAY)
    found = _run(zone_frame(), pl.concat([late, _published()]), weeks=1)
    assert found["publisher"].drop_nulls().unique().to_list() == ["TSO"]
