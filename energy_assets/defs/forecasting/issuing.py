"""The forecasts of one issue time, said by models that are given.

Belongs here: the one way from what was known at an issue time to forecasts, for issuing them (`forecasts.py`) and for
making them again (`energy_assets.rebuilding`). Does not belong here: which model stands, writing.
"""

from __future__ import annotations

from datetime import datetime

import duckdb
import polars as pl

from energy_assets import forecasting
from energy_assets.config import WarehouseConfig
from energy_assets.defs.frames import features_at, labelled_features, machine_features

WORSE_THAN_NAIVE = "model_worse_than_naive"


def say(
    con: duckdb.DuckDBPyConnection,
    config: WarehouseConfig,
    issued_at: datetime,
    kind: str,
    model: forecasting.TrainedModel | None,
    *,
    withheld: bool = False,
) -> forecasting.Forecast:
    """The next local day of every meter of a kind, from what was known at the issue time, whenever it is asked.

    Args:
        con: the working file.
        config: the warehouse's settings: its issue hour.
        issued_at: the issue time.
        kind: the kind of meter.
        model: its model, or None: all forecasts are fallbacks then.
        withheld: whether the naive forecast speaks for the model: all are fallbacks with the reason
            `model_worse_than_naive`, with bands from the naive value's errors in the model's training.
    """
    due = features_at(con, issued_at).filter(pl.col("kind") == kind)
    if model is None or due.is_empty():
        return forecasting.forecast(due, None)
    if withheld:
        return forecasting.forecast(due, model, fallback_because=WORSE_THAN_NAIVE)
    days = history_days(model, issued_at)
    return forecasting.forecast(due, model, labelled_features(con, config, as_of=issued_at, days=days, kind=kind))


def say_next_quarter(con: duckdb.DuckDBPyConnection, issued_at: datetime, seed: int) -> forecasting.Forecast | None:
    """The next quarter hour of machines; None where there are none.

    They have a model per issue: a fortnight of quarter hours trains in a second, and wear changes them.
    """
    machines = machine_features(con, issued_at=issued_at)
    if machines.is_empty():
        return None
    model: forecasting.MachineModel | None
    try:
        with forecasting.memory_errors():
            model = forecasting.train_machines(machines, as_of=issued_at, seed=seed)
    except (forecasting.NotEnoughHistory, MemoryError):
        model = None
    newest = machines.filter(pl.col("issued_at_utc") == pl.col("issued_at_utc").max())
    return forecasting.forecast_machines(newest, model)


def history_days(model: forecasting.TrainedModel, issued_at: datetime) -> int:
    """Issue days that a forecast looks back: to the model's first, where meters' regressions learn on.

    By the artefact and not by settings, so that a forecast can be made again after they have changed.
    """
    return (issued_at - model.train_start_utc).days + 2 if model.follows else forecasting.WINDOW_DAYS
