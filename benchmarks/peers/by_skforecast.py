"""The job by skforecast: a recursive LightGBM model per meter, quantiles from its residuals. Two processes."""

from __future__ import annotations

import pandas as pd
from joblib import Parallel, delayed
from lightgbm import LGBMRegressor
from skforecast.recursive import ForecasterRecursive

from benchmarks.peers.job import QUANTILES, Job, main, with_calendar

LAGS = [1, 2, 3, 23, 24, 25, 48, 72, 96, 120, 144, 167, 168, 169, 336]


def forecast(job: Job) -> pd.DataFrame:
    """Quantiles of every hour of the horizon."""
    known = with_calendar(job.temperature).set_index("ds").asfreq("h")
    parts = Parallel(n_jobs=2)(
        delayed(_of_meter)(meter, own.set_index("ds")["y"].asfreq("h"), known, job.horizon)
        for meter, own in job.history.groupby("unique_id")
    )
    return pd.concat(parts)


def _of_meter(meter: str, demand: pd.Series, known: pd.DataFrame, horizon: int) -> pd.DataFrame:
    forecaster = ForecasterRecursive(LGBMRegressor(n_jobs=1, verbosity=-1), lags=LAGS)
    forecaster.fit(demand, exog=known.loc[demand.index], store_in_sample_residuals=True)
    ahead = known.loc[known.index > demand.index[-1]]
    made = forecaster.predict_quantiles(horizon, exog=ahead, quantiles=list(QUANTILES), n_boot=100)
    made.columns = [str(q) for q in QUANTILES]
    return made.rename_axis("ds").reset_index().assign(unique_id=meter)


if __name__ == "__main__":
    main(forecast)
