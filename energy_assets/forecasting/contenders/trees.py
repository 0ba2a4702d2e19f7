"""Boosted trees and forests on log ratios to the meter's recent level, with one thread each.

Belongs here: what comes with the core dependencies (LightGBM, scikit-learn). Does not belong here: rows, targets and
bands (`learning.py`, `bands.py`), the trees of the production model.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from energy_assets.forecasting.contenders import Fitted
from energy_assets.forecasting.contenders.bands import banded
from energy_assets.forecasting.contenders.learning import Predict, fit_ratios, settled
from energy_assets.forecasting.features import CATEGORICAL_FEATURES, Matrix
from energy_assets.forecasting.linear import fit_robust_ridge, linear_columns, one_blas_thread

BOOSTED = {
    "trees": 400,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.7,
    "lambda_l2": 1.0,
}
LINEAR_LEAVES = {**BOOSTED, "trees": 300, "num_leaves": 8, "linear_lambda": 1.0}
RESIDUAL = {**BOOSTED, "trees": 200, "num_leaves": 15, "ridge_alpha": 20.0}
FOREST = {"trees": 60, "min_samples_leaf": 3, "max_features": 0.33, "max_samples": 0.5}
DEFAULTS = {
    "lightgbm": BOOSTED,
    "lightgbm_linear": LINEAR_LEAVES,
    "ridge_boosted": RESIDUAL,
    "random_forest": FOREST,
}


@banded
def fit_lightgbm(rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int, **settings: float) -> Fitted:
    """LightGBM on all features; `BOOSTED` may be set otherwise."""
    chosen = settled(BOOSTED, settings)

    def learn(matrix: Matrix, target: Matrix, names: tuple[str, ...]) -> Predict:
        return _boosted(matrix, target, names, seed, chosen)

    return fit_ratios(rows, kind=kind, as_of=as_of, learn=learn)


@banded
def fit_lightgbm_linear(rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int, **settings: float) -> Fitted:
    """LightGBM with a linear model in each leaf (Shi, Li and Li, 2019); `LINEAR_LEAVES` may be set otherwise."""
    chosen = settled(LINEAR_LEAVES, settings)

    def learn(matrix: Matrix, target: Matrix, names: tuple[str, ...]) -> Predict:
        return _boosted(matrix, target, names, seed, chosen, linear_tree=True)

    return fit_ratios(rows, kind=kind, as_of=as_of, learn=learn)


@banded
def fit_ridge_boosted(rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int, **settings: float) -> Fitted:
    """A ridge regression per hour, and LightGBM on what it leaves; `RESIDUAL` may be set otherwise."""
    chosen = settled(RESIDUAL, settings)
    alpha = chosen.pop("ridge_alpha")

    def learn(matrix: Matrix, target: Matrix, names: tuple[str, ...]) -> Predict:
        one_blas_thread()
        hour = names.index("local_hour")
        ridge = fit_robust_ridge(linear_columns(matrix, names), target, matrix[:, hour], alpha=alpha)

        def linear(of: Matrix) -> Matrix:
            return ridge.predict(linear_columns(of, names), of[:, hour])

        rest = _boosted(matrix, target - linear(matrix), names, seed, chosen)
        return lambda of: linear(of) + rest(of)

    return fit_ratios(rows, kind=kind, as_of=as_of, learn=learn)


@banded
def fit_random_forest(rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int, **settings: float) -> Fitted:
    """scikit-learn's random forest, unknown values as they are; `FOREST` may be set otherwise."""
    chosen = settled(FOREST, settings)

    def learn(matrix: Matrix, target: Matrix, names: tuple[str, ...]) -> Predict:
        from sklearn.ensemble import RandomForestRegressor

        forest = RandomForestRegressor(
            n_estimators=int(chosen["trees"]),
            min_samples_leaf=int(chosen["min_samples_leaf"]),
            max_features=chosen["max_features"],
            max_samples=chosen["max_samples"],
            random_state=seed,
            n_jobs=1,
        ).fit(matrix, target)
        return lambda of: np.asarray(forest.predict(of))

    return fit_ratios(rows, kind=kind, as_of=as_of, learn=learn)


def _boosted(
    matrix: Matrix, target: Matrix, names: tuple[str, ...], seed: int, settings: dict[str, float], **more: Any
) -> Predict:
    options = {
        **settings,
        "num_leaves": int(settings["num_leaves"]),
        "min_data_in_leaf": min(int(settings["min_data_in_leaf"]), max(10, len(target) // 50)),
        "objective": "l2",
        "bagging_freq": 1,
        "max_bin": 127,
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
        **more,
    }
    import lightgbm as lgb  # a second of import that loading the package should not cost

    trees = int(options.pop("trees"))
    categorical = [n for n in names if n in CATEGORICAL_FEATURES]
    data = lgb.Dataset(matrix, target, feature_name=list(names), categorical_feature=categorical)
    booster = lgb.train(options, data, num_boost_round=trees)
    return lambda of: np.asarray(booster.predict(of, num_threads=1))
