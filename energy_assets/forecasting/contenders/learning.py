"""What the models that learn log ratios share: from feature rows to a matrix, and from ratios back to forecasts.

Belongs here: the rows that count, the target, the answer where a model cannot speak. Does not belong here: any one
model (`trees.py`, `xgboost_trees.py`), bands (`bands.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import polars as pl
import polars.selectors as cs

from energy_assets.forecasting.contenders import Fitted
from energy_assets.forecasting.contenders.reference import Naive, median
from energy_assets.forecasting.features import (
    Matrix,
    design_matrix,
    feature_names,
    from_log_ratio,
    log_ratio,
    ratio_offset,
    recent_level,
    told_apart,
)
from energy_assets.forecasting.linear import drawn_near
from energy_assets.forecasting.models import reference_ratio
from energy_assets.forecasting.selection import learnable

MIN_DAYS = 14  # with fewer the naive forecast speaks
MAX_ROWS = 30_000
FAULT = 8.0  # robust standard deviations from the usual: faulty days are in every history

Predict = Callable[[Matrix], Matrix]
Learn = Callable[[Matrix, Matrix, tuple[str, ...]], Predict]


@dataclass(frozen=True)
class Columns:
    """How feature rows become the columns that a model was fitted on."""

    names: tuple[str, ...]
    offset: float
    meters: tuple[str, ...]

    def matrix(self, rows: pl.DataFrame) -> Matrix:
        """Rows x `names`, NaN where unknown."""
        return design_matrix(rows, self.names, offset=self.offset, meters=self.meters)


class Known(NamedTuple):
    """Rows to learn from, their columns and matrix, and their targets (log ratios, one per row)."""

    rows: pl.DataFrame
    columns: Columns
    matrix: Matrix
    target: Matrix


@dataclass(frozen=True)
class Ratios:
    """A model of log ratios to the meter's recent level."""

    predict: Predict
    columns: Columns

    def forecast(self, due: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
        """See `Fitted`. Rows of meters without a known level get the seasonal naive value."""
        rows, others = speakable(due)
        parts = [Naive().forecast(others, history)]
        if rows.height:
            level = rows.select(recent_level().cast(pl.Float64)).to_series().to_numpy()
            values = from_log_ratio(self.predict(self.columns.matrix(rows)), level, self.columns.offset)
            parts.append(median(rows.with_columns(pl.Series("demand_kwh", values, dtype=pl.Float64))))
        return pl.concat(parts)


def fit_ratios(rows: pl.DataFrame, *, kind: str, as_of: datetime, learn: Learn) -> Fitted:
    """A model of one kind of meter on what was known at `as_of`; the naive forecast where that is too little.

    Args:
        rows: as of `Contender`.
        kind: kind of meter.
        as_of: tz-aware.
        learn: from rows x features (NaN where unknown), log ratios and the features' names to the model.
    """
    known = known_rows(rows, kind=kind, as_of=as_of)
    if known is None:
        return Naive()
    return Ratios(learn(known.matrix, known.target, known.columns.names), known.columns)


def known_rows(rows: pl.DataFrame, *, kind: str, as_of: datetime) -> Known | None:
    """What may be learned from at `as_of`, thinned to about `MAX_ROWS`; None with under `MIN_DAYS` issue days."""
    known, weather, _, days, _ = learnable(rows, kind=kind, as_of=as_of, limit=MAX_ROWS)
    if days < MIN_DAYS:
        return None
    meters = told_apart(known["meter_id"].unique())
    columns = Columns(feature_names(weather=weather, meters=bool(meters)), ratio_offset(known), meters)
    matrix = columns.matrix(known)
    target = known.select(log_ratio(pl.col("demand_kwh"), columns.offset)).to_series().to_numpy()
    usual = reference_ratio(matrix, columns.names, "demand_similar_median_log_ratio")
    return Known(known, columns, matrix, drawn_near(target, usual, FAULT))


def speakable(due: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows whose meter has a known level, unknown numbers as null, and the others."""
    due = due.with_columns(cs.float().fill_nan(None))
    known = recent_level().is_finite().fill_null(value=False)
    return due.filter(known), due.filter(~known)


def settled(defaults: Mapping[str, float], settings: Mapping[str, float]) -> dict[str, float]:
    """The defaults with some of them set otherwise.

    Raises:
        TypeError: a setting that the model does not have.
    """
    unknown = sorted(settings.keys() - defaults.keys())
    if unknown:
        raise TypeError(f"no setting is called {', '.join(unknown)}; there are {', '.join(sorted(defaults))}")
    return {**defaults, **settings}
