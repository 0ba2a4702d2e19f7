"""Every way to make a model keeps the interface: honest in time, repeatable, never crossing, better than nothing."""

from __future__ import annotations

import sys
from functools import cache, partial
from typing import Any

import polars as pl
import pytest

from energy_assets.forecasting import QUANTILES, seasonal_naive
from energy_assets.forecasting.contenders import (
    CONTENDERS,
    DEFAULT,
    EXTRAS,
    FORECAST_COLUMNS,
    UnknownContender,
    contender,
)
from tests.unit.forecasting.frames import DAY
from tests.unit.forecasting.shared import AS_OF, one_day, zone_frame

QUICK: dict[str, dict[str, float]] = {
    "calendar_temperature": {},
    "recency_regression": {},
    "ridge_boosted": {"trees": 30, "learning_rate": 0.1},
    "lightgbm": {"trees": 60, "learning_rate": 0.1, "num_leaves": 15},
    "lightgbm_linear": {"trees": 40, "learning_rate": 0.1},
    "random_forest": {"trees": 10},
    "xgboost": {"trees": 60, "learning_rate": 0.1, "max_depth": 4},
    "sequence": {"epochs": 12, "channels": 8, "hidden": 32},
}
BANDED = sorted(QUICK.keys() - {"calendar_temperature", "recency_regression"})
KEYS = ["meter_id", "issued_at_utc", "interval_start_utc"]


def needed(name: str) -> None:
    """Skips, saying why, where the extra of a model is not installed."""
    if name in EXTRAS:
        for module in {"xgboost": ["xgboost"], "deep": ["torch", "onnxscript", "onnxruntime"]}[EXTRAS[name]]:
            pytest.importorskip(module, reason=f"the optional extra {EXTRAS[name]!r} is not installed")


@cache
def rows() -> pl.DataFrame:
    """Up to ten days after the fit."""
    return zone_frame().filter(pl.col("issued_at_utc") <= AS_OF + 10 * DAY)


def due() -> pl.DataFrame:
    """The days to forecast."""
    return rows().filter(pl.col("issued_at_utc") >= AS_OF).drop("demand_kwh", "label_known_at_utc")


def fitted(name: str, frame: pl.DataFrame, seed: int = 7) -> Any:
    """Fitted with few trees or epochs."""
    return partial(contender(name), **QUICK[name])(frame, kind="zone", as_of=AS_OF, seed=seed)


@cache
def said(name: str) -> pl.DataFrame:
    """What it says of the days after the fit."""
    return fitted(name, rows()).forecast(due(), rows())


def wape(forecasts: pl.DataFrame) -> float:
    """Of the medians."""
    both = forecasts.join(rows().select(*KEYS, actual="demand_kwh"), on=KEYS)
    return float(both.select((pl.col("demand_kwh") - pl.col("actual")).abs().sum() / pl.col("actual").sum()).item())


@pytest.mark.parametrize("name", QUICK)
def test_it_speaks_of_every_interval_once_per_quantile(name: str) -> None:
    needed(name)
    found = said(name)
    assert tuple(found.columns) == FORECAST_COLUMNS
    levels = QUANTILES if name in BANDED else (0.5,)
    assert sorted(found["quantile"].unique()) == sorted(levels)
    assert found.select([*KEYS, "quantile"]).is_unique().all()
    assert found.height == due().height * len(levels)
    assert found["demand_kwh"].is_finite().all()
    assert (found["demand_kwh"] >= 0).all()
    assert found.sort(*KEYS, "quantile").select((pl.col("demand_kwh").diff() >= 0).over(KEYS).all()).item()


@pytest.mark.parametrize("name", BANDED)
def test_it_is_better_than_the_naive_forecast(name: str) -> None:
    needed(name)
    assert wape(said(name).filter(pl.col("quantile") == 0.5)) < 0.9 * wape(seasonal_naive(due()))


@pytest.mark.parametrize("name", QUICK)
def test_what_became_known_after_the_fit_changes_nothing(name: str) -> None:
    needed(name)
    late = pl.col("label_known_at_utc") > AS_OF
    poisoned = rows().with_columns(pl.when(late).then(1e9).otherwise("demand_kwh").alias("demand_kwh"))
    first_day = due().filter(pl.col("issued_at_utc") == AS_OF)
    again = fitted(name, poisoned).forecast(first_day, poisoned)
    assert again.equals(said(name).filter(pl.col("issued_at_utc") == AS_OF))


@pytest.mark.parametrize("name", sorted({"lightgbm", "random_forest", "xgboost"}))
def test_chance_follows_the_seed(name: str) -> None:
    needed(name)
    other = fitted(name, rows(), seed=8).forecast(due(), rows())
    assert not other.equals(said(name))


@pytest.mark.parametrize("name", BANDED)
def test_a_meter_without_a_level_gets_its_naive_value(name: str) -> None:
    needed(name)
    demand = [c for c in rows().columns if c.startswith("demand_") and c not in ("demand_kwh", "demand_morning_ratio")]
    resting = one_day(rows(), 105).with_columns(pl.lit(0.0).alias(c) for c in demand)
    found = fitted(name, rows()).forecast(resting, rows())
    assert found.height == resting.height * len(QUANTILES)
    assert (found["demand_kwh"] == 0).all()


@pytest.mark.parametrize("name", BANDED)
def test_with_too_little_history_the_naive_forecast_speaks(name: str) -> None:
    needed(name)
    early = rows().filter(pl.col("issued_at_utc") < rows()["issued_at_utc"].min() + 12 * DAY)
    day = one_day(rows(), 40)
    found = contender(name)(early, kind="zone", as_of=AS_OF, seed=7).forecast(day, early)
    medians = found.filter(pl.col("quantile") == 0.5).sort(KEYS)
    assert medians["demand_kwh"].to_list() == seasonal_naive(day)["demand_kwh"].to_list()


@pytest.mark.parametrize("name", BANDED)
def test_an_unknown_setting_is_named(name: str) -> None:
    needed(name)
    with pytest.raises(TypeError, match="no setting is called depth_of_field; there are "):
        partial(contender(name), depth_of_field=2)(rows(), kind="zone", as_of=AS_OF, seed=7)


def test_the_names() -> None:
    assert set(DEFAULT) <= set(CONTENDERS)
    assert set(EXTRAS) <= set(CONTENDERS)
    assert set(QUICK) | {"demand_blend", "demand_blend_with_publisher", "seasonal_naive"} == set(CONTENDERS)
    with pytest.raises(
        UnknownContender, match="no model is called 'oracle'; there are calendar_temperature, demand_blend"
    ):
        contender("oracle")


@pytest.mark.parametrize(("name", "module"), [("xgboost", "xgboost"), ("sequence", "torch")])
def test_a_missing_extra_is_named(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"energy_assets.forecasting.contenders.{CONTENDERS[name]}", raising=False)
    with pytest.raises(ImportError, match=rf"pip install 'energy-assets\[{EXTRAS[name]}\]'"):
        contender(name)
