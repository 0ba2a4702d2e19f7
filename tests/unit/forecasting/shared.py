"""Frames and models that several tests use; made once, since training is what costs time here."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

import polars as pl

from energy_assets.forecasting import Params, TrainedModel, train
from tests.unit.forecasting.frames import DAY, START, demand, features

AS_OF: datetime = START + timedelta(days=100, hours=9)
QUICK = Params(trees=24, learning_rate=0.2, quantile_trees=12, max_rows=4000)


@cache
def zone_series() -> pl.DataFrame:
    """130 days of two meters."""
    return demand(meters=2, days=130)


@cache
def zone_frame() -> pl.DataFrame:
    """Their feature table with labels."""
    return features(zone_series())


@cache
def zone_model() -> TrainedModel:
    """Trained on the first 100 days."""
    return train(zone_frame(), kind="zone", as_of=AS_OF, params=QUICK)


def one_day(frame: pl.DataFrame, day: int = 110) -> pl.DataFrame:
    """The rows issued on the n-th day, without labels."""
    issued = START + day * DAY + timedelta(hours=9)
    return frame.filter(pl.col("issued_at_utc") == issued).drop("demand_kwh", "label_known_at_utc")
