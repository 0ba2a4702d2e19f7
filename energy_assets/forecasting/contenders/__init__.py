"""Ways to make a day-ahead model, behind one interface, so that a backtest can put them side by side.

Belongs here: the interface and the list of names. Each way has a module beside this one, imported when it is asked for;
packages of optional extras are imported there and nowhere else. Does not belong here: what is forecast in production
(`training.py`, `scoring.py`; it takes part as `demand_blend`), scores, Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from typing import Protocol

import polars as pl

FORECAST_COLUMNS = ("meter_id", "issued_at_utc", "interval_start_utc", "interval_end_utc", "demand_kwh", "quantile")


class Fitted(Protocol):
    """A model that was fitted on what was known at an instant."""

    def forecast(self, due: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
        """Forecasts of every row that the model can speak of (`FORECAST_COLUMNS`, kWh per interval, never below 0).

        Args:
            due: rows of `features.feat_demand_day_ahead` without labels, of issue times from the fit on.
            history: the same columns with `demand_kwh` and `label_known_at_utc`, later days among them: for an issue
                time only rows count whose label was known by then. Models that learn nothing after their fit ignore it.

        Returns:
            A point forecast is quantile 0.5; other quantiles where the model has them.
        """
        ...


class Contender(Protocol):
    """A way to make a model."""

    def __call__(self, rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int) -> Fitted:
        """Fit on rows of one kind of meter whose label was known at `as_of`.

        Args:
            rows: rows of `features.feat_demand_day_ahead` with `demand_kwh` (null = not usable) and
                `label_known_at_utc`; those not known at `as_of` are left out by the contender.
            kind: kind of meter.
            as_of: tz-aware instant of the fit.
            seed: of everything random.

        Raises:
            NotEnoughHistory: too little is known to fit anything.
        """
        ...


# name -> module: each module has `fit_<name>`
CONTENDERS: Mapping[str, str] = {
    "demand_blend": "ours",
    "demand_blend_with_publisher": "ours",
    "seasonal_naive": "reference",
    "calendar_temperature": "reference",
    "recency_regression": "reference",
    "ridge_boosted": "trees",
    "lightgbm": "trees",
    "lightgbm_linear": "trees",
    "random_forest": "trees",
    "xgboost": "xgboost_trees",
    "sequence": "sequence",
}
EXTRAS: Mapping[str, str] = {"xgboost": "xgboost", "sequence": "deep"}  # what is not in the core dependencies
DEFAULT = ("demand_blend", "seasonal_naive", "calendar_temperature")
# of a backtest that somebody asks for: where a publisher's forecast was known at issue time, that is worth the time
ASKED = (*DEFAULT, "demand_blend_with_publisher")


class UnknownContender(ValueError):  # noqa: N818 - it says what is wrong
    """No way to make a model has that name; the message lists those that do."""


def contender(name: str) -> Contender:
    """The way to make a model of that name.

    Raises:
        UnknownContender: there is none.
        ImportError: it needs an optional extra that is not installed; the message names it.
    """
    if name not in CONTENDERS:
        raise UnknownContender(f"no model is called {name!r}; there are {', '.join(sorted(CONTENDERS))}")
    try:
        module = import_module(f"{__name__}.{CONTENDERS[name]}")
    except ImportError as error:
        if name not in EXTRAS:
            raise
        raise ImportError(
            f"{name} needs what is not installed ({error}): pip install 'energy-assets[{EXTRAS[name]}]'"
        ) from error
    found: Contender = getattr(module, f"fit_{name}")
    return found
