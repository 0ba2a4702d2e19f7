"""The job by OpenSTEF: its preset with XGBoost, a workflow per meter. Two processes."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
from joblib import Parallel, delayed
from openstef_core.datasets import TimeSeriesDataset
from openstef_core.types import LeadTime, Q
from openstef_models.models.forecasting.xgboost_forecaster import XGBoostHyperParams
from openstef_models.presets import ForecastingWorkflowConfig, create_forecasting_workflow

from benchmarks.peers.job import QUANTILES, Job, main

HOUR = timedelta(hours=1)


def forecast(job: Job) -> pd.DataFrame:
    """Quantiles of every hour of the horizon."""
    known = job.temperature.set_index("ds").tz_localize("UTC")
    parts = Parallel(n_jobs=2)(
        delayed(_of_meter)(meter, own.set_index("ds")["y"].tz_localize("UTC"), known, job.horizon)
        for meter, own in job.history.groupby("unique_id")
    )
    return pd.concat(parts)


def _of_meter(meter: str, demand: pd.Series, known: pd.DataFrame, horizon: int) -> pd.DataFrame:
    config = ForecastingWorkflowConfig(
        model_id=meter,
        model="xgboost",
        quantiles=[Q(q) for q in QUANTILES],
        sample_interval=HOUR,
        horizons=[LeadTime(horizon * HOUR)],
        xgboost_hyperparams=XGBoostHyperParams(),
        mlflow_storage=None,
    )
    workflow = create_forecasting_workflow(config)
    rows = known.assign(load=demand).loc[demand.index[0] :]
    workflow.fit(TimeSeriesDataset(rows.loc[demand.index], sample_interval=HOUR))
    start = demand.index[-1] + HOUR
    recent = rows.loc[start - timedelta(days=15) :]
    made = workflow.predict(TimeSeriesDataset(recent, sample_interval=HOUR), forecast_start=start.to_pydatetime())
    frame = made.data[[Q(q).format() for q in QUANTILES]].loc[start:]
    frame.columns = [str(q) for q in QUANTILES]
    frame.index = frame.index.tz_localize(None)
    return frame.rename_axis("ds").reset_index().assign(unique_id=meter)


if __name__ == "__main__":
    main(forecast)
