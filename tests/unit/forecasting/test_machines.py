"""The next quarter hour of machines."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.forecasting import QUANTILES, MachineModel, NotEnoughHistory, forecast_machines, train_machines
from tests.unit.forecasting.frames import DAY, START, machines

AS_OF = START + 5 * DAY


@cache
def _model() -> MachineModel:
    return train_machines(machines(), as_of=AS_OF)


def _later() -> pl.DataFrame:
    return machines().filter(pl.col("issued_at_utc") >= AS_OF)


def test_rows_fit_the_contract_and_beat_the_last_value() -> None:
    later = _later()
    rows, skipped = forecast_machines(later.drop("energy_kwh"), _model())
    assert skipped.height == 0
    assert rows.height == later.height * len(QUANTILES)
    table("forecasts.demand_forecasts").conform(
        rows.with_columns(pl.lit(0).alias("revision"), pl.lit("run").alias("dagster_run_id"))
    )
    assert rows["quality"].unique().to_list() == ["primary"]
    median = rows.filter(pl.col("quantile") == 0.5).rename({"meter_id": "machine_id"})
    both = median.join(later, on=["machine_id", "interval_start_utc"])
    errors = both.select(
        ours=(pl.col("demand_kwh") - pl.col("energy_kwh")).abs().mean(),
        last=(pl.col("energy_lag_1_kwh") - pl.col("energy_kwh")).abs().mean(),
    )
    assert errors["ours"].item() < errors["last"].item()
    steps = rows.select(pl.col("demand_kwh").diff().over("meter_id", "interval_start_utc")).to_series().drop_nulls()
    assert steps.min() >= 0.0  # type: ignore[operator]


def test_the_future_changes_nothing_and_training_repeats() -> None:
    poisoned = machines().with_columns(
        pl.when(pl.col("interval_end_utc") > AS_OF).then(1e9).otherwise("energy_kwh").alias("energy_kwh")
    )
    again = train_machines(poisoned, as_of=AS_OF)
    assert again.version == _model().version
    assert forecast_machines(_later(), again).rows.equals(forecast_machines(_later(), _model()).rows)


def test_missing_telemetry_falls_back_to_the_last_value() -> None:
    stale = _later().with_columns(
        pl.when(pl.col("machine_id") == "x0")
        .then(pl.col("data_cutoff_utc") - timedelta(hours=2))
        .otherwise("data_cutoff_utc")
        .alias("data_cutoff_utc")
    )
    rows = forecast_machines(stale, _model()).rows
    reasons = dict(rows.select("meter_id", "quality_reason").unique().rows())
    assert reasons == {"x0": "stale_data", "x1": None, "x2": None}
    alone = forecast_machines(stale, None).rows.filter(pl.col("quantile") == 0.5, pl.col("meter_id") == "x1")
    expected = stale.filter(pl.col("machine_id") == "x1").sort("issued_at_utc")["energy_lag_1_kwh"].to_list()
    assert alone["demand_kwh"].to_list() == pytest.approx(expected)
    assert alone["quality_reason"].unique().to_list() == ["no_model"]


def test_a_machine_at_rest_stays_at_rest_and_an_unknown_one_is_reported() -> None:
    energy = [c for c in machines().columns if c.startswith("energy_")]
    rest = _later().with_columns(pl.lit(0.0).alias(c) for c in energy)
    rows = forecast_machines(rest, _model()).rows
    assert rows["quality_reason"].unique().to_list() == ["no_positive_level"]
    assert rows["demand_kwh"].max() == 0.0
    unknown = _later().with_columns(pl.lit(None, dtype=pl.Float64).alias(c) for c in energy)
    found = forecast_machines(unknown, _model())
    assert found.rows.height == 0
    assert found.skipped["intervals"].sum() == unknown.height


def test_too_little_telemetry_says_so() -> None:
    with pytest.raises(NotEnoughHistory, match="96 are needed"):
        train_machines(machines(count=1, days=1), as_of=START + DAY)
