"""A search for better settings of a model, on days before the evaluation: the optional extra `tuning`.

Belongs here: what is searched, where and for how long. Does not belong here: the models (`contenders`), the decision
whether what was found is used: it has to show on days after `as_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from energy_assets.forecasting.backtest import rolling_origin
from energy_assets.forecasting.contenders import CONTENDERS, Contender, contender
from energy_assets.forecasting.models import Params
from energy_assets.forecasting.training import NotEnoughHistory
from energy_assets.metrics import quantile_errors

if TYPE_CHECKING:
    from optuna import Trial

OURS = "demand_blend"
WINDOWS, WINDOW_WEEKS = 4, 2  # fits per trial; they end before `as_of`, a quarter of a year apart
APART = timedelta(days=91)
KEYS = ("meter_id", "issued_at_utc", "interval_start_utc")


class Range(NamedTuple):
    """What a setting may be. `whole` numbers are tried as such, `log` ones by their magnitude."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


_BOOSTED = {
    "trees": Range(100, 800, log=True, whole=True),
    "learning_rate": Range(0.02, 0.15, log=True),
    "num_leaves": Range(4, 63, log=True, whole=True),
    "min_data_in_leaf": Range(10, 120, log=True, whole=True),
    "feature_fraction": Range(0.2, 0.9),
    "bagging_fraction": Range(0.5, 1.0),
    "lambda_l2": Range(0.1, 30.0, log=True),
}
_RIDGE = {"ridge_alpha": Range(2.0, 200.0, log=True)}
SPACES: Mapping[str, Mapping[str, Range]] = {
    OURS: {
        **_RIDGE,
        "trees": Range(60, 300, log=True, whole=True),
        "learning_rate": Range(0.03, 0.2, log=True),
        "direct_leaves": Range(6, 48, log=True, whole=True),
        "residual_leaves": Range(4, 31, log=True, whole=True),
    },
    "ridge_boosted": {**_BOOSTED, **_RIDGE},
    "lightgbm": _BOOSTED,
    "lightgbm_linear": {**_BOOSTED, "linear_lambda": Range(0.01, 100.0, log=True)},
    "random_forest": {
        "min_samples_leaf": Range(1, 20, log=True, whole=True),
        "max_features": Range(0.1, 0.8),
        "max_samples": Range(0.3, 0.95),
    },
    "xgboost": {
        "trees": Range(100, 800, log=True, whole=True),
        "learning_rate": Range(0.02, 0.15, log=True),
        "max_depth": Range(3, 9, whole=True),
        "min_child_weight": Range(1.0, 60.0, log=True),
        "colsample_bynode": Range(0.2, 0.9),
        "subsample": Range(0.5, 1.0),
        "reg_lambda": Range(0.1, 30.0, log=True),
    },
    "sequence": {
        "channels": Range(8, 64, log=True, whole=True),
        "hidden": Range(32, 192, log=True, whole=True),
        "dropout": Range(0.0, 0.5),
        "epochs": Range(20, 100, log=True, whole=True),
        "learning_rate": Range(5e-4, 1e-2, log=True),
        "weight_decay": Range(1e-4, 1e-1, log=True),
    },
}


class Tuned(NamedTuple):
    """What was found. Errors are mean pinball losses as shares of the mean demand of the windows.

    `history` has a row per trial: `trial` (0: the defaults), `error`, and a column per setting.
    """

    settings: dict[str, float]
    error: float
    default_error: float
    history: pl.DataFrame


