"""The job by mlforecast: one LightGBM model of all meters per quantile.

Lags are those known for the whole horizon, so that no quantile is fed to itself.
"""

from __future__ import annotations

import pandas as pd
from lightgbm import LGBMRegressor
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean
from mlforecast.target_transforms import LocalStandardScaler

from benchmarks.peers.job import QUANTILES, Job, main, together, with_calendar

DAYS = (2, 3, 4, 5, 6, 7, 14, 21, 28)


def fit(job: Job) -> MLForecast:
    """A model per quantile."""
    models = {str(q): LGBMRegressor(objective="quantile", alpha=q, n_jobs=2, verbosity=-1) for q in QUANTILES}
    forecaster = MLForecast(
        models=models,
        freq="h",
        lags=[24 * days for days in DAYS],
        lag_transforms={job.horizon: [RollingMean(24), RollingMean(168)]},
        target_transforms=[LocalStandardScaler()],
        num_threads=2,
    )
    return forecaster.fit(job.history.merge(with_calendar(job.temperature), on="ds"), static_features=[])


def predict(forecaster: MLForecast, job: Job) -> pd.DataFrame:
    """Quantiles of every hour of the horizon."""
    known = with_calendar(job.temperature)
    ahead = known[known["ds"] > job.history["ds"].max()]
    meters = job.history[["unique_id"]].drop_duplicates()
    history = job.history.merge(known, on="ds") if job.number else None  # of the first it has what it was fitted on
    return forecaster.predict(job.horizon, X_df=meters.merge(ahead, how="cross"), new_df=history)


if __name__ == "__main__":
    main(together, fit, predict)
