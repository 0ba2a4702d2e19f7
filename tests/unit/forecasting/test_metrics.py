"""Metrics against values worked out by hand, and the score tables."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.forecasting import (
    QUANTILES,
    backtest_scores,
    compare,
    forecast,
    forecast_scores,
    interval_metrics,
    point_metrics,
    quantile_metrics,
)
from tests.unit.forecasting.frames import DAY, HOUR, INSTANT, START
from tests.unit.forecasting.shared import one_day, zone_frame, zone_model

ISSUED = START + 9 * HOUR


def test_point_metrics_by_hand() -> None:
    found = point_metrics(np.array([100.0, 200.0, 1.0]), np.array([110.0, 180.0, 2.0]))
    assert found["mae"] == pytest.approx(31 / 3)
    assert found["rmse"] == pytest.approx(np.sqrt(501 / 3))
    assert found["mape"] == pytest.approx(0.1)  # the third is near zero and left out
    assert found["wape"] == pytest.approx(31 / 301)
    assert found["bias"] == pytest.approx(-3.0)


def test_quantile_metrics_by_hand() -> None:
    found = quantile_metrics(np.array([10.0, 30.0]), np.array([[8.0, 12.0], [8.0, 12.0]]), [0.1, 0.9])
    assert found["pinball"] == pytest.approx((0.1 * 2 + 0.1 * 2 + 0.1 * 22 + 0.9 * 18) / 4)
    assert found["coverage_80"] == 0.5
    assert found["width_80"] == 4.0
    assert "coverage_90" not in found


def _day(values: list[float], quantile: float = 0.5, model: str = "a") -> pl.DataFrame:
    starts = [START + DAY + i * HOUR for i in range(len(values))]
    return pl.DataFrame({"interval_start_utc": starts, "demand_kwh": values}).select(
        pl.lit("m").alias("meter_id"),
        pl.lit(ISSUED).cast(INSTANT).alias("issued_at_utc"),
        pl.lit(model).alias("model_name"),
        pl.col("interval_start_utc").cast(INSTANT),
        pl.lit(quantile).alias("quantile"),
        "demand_kwh",
    )


def _actuals(values: list[float | None]) -> pl.DataFrame:
    starts = [START + DAY + i * HOUR for i in range(len(values))]
    return pl.DataFrame({"interval_start_utc": starts, "demand_kwh": values}).with_columns(
        pl.col("interval_start_utc").cast(INSTANT),
        pl.lit("m").alias("meter_id"),
        pl.lit(date(2022, 1, 2)).alias("local_date"),
    )


def _value(frame: pl.DataFrame, metric: str, **where: str) -> float:
    return float(frame.filter(pl.col("metric") == metric, **where)["value"].item())


def test_frames_and_arrays_agree_and_peaks_are_found() -> None:
    actual = [100.0 + (i == 18) * 50 for i in range(24)]
    said = [100.0 + (i == 17) * 20 for i in range(24)]
    frame = interval_metrics(compare(_day(said), _actuals([*actual])), ["model"])
    expected = point_metrics(np.array(actual), np.array(said))
    for name, value in expected.items():
        assert _value(frame, name) == pytest.approx(value)
    assert _value(frame, "peak_error") == pytest.approx(30 / 150)
    assert _value(frame, "peak_hour_hit") == 1.0
    far = [100.0 + (i == 15) * 20 for i in range(24)]
    missed = interval_metrics(compare(_day(far), _actuals([*actual])), ["model"])
    assert _value(missed, "peak_hour_hit") == 0.0


def test_bands_and_pinball_agree_with_arrays() -> None:
    random = np.random.default_rng(1)
    actual = random.uniform(50, 150, 24)
    quantiles = np.sort(random.uniform(50, 150, (24, 7)), axis=1)
    said = pl.concat(_day(quantiles[:, i].tolist(), q) for i, q in enumerate(QUANTILES))
    frame = interval_metrics(compare(said, _actuals(actual.tolist())), ["model"])
    for name, value in quantile_metrics(actual, quantiles, QUANTILES).items():
        assert _value(frame, name) == pytest.approx(value)


def test_unknown_actuals_are_not_scored_and_points_have_no_bands() -> None:
    actual: list[float | None] = [100.0] * 23 + [None]
    frame = interval_metrics(compare(_day([100.0] * 24), _actuals(actual)), ["model"])
    assert frame["n"].unique().to_list() == [1, 23]  # one day of peaks
    assert not frame.filter(pl.col("metric").str.contains("coverage|width|pinball")).height


@pytest.mark.parametrize(
    ("lead", "bucket"), [(15, "15-21"), (20.75, "15-21"), (21, "21-27"), (38, "33-39"), (39, "39-45")]
)
def test_lead_buckets(lead: float, bucket: str) -> None:
    said = _day([1.0]).with_columns(
        (pl.col("interval_start_utc") - timedelta(hours=lead)).alias("issued_at_utc"),
    )
    assert compare(said, _actuals([1.0]))["lead_bucket"].item() == bucket


def test_backtest_scores_fit_the_contract() -> None:
    said = pl.concat([_day([110.0] * 24, model="ours"), _day([120.0] * 24, model="seasonal_naive")])
    scores = backtest_scores(said.with_columns(pl.lit("b").alias("backtest_id")), _actuals([100.0] * 24), {"m": "zone"})
    conformed = table("monitoring.backtest_scores").conform(scores)
    assert set(conformed["meter_id"]) == {"m", "all:zone"}
    assert set(conformed["slice"]) == {"all", "lead:15-21", "lead:21-27", "lead:27-33", "lead:33-39"}
    one = conformed.filter(pl.col("meter_id") == "m", pl.col("slice") == "all", pl.col("model_name") == "ours")
    assert _value(one, "mae") == 10.0
    assert _value(one, "skill_seasonal_naive") == 0.5


def test_forecast_scores_fit_the_contract_and_use_the_newest_revision() -> None:
    day = one_day(zone_frame())
    rows = forecast(day, zone_model()).rows
    wrong = rows.with_columns(pl.col("demand_kwh") * 10, pl.lit(0).alias("revision"))
    both = pl.concat([wrong, rows.with_columns(pl.lit(1).alias("revision"))])
    scores = table("monitoring.forecast_scores").conform(forecast_scores(both, day, zone_frame()))
    assert set(scores["lead_bucket"]) == {"all", "15-21", "21-27", "27-33", "33-39"}
    assert scores["issue_basis"].unique().to_list() == ["assumed"]
    whole = scores.filter(pl.col("lead_bucket") == "all", pl.col("metric") == "mae", pl.col("meter_id") == "m0")
    mine = rows.filter(pl.col("quantile") == 0.5).join(
        zone_frame(), on=["meter_id", "interval_start_utc"], suffix="_actual"
    )
    mine = mine.filter(pl.col("meter_id") == "m0")
    expected = (mine["demand_kwh"] - mine["demand_kwh_actual"]).abs().mean()
    assert whole["value"].item() == pytest.approx(expected)
    naive = (mine["demand_lag_7d_kwh"] - mine["demand_kwh_actual"]).abs().mean()
    assert whole["baseline_value"].item() == pytest.approx(naive)
    assert whole["skill"].item() == pytest.approx(1 - whole["value"].item() / whole["baseline_value"].item())


def test_nothing_known_yet_gives_no_scores() -> None:
    day = one_day(zone_frame())
    rows = forecast(day, zone_model()).rows.with_columns(pl.lit(0).alias("revision"))
    unknown = zone_frame().with_columns(pl.lit(None, dtype=pl.Float64).alias("demand_kwh"))
    assert forecast_scores(rows, day, unknown).height == 0


def test_issue_time_is_an_instant() -> None:
    assert datetime.fromisoformat("2022-01-01T09:00:00+00:00") == ISSUED
