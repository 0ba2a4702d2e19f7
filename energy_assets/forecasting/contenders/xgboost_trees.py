"""XGBoost on log ratios to the meter's recent level: the optional extra `xgboost`."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
import xgboost

from energy_assets.forecasting.contenders import Fitted
from energy_assets.forecasting.contenders.bands import banded
from energy_assets.forecasting.contenders.learning import Predict, fit_ratios, settled
from energy_assets.forecasting.features import Matrix

BOOSTED = {
    "trees": 400,
    "learning_rate": 0.05,
    "max_depth": 6,
    "min_child_weight": 20.0,
    "colsample_bynode": 0.4,
    "subsample": 0.7,
    "reg_lambda": 1.0,
}
DEFAULTS = {"xgboost": BOOSTED}


@banded
def fit_xgboost(rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int, **settings: float) -> Fitted:
    """XGBoost on all features, unknown values as they are; `BOOSTED` may be set otherwise."""
    chosen = settled(BOOSTED, settings)
    trees = int(chosen.pop("trees"))
    chosen["max_depth"] = int(chosen["max_depth"])

    def learn(matrix: Matrix, target: Matrix, names: tuple[str, ...]) -> Predict:
        options = {**chosen, "objective": "reg:squarederror", "tree_method": "hist", "nthread": 1, "seed": seed}
        booster = xgboost.train(options, xgboost.DMatrix(matrix, target, nthread=1), num_boost_round=trees)
        return lambda of: np.asarray(booster.predict(xgboost.DMatrix(of, nthread=1)), dtype=np.float64)

    return fit_ratios(rows, kind=kind, as_of=as_of, learn=learn)
