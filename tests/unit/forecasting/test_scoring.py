"""Rows of a forecast, its fallbacks and what is skipped."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.forecasting import QUANTILES, forecast
from energy_assets.forecasting.scoring import COLUMNS, NAIVE_VERSION
from tests.unit.forecasting.shared import one_day, zone_frame, zone_model

DEMAND = [c for c in zone_frame().columns if c.startswith("demand_") and c != "demand_kwh"]


def test_rows_fit_the_contract() -> None:
    day = one_day(zone_frame())
    rows, skipped = forecast(day, zone_model())
    assert rows.columns == list(COLUMNS)
    assert rows.height == 2 * 24 * len(QUANTILES)
    assert skipped.height == 0
    whole = rows.with_columns(pl.lit(0).alias("revision"), pl.lit("run").alias("dagster_run_id"))
    conformed = table("forecasts.demand_forecasts").conform(whole)
    assert conformed["quality"].unique().to_list() == ["primary"]
    assert conformed["lead_minutes"].min() == 15 * 60


def test_quantiles_ascend_and_are_never_negative() -> None:
    low = one_day(zone_frame()).with_columns(pl.col("demand_lag_1d_kwh") * 1e-6, pl.lit(45.0).alias("temperature_c"))
    rows = forecast(low, zone_model()).rows
    assert rows["demand_kwh"].min() >= 0.0  # type: ignore[operator]
    steps = rows.select(pl.col("demand_kwh").diff().over("meter_id", "interval_start_utc")).to_series().drop_nulls()
    assert steps.min() >= 0.0  # type: ignore[operator]


def test_labels_in_the_frame_are_not_looked_at() -> None:
    day = one_day(zone_frame())
    poisoned = day.with_columns(pl.lit(1e9).alias("demand_kwh"))
    assert forecast(poisoned, zone_model()).rows.equals(forecast(day, zone_model()).rows)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (pl.col("data_cutoff_utc") - timedelta(days=5), "stale_data"),
        (pl.lit(3, dtype=pl.Int32).alias("known_days"), "too_few_days"),
        (pl.lit(None, dtype=pl.Float64).alias("temperature_c"), "weather_missing"),
    ],
)
def test_missing_inputs_fall_back_for_that_meter_only(change: pl.Expr, reason: str) -> None:
    day = one_day(zone_frame())
    name = change.meta.output_name()
    broken = day.with_columns(pl.when(pl.col("meter_id") == "m0").then(change).otherwise(pl.col(name)).alias(name))
    rows = forecast(broken, zone_model()).rows
    first, second = rows.filter(pl.col("meter_id") == "m0"), rows.filter(pl.col("meter_id") == "m1")
    assert first.select("quality", "quality_reason").unique().rows() == [("fallback", reason)]
    assert second.select("quality", "quality_reason").unique().rows() == [("primary", None)]
    assert second.equals(forecast(day, zone_model()).rows.filter(pl.col("meter_id") == "m1"))
    naive = day.filter(pl.col("meter_id") == "m0").select("interval_start_utc", "demand_lag_7d_kwh")
    spread = first.pivot("quantile", index="interval_start_utc", values="demand_kwh").join(
        naive, on="interval_start_utc"
    )
    assert spread.select((pl.col("0.05") < pl.col("demand_lag_7d_kwh")).all()).item()
    assert spread.select((pl.col("0.95") > pl.col("demand_lag_7d_kwh")).all()).item()


def test_three_days_of_history_give_the_known_days() -> None:
    unknown = [c for c in DEMAND if "lag" in c or "weekday" in c]
    day = one_day(zone_frame()).with_columns(
        *(pl.lit(None, dtype=pl.Float64).alias(c) for c in unknown), pl.lit(3, dtype=pl.Int32).alias("known_days")
    )
    rows = forecast(day, None).rows.filter(pl.col("quantile") == 0.5).sort("meter_id", "interval_start_utc")
    expected = day.sort("meter_id", "interval_start_utc")["demand_last_day_same_hour_kwh"].to_list()
    assert rows["demand_kwh"].to_list() == pytest.approx(expected)
    assert rows.select("quality_reason", "model_version").unique().rows() == [("no_model", NAIVE_VERSION)]


def test_a_meter_without_any_known_demand_is_reported_not_invented() -> None:
    is_first = pl.col("meter_id") == "m0"
    day = one_day(zone_frame()).with_columns(
        *(pl.when(~is_first).then(pl.col(c)).alias(c) for c in [*DEMAND, "data_cutoff_utc"]),
        pl.when(is_first).then(0).otherwise("known_days").alias("known_days"),
    )
    rows, skipped = forecast(day, zone_model())
    assert rows["meter_id"].unique().to_list() == ["m1"]
    assert skipped.select("meter_id", "intervals", "reason").rows() == [("m0", 24, "no_known_demand")]
    alone = forecast(day.filter(is_first), zone_model())
    assert alone.rows.height == 0
    assert alone.rows.schema == rows.schema


def test_an_empty_home_is_forecast_to_stay_empty() -> None:
    day = one_day(zone_frame()).with_columns(pl.lit(0.0).alias(c) for c in DEMAND)
    rows = forecast(day, zone_model()).rows
    assert rows["quality_reason"].unique().to_list() == ["no_positive_level"]
    assert rows["demand_kwh"].max() == 0.0


def test_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="forecasts zone meters, the frame holds household"):
        forecast(one_day(zone_frame()).with_columns(pl.lit("household").alias("kind")), zone_model())


def test_no_rows_in_no_rows_out() -> None:
    rows, skipped = forecast(one_day(zone_frame()).clear(), zone_model())
    assert (rows.height, skipped.height) == (0, 0)
    assert rows.columns == list(COLUMNS)
