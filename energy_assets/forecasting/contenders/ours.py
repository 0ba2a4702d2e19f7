"""The production model as contenders, alone and with a publisher's forecast among its inputs.

Alone it gives its fallback forecast where history is too short to train. With a publisher's it speaks only of hours
whose published forecast was known at the issue time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from energy_assets.forecasting.contenders import FORECAST_COLUMNS
from energy_assets.forecasting.models import Params, TrainedModel
from energy_assets.forecasting.scoring import forecast
from energy_assets.forecasting.training import NotEnoughHistory, train

KNOWN = pl.col("published_demand_kwh").is_finite()


@dataclass(frozen=True)
class Ours:
    """A trained model, or None for the fallback."""

    model: TrainedModel | None

    def forecast(self, due: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
        """See `Fitted`."""
        return forecast(due, self.model, history).rows.select(FORECAST_COLUMNS)


def fit_demand_blend(
    rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int, params: Params | None = None
) -> Ours:
    """As in production."""
    try:
        return Ours(train(rows, kind=kind, as_of=as_of, params=params or Params(seed=seed)))
    except NotEnoughHistory:
        return Ours(None)


@dataclass(frozen=True)
class OursWithPublisher:
    """A trained model, or None where too little had been published by the issue times."""

    model: TrainedModel | None

    def forecast(self, due: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
        """See `Fitted`."""
        due = due.filter(KNOWN)
        if self.model is None or due.is_empty():
            return pl.DataFrame(schema={c: due.schema.get(c, pl.Float64()) for c in FORECAST_COLUMNS})
        rows = forecast(due, self.model, history.filter(KNOWN)).rows
        return rows.filter(pl.col("quality") == "primary").select(FORECAST_COLUMNS)


def fit_demand_blend_with_publisher(
    rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int, params: Params | None = None
) -> OursWithPublisher:
    """The same model with what was published and known at issue time as one more input and one more expert."""
    try:
        model = train(rows.filter(KNOWN), kind=kind, as_of=as_of, params=params or Params(seed=seed), published=True)
    except NotEnoughHistory:
        model = None
    return OursWithPublisher(model)
