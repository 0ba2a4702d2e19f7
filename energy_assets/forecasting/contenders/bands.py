"""Quantiles of models that give a point, or are too sure: how far they were off on days that they had not seen.

Belongs here: the bands and the model that carries them. Does not belong here: the calibrated bands of the production
model.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import polars as pl

from energy_assets.forecasting.contenders import FORECAST_COLUMNS, Fitted
from energy_assets.forecasting.features import LEVEL_COLUMNS, log_ratio, ratio_offset, recent_level
from energy_assets.forecasting.models import MEDIAN, QUANTILES

KEYS = ("meter_id", "issued_at_utc", "interval_start_utc")
TRAILING_DAYS, TRAILING_SHARE = 90, 0.25
BLOCK_HOURS = 6


class Settable(Protocol):
    """A `Contender` whose settings may be given by name."""

    def __call__(self, rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int, **settings: float) -> Fitted:
        """See `Contender`."""
        ...


@dataclass(frozen=True)
class Banded:
    """A model and the moves of its quantiles: `block` of the day, `quantile`, `shift` of the log ratio."""

    model: Fitted
    bands: pl.DataFrame
    offset: float

    def forecast(self, due: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
        """See `Fitted`. Where a meter's level is not known nothing is moved."""
        said = _all_quantiles(self.model.forecast(due, history)).join(
            due.select(*KEYS, _block(), *LEVEL_COLUMNS), on=KEYS
        )
        moved = (log_ratio(pl.col("demand_kwh"), self.offset) + pl.col("shift")).exp() - self.offset
        value = pl.coalesce(moved.clip(lower_bound=0) * recent_level(), "demand_kwh")
        median = pl.col("demand_kwh").filter(pl.col("quantile") == MEDIAN).first().over(KEYS)
        below, above = pl.min_horizontal(value, median), pl.max_horizontal(value, median)
        level = pl.col("quantile")
        return (
            said.join(self.bands, on=["block", "quantile"], how="left")
            .with_columns(
                pl.when(level < MEDIAN)
                .then(below)
                .when(level > MEDIAN)
                .then(above)
                .otherwise(median)
                .alias("demand_kwh")
            )
            .sort(*KEYS, "quantile")
            .with_columns(pl.col("demand_kwh").sort().over(KEYS))  # what crossed did so on one side of the median
            .select(FORECAST_COLUMNS)
        )


def banded(model: Settable) -> Settable:
    """The same way to make a model, with seven quantiles that were right on days it had not seen.

    Each quantile but the median is moved by that quantile of what demand exceeded it by (conformalised quantile
    regression, Romano et al. 2019; of a point every quantile is the point). The days are the last 90, at most a quarter
    of what is known, the model one that was fitted before them: so it is fitted twice. By block of six hours, in log
    ratios, all meters of the kind together.
    """

    def fit(rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int, **settings: float) -> Fitted:
        final = model(rows, kind=kind, as_of=as_of, seed=seed, **settings)
        known = rows.filter(
            pl.col("kind") == kind, pl.col("label_known_at_utc") <= as_of, pl.col("demand_kwh").is_finite()
        )
        days = min(TRAILING_DAYS, int(known["issued_at_utc"].n_unique() * TRAILING_SHARE))
        before = as_of - timedelta(days=days)
        unseen = known.filter(pl.col("issued_at_utc") >= before)
        if unseen.is_empty():
            return final
        offset = ratio_offset(known)
        earlier = model(rows, kind=kind, as_of=before, seed=seed, **settings)
        said = earlier.forecast(unseen.drop("demand_kwh", "label_known_at_utc"), known)
        return Banded(final, _bands(_all_quantiles(said), unseen, offset), offset)

    return fit


def _bands(said: pl.DataFrame, unseen: pl.DataFrame, offset: float) -> pl.DataFrame:
    """`block`, `quantile`, `shift`; a block of which no hour is known has none."""
    compared = (
        said.select(*KEYS, "quantile", said="demand_kwh").join(unseen, on=KEYS).filter(recent_level().is_finite())
    )
    exceeded = log_ratio(pl.col("demand_kwh"), offset) - log_ratio(pl.col("said"), offset)
    levels = compared.with_columns(_block(), exceeded.alias("exceeded")).filter(pl.col("quantile") != MEDIAN)
    parts = [
        levels.filter(pl.col("quantile") == level)
        .group_by("block", "quantile")
        .agg(pl.col("exceeded").quantile(level, "linear").alias("shift"))
        for level in QUANTILES
    ]
    return pl.concat(parts)


def _all_quantiles(said: pl.DataFrame) -> pl.DataFrame:
    """Points at every quantile; forecasts that have quantiles as they are."""
    if said["quantile"].n_unique() > 1:
        return said
    return said.drop("quantile").join(pl.DataFrame({"quantile": QUANTILES}), how="cross")


def _block() -> pl.Expr:
    return (pl.col("local_hour") // BLOCK_HOURS).alias("block")
