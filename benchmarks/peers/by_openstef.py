"""The job by OpenSTEF: its preset with XGBoost, a workflow per meter. Two processes."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
from openstef_core.datasets import TimeSeriesDataset
from openstef_core.types import LeadTime, Q
from openstef_models.models.forecasting.xgboost_forecaster import XGBoostHyperParams
from openstef_models.presets import ForecastingWorkflowConfig, create_forecasting_workflow
from openstef_models.workflows.custom_forecasting_workflow import CustomForecastingWorkflow

from benchmarks.peers.job import QUANTILES, Job, main, meter_by_meter

HOUR = timedelta(hours=1)


def fit(job: Job) -> CustomForecastingWorkflow:
    """A workflow of one meter."""
    config = ForecastingWorkflowConfig(
        model_id=job.history["unique_id"].iloc[0],
        model="xgboost",
        quantiles=[Q(q) for q in QUANTILES],
        sample_interval=HOUR,
        horizons=[LeadTime(job.horizon * HOUR)],
        xgboost_hyperparams=XGBoostHyperParams(),
        mlflow_storage=None,
    )
    workflow = create_forecasting_workflow(config)
    rows = _rows(job)
    workflow.fit(TimeSeriesDataset(rows[rows["load"].notna()], sample_interval=HOUR))
    return workflow


def predict(workflow: CustomForecastingWorkflow, job: Job) -> pd.DataFrame:
    """Quantiles of every hour of the horizon."""
    rows = _rows(job)
    start = rows["load"].last_valid_index() + HOUR
    recent = rows.loc[start - timedelta(days=15) :]
    made = workflow.predict(TimeSeriesDataset(recent, sample_interval=HOUR), forecast_start=start.to_pydatetime())
    frame = made.data[[Q(q).format() for q in QUANTILES]].loc[start:]
    frame.columns = [str(q) for q in QUANTILES]
    frame.index = frame.index.tz_localize(None)
    return frame.rename_axis("ds").reset_index().assign(unique_id=job.history["unique_id"].iloc[0])


def _rows(job: Job) -> pd.DataFrame:
    demand = job.history.set_index("ds")["y"].tz_localize("UTC")
    return job.temperature.set_index("ds").tz_localize("UTC").assign(load=demand).loc[demand.index[0] :]


if __name__ == "__main__":
    main(meter_by_meter, fit, predict)
