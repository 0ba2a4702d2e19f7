"""The production model as a contender; where history is too short to train, its fallback forecast."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from energy_assets.forecasting.contenders import FORECAST_COLUMNS
from energy_assets.forecasting.models import Params, TrainedModel
from energy_assets.forecasting.scoring import forecast
from energy_assets.forecasting.training import NotEnoughHistory, train


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