def tune(
    frame: pl.DataFrame,
    *,
    kind: str,
    as_of: datetime,
    trials: int,
    seed: int,
    name: str = OURS,
    said: Callable[[str], None] = lambda _: None,
) -> Tuned:
    """Search settings by tree-structured Parzen estimators (Bergstra et al. 2011) on windows before `as_of`.

    Up to four windows of two weeks, a quarter of a year apart, each forecast by a fit on what was known at its start.
    Nothing issued or known after `as_of` is looked at. The defaults are the first trial, so that what is found is never
    worse than they on these windows. The same arguments give the same settings.

    Args:
        frame: rows of `features.feat_demand_day_ahead` with `demand_kwh` and `label_known_at_utc`.
        kind: kind of meter.
        as_of: tz-aware; the evaluation begins here.
        trials: how many settings are tried; each takes up to four fits.
        seed: of the search and of the models.
        name: of the way to make a model, one of `SPACES`.
        said: told about each trial.

    Raises:
        ValueError: nothing of the model can be tuned, or fewer than one trial.
        NotEnoughHistory: no window before `as_of` could be forecast and compared.
        ImportError: Optuna, or what the model needs, is not installed; the message says how it gets installed.
    """
    if name not in SPACES:
        raise ValueError(f"nothing of {name!r} can be tuned; there are {', '.join(sorted(SPACES))}")
    if trials < 1:
        raise ValueError(f"{trials} trials were asked for; at least 1 is needed")
    try:
        import optuna
    except ImportError as error:
        raise ImportError("tuning needs Optuna, which is not installed: pip install 'energy-assets[tuning]'") from error
    known = frame.filter(pl.col("kind") == kind, pl.col("issued_at_utc") < as_of, pl.col("label_known_at_utc") <= as_of)
    ends = _ends(known)
    fit = contender(name)
    defaults = _defaults(name)
    tried: list[dict[str, float]] = []

    def error_of(trial: Trial) -> float:
        settings = {setting: _suggested(trial, setting, space) for setting, space in SPACES[name].items()}
        error = _error(known, kind=kind, ends=ends, seed=seed, fit=_with(name, fit, settings, seed))
        tried.append({"trial": trial.number, "error": error, **settings})
        said(f"trial {trial.number + 1} of {trials}: {100 * error:.3f} %")
        return error

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial({setting: defaults[setting] for setting in SPACES[name]})
    study.optimize(error_of, n_trials=trials)
    history = pl.DataFrame(tried).cast({"trial": pl.Int32})
    best = min(tried, key=lambda row: row["error"])
    settings = {setting: best[setting] for setting in SPACES[name]}
    return Tuned(settings, best["error"], tried[0]["error"], history)


def _ends(known: pl.DataFrame) -> list[datetime]:
    """The newest issue time whose whole day is known, and those a quarter of a year apart before it."""
    first, last = known["issued_at_utc"].min(), known["issued_at_utc"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise NotEnoughHistory("no demand is known before the instant of the search; load an older history")
    ends = [last - APART * number for number in range(WINDOWS)]
    # before each window as much again as a window has to be there to learn from
    return [end for end in ends if end - 2 * timedelta(weeks=WINDOW_WEEKS) >= first]


def _error(known: pl.DataFrame, *, kind: str, ends: list[datetime], seed: int, fit: Contender) -> float:
    said = [
        rolling_origin(
            known,
            kind=kind,
            first_issue=end - timedelta(weeks=WINDOW_WEEKS) + timedelta(days=1),
            last_issue=end,
            refit_weeks=WINDOW_WEEKS,
            models={"tuned": fit},
            seed=seed,
        )
        for end in ends
    ]
    actual = known.select(*KEYS, actual_kwh="demand_kwh").drop_nulls()
    compared = pl.concat(said).join(actual, on=KEYS) if said else actual.clear()
    if compared.is_empty():
        raise NotEnoughHistory(
            f"kind {kind}: {known['issued_at_utc'].n_unique()} issue days are known, too few to forecast a window of "
            f"{WINDOW_WEEKS} weeks and compare; tune with an older history or a later instant"
        )
    losses = quantile_errors(compared, ["model_name"], predicted="demand_kwh").filter(pl.col("metric") == "pinball")
    return float(losses["value"].item() / compared["actual_kwh"].abs().mean())


def _suggested(trial: Trial, name: str, space: Range) -> float:
    value: float = (
        trial.suggest_int(name, int(space.low), int(space.high), log=space.log)
        if space.whole
        else trial.suggest_float(name, space.low, space.high, log=space.log)
    )
    return value


def _defaults(name: str) -> Mapping[str, float]:
    if name == OURS:
        return {setting: value for setting, value in asdict(Params()).items() if setting in SPACES[OURS]}
    found: Mapping[str, Mapping[str, float]] = import_module(f"{contender.__module__}.{CONTENDERS[name]}").DEFAULTS
    return found[name]


def _with(name: str, fit: Any, settings: Mapping[str, Any], seed: int) -> Contender:
    if name == OURS:
        return partial(fit, params=replace(Params(seed=seed), **settings))
    return partial(fit, **settings)
