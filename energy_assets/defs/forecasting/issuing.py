"""The forecasts of one issue time, said by models that are given.

Belongs here: the one way from what was known at an issue time to forecasts, for issuing them (`forecasts.py`) and for
making them again (`energy_assets.rebuilding`). Does not belong here: which model stands, writing.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import duckdb
import polars as pl

from energy_assets import forecasting
from energy_assets.config import WarehouseConfig
from energy_assets.defs.frames import features_at, labelled_features, machine_features

WORSE_THAN_NAIVE = "model_worse_than_naive"


class Inputs(NamedTuple):
    """All that may reach the forecasts of an issue time: features of its day, features and demand of days before."""

    issued_at: datetime
    features: pl.DataFrame
    recent: pl.DataFrame
    machines: pl.DataFrame

    @classmethod
    def at(cls, con: duckdb.DuckDBPyConnection, config: WarehouseConfig, issued_at: datetime) -> Inputs:
        """What was known at an issue time, whenever it is asked."""
        return cls(
            issued_at,
            features_at(con, issued_at),
            labelled_features(con, config, as_of=issued_at, days=forecasting.WINDOW_DAYS),
            machine_features(con, issued_at=issued_at),
        )

    @property
    def kinds(self) -> list[str]:
        """Kinds of meters that have features, in order."""
        return [str(kind) for kind in self.features["kind"].unique().sort().to_list()]


def say(
    inputs: Inputs, kind: str, model: forecasting.TrainedModel | None, *, withheld: bool = False
) -> forecasting.Forecast:
    """The next local day of every meter of a kind.

    Args:
        inputs: what was known.
        kind: the kind of meter.
        model: its model, or None: all forecasts are fallbacks then.
        withheld: whether the naive forecast speaks for the model: all are fallbacks with the reason
            `model_worse_than_naive`, with bands from the naive value's errors in the model's training.
    """
    of_kind = inputs.features.filter(pl.col("kind") == kind)
    if model is None or not withheld:
        return forecasting.forecast(of_kind, model, inputs.recent.filter(pl.col("kind") == kind))
    # the fallback is made as for meters of which too little is known to ask the model
    said = forecasting.forecast(of_kind.with_columns(known_days=pl.lit(0, dtype=pl.Int32)), model)
    reason = pl.col("quality_reason").replace("too_few_days", WORSE_THAN_NAIVE)
    return forecasting.Forecast(said.rows.with_columns(reason), said.skipped)


def say_next_quarter(inputs: Inputs, seed: int) -> forecasting.Forecast:
    """Machines have a model per issue: a fortnight of quarter hours trains in a second, and wear changes them."""
    model: forecasting.MachineModel | None
    try:
        model = forecasting.train_machines(inputs.machines, as_of=inputs.issued_at, seed=seed)
    except forecasting.NotEnoughHistory:
        model = None
    newest = inputs.machines.filter(pl.col("issued_at_utc") == pl.col("issued_at_utc").max())
    return forecasting.forecast_machines(newest, model)
