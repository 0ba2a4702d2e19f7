"""The job by skforecast: a recursive LightGBM model per meter, quantiles from its residuals. Two processes."""

from __future__ import annotations

import pandas as pd
from lightgbm import LGBMRegressor
from skforecast.recursive import ForecasterRecursive

from benchmarks.peers.job import QUANTILES, Job, main, meter_by_meter, with_calendar

LAGS = [1, 2, 3, 23, 24, 25, 48, 72, 96, 120, 144, 167, 168, 169, 336]


def fit(job: Job) -> ForecasterRecursive:
    """A model of one meter."""
    demand, known = _series(job)
    forecaster = ForecasterRecursive(LGBMRegressor(n_jobs=1, verbosity=-1), lags=LAGS)
    forecaster.fit(demand, exog=known.loc[demand.index], store_in_sample_residuals=True)
    return forecaster


def predict(forecaster: ForecasterRecursive, job: Job) -> pd.DataFrame:
    """Quantiles of every hour of the horizon."""
    demand, known = _series(job)
    made = forecaster.predict_quantiles(
        job.horizon,
        last_window=demand.iloc[-max(LAGS) :],
        exog=known.loc[known.index > demand.index[-1]],
        quantiles=list(QUANTILES),
        n_boot=100,
    )
    made.columns = [str(q) for q in QUANTILES]
    return made.rename_axis("ds").reset_index().assign(unique_id=job.history["unique_id"].iloc[0])


def _series(job: Job) -> tuple[pd.Series, pd.DataFrame]:
    return job.history.set_index("ds")["y"].asfreq("h"), with_calendar(job.temperature).set_index("ds").asfreq("h")


if __name__ == "__main__":
    main(meter_by_meter, fit, predict)
