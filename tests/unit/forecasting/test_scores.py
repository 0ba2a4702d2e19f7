"""Scores of backtests."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.forecasting import QUANTILES, backtest_scores
from energy_assets.metrics import array_errors
from tests.unit.forecasting.frames import DAY, HOUR, INSTANT, START

ISSUED = START + 9 * HOUR


def _day(values: list[float], quantile: float = 0.5, model: str = "ours", meter: str = "m") -> pl.DataFrame:
    starts = [START + DAY + i * HOUR for i in range(len(values))]
    return pl.DataFrame({"interval_start_utc": starts, "demand_kwh": values}).select(
        pl.lit("b").alias("backtest_id"),
        pl.lit(meter).alias("meter_id"),
        pl.lit(ISSUED).cast(INSTANT).alias("issued_at_utc"),
        pl.lit(model).alias("model_name"),
        pl.col("interval_start_utc").cast(INSTANT),
        pl.lit(quantile).alias("quantile"),
        "demand_kwh",
    )


def _actuals(values: list[float | None], meter: str = "m") -> pl.DataFrame:
    starts = [START + DAY + i * HOUR for i in range(len(values))]
    return pl.DataFrame({"interval_start_utc": starts, "demand_kwh": values}).with_columns(
        pl.col("interval_start_utc").cast(INSTANT),
        pl.lit(meter).alias("meter_id"),
        pl.lit(date(2022, 1, 2)).alias("local_date"),
    )


def _value(frame: pl.DataFrame, metric: str, model: str = "ours", meter: str = "m") -> float:
    row = frame.filter(metric=metric, model_name=model, meter_id=meter, slice="all")
    return float(row["value"].item())


def test_scores_fit_the_contract_and_know_the_skill() -> None:
    said = pl.concat([_day([110.0] * 24), _day([120.0] * 24, model="seasonal_naive")])
    scores = backtest_scores(said, _actuals([100.0] * 24), {"m": "zone"})
    table("monitoring.backtest_scores").conform(scores)
    assert set(scores["meter_id"]) == {"m", "all:zone"}
    assert set(scores["slice"]) == {"all", "lead:15-21", "lead:21-27", "lead:27-33", "lead:33-39"}
    assert _value(scores, "mae") == 10.0
    assert _value(scores, "skill_seasonal_naive") == 0.5
    assert _value(scores, "skill_ours", "seasonal_naive") == -1.0


def test_meters_of_a_kind_are_pooled_and_peaks_averaged_over_their_days() -> None:
    said = pl.concat([_day([110.0] * 24), _day([11.0] * 24, meter="n")])
    actual = pl.concat([_actuals([100.0] * 24), _actuals([10.0] * 24, meter="n")])
    scores = backtest_scores(said, actual, {"m": "zone", "n": "zone"})
    assert _value(scores, "mae", meter="all:zone") == 5.5
    assert _value(scores, "wape", meter="all:zone") == pytest.approx(0.1)
    assert _value(scores, "peak_error", meter="all:zone") == 5.5
    assert not scores.filter(pl.col("slice") != "all", pl.col("metric").str.starts_with("peak")).height


def test_bands_agree_with_arrays_and_point_forecasts_have_none() -> None:
    random = np.random.default_rng(1)
    actual = random.uniform(50, 150, 24)
    quantiles = np.sort(random.uniform(50, 150, (24, 7)), axis=1)
    ours = [_day(quantiles[:, i].tolist(), q) for i, q in enumerate(QUANTILES)]
    scores = backtest_scores(
        pl.concat([*ours, _day([100.0] * 24, model="seasonal_naive")]), _actuals(actual.tolist()), {"m": "zone"}
    )
    for name, value in array_errors(actual, quantiles, QUANTILES).items():
        assert _value(scores, name) == pytest.approx(value)
    naive = scores.filter(model_name="seasonal_naive")
    assert not naive.filter(pl.col("metric").str.contains("coverage|width|pinball")).height


def test_unknown_actuals_are_not_scored() -> None:
    actual: list[float | None] = [100.0] * 23 + [None]
    scores = backtest_scores(_day([100.0] * 24), _actuals(actual), {"m": "zone"})
    assert scores.filter(slice="all")["n"].unique().to_list() == [23]
    nothing = backtest_scores(_day([100.0] * 24), _actuals([None] * 24), {"m": "zone"})
    assert nothing.is_empty()
    table("monitoring.backtest_scores").conform(nothing)


def test_scores_do_not_depend_on_the_order_of_rows() -> None:
    random = np.random.default_rng(2)
    said = pl.concat(_day(random.uniform(50, 150, 24).tolist(), q) for q in QUANTILES)
    actual = _actuals(random.uniform(50, 150, 24).tolist())
    shuffled = said.sample(fraction=1.0, shuffle=True, seed=3)
    assert backtest_scores(said, actual, {}).equals(backtest_scores(shuffled, actual, {}))
