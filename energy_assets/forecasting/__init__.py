"""Forecasts of demand: baselines, models, calibration, backtest, champion and challenger.

Belongs here: functions from frames to frames over `features.feat_demand_day_ahead` and `features.feat_machine_15min`.
Does not belong here: Dagster, DuckDB, files other than model artefacts, peaks and anomalies.
"""

from __future__ import annotations

from energy_assets.forecasting.artefact import ArtefactError, load, load_machines, save, version_row
from energy_assets.forecasting.backtest import backtest_id, rolling_origin
from energy_assets.forecasting.baselines import CalendarTemperatureRegression, seasonal_naive
from energy_assets.forecasting.intervals import at_own_interval, backtest_at_own_interval
from energy_assets.forecasting.machines import MachineModel, forecast_machines, train_machines
from energy_assets.forecasting.memory import memory_errors
from energy_assets.forecasting.models import MODEL_NAME, QUANTILES, Params, TrainedModel
from energy_assets.forecasting.online.following import WINDOW_DAYS
from energy_assets.forecasting.scenarios import demand_scenarios, past_ranks
from energy_assets.forecasting.scores import backtest_scores
from energy_assets.forecasting.scoring import Forecast, forecast
from energy_assets.forecasting.training import NotEnoughHistory, train

__all__ = [
    "MODEL_NAME",
    "QUANTILES",
    "WINDOW_DAYS",
    "ArtefactError",
    "CalendarTemperatureRegression",
    "Forecast",
    "MachineModel",
    "NotEnoughHistory",
    "Params",
    "TrainedModel",
    "at_own_interval",
    "backtest_at_own_interval",
    "backtest_id",
    "backtest_scores",
    "demand_scenarios",
    "forecast",
    "forecast_machines",
    "load",
    "load_machines",
    "memory_errors",
    "past_ranks",
    "rolling_origin",
    "save",
    "seasonal_naive",
    "train",
    "train_machines",
    "version_row",
]
