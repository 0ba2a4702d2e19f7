"""Forecasts of every row of a feature frame: the model where its inputs are known, else openly a fallback.

Belongs here: which rows fall back and why, the fallback itself, the long form. Does not belong here: the model's own
prediction (`models.py`), revisions and run ids (the caller knows what was said before).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import polars as pl
import polars.selectors as cs

from energy_assets.forecasting.features import Matrix, from_log_ratio, log_ratio, recent_level
from energy_assets.forecasting.models import QUANTILES, TrainedModel
from energy_assets.forecasting.online.following import follow
from energy_assets.forecasting.selection import MIN_KNOWN_DAYS, STALE_DAYS, is_stale, naive_kwh

BATCH_METERS, BATCHES_AT_ONCE = 250, 2
NAIVE_VERSION = "seasonal_naive"  # the model version of forecasts of a kind that has no model
# without a model nothing is known about errors: bands as wide as those of single homes (log ratios, offset 0.3)
DEFAULT_BANDS = (-1.1, -0.8, -0.35, 0.0, 0.35, 0.8, 1.1)
DEFAULT_OFFSET = 0.3
KEYS = ("meter_id", "issued_at_utc", "interval_start_utc")
CARRIED = (*KEYS, "interval_end_utc", "lead_minutes", "data_cutoff_utc")
COLUMNS = (
    "meter_id",
    "issued_at_utc",
    "interval_start_utc",
    "interval_end_utc",
    "lead_minutes",
    "quantile",
    "demand_kwh",
    "quality",
    "quality_reason",
    "data_cutoff_utc",
    "model_version",
)


class Forecast(NamedTuple):
    """`rows`: columns `COLUMNS`, seven quantiles per row of the feature frame, sorted by key and quantile.

    `skipped`: meter_id, issued_at_utc, intervals, reason - what could not be forecast by any means.
    """

    rows: pl.DataFrame
    skipped: pl.DataFrame


def forecast(
    frame: pl.DataFrame,
    model: TrainedModel | None,
    recent: pl.DataFrame | None = None,
    *,
    fallback_because: str | None = None,
) -> Forecast:
    """Forecast every row of one kind of meter, for any number of meters and issue times.

    Reasons of a fallback (`quality_reason`): `no_model` (none for the kind), `stale_data` (newest reading over
    3 days old at issue time), `too_few_days` (demand of under 7 days known), `no_positive_level` (nothing but zeros
    known), `weather_missing` (the meter's weather was learned from and the interval has none). The fallback is the
    seasonal naive value, else the last known day, with bands from the naive value's errors in training, widened.
    A row for which no demand is known at all is not forecast but counted in `skipped`.

    Args:
        frame: columns of `features.feat_demand_day_ahead`; labels, if there are any, are not looked at.
        model: the model of the kind, or None.
        recent: the same columns with `demand_kwh` and, optionally, `label_known_at_utc`, of issue times before those of
            `frame`: the forecasts follow what they have taught since (`online`); without them the model speaks as it
            was trained.
        fallback_because: makes every forecast a fallback for this reason, with the bands that the model has for them.

    Raises:
        ValueError: the frame holds meters of another kind than the model's.
    """
    if model is not None:
        others = frame.filter(pl.col("kind") != model.kind)["kind"].unique().sort().to_list()
        if others:
            raise ValueError(
                f"model {model.version} forecasts {model.kind} meters, the frame holds {', '.join(others)}"
            )
    frame = (
        frame.sort(KEYS)
        .with_columns(cs.float().fill_nan(None))
        .with_columns(
            (_reason(model) if fallback_because is None else pl.lit(fallback_because)).alias("quality_reason"),
            naive_kwh().alias("_naive"),
        )
    )
    hopeless = pl.col("_naive").is_null() & pl.col("quality_reason").is_not_null()
    skipped = (
        frame.filter(hopeless)
        .group_by("meter_id", "issued_at_utc")
        .agg(pl.len().cast(pl.Int32).alias("intervals"), pl.lit("no_known_demand").alias("reason"))
        .sort("meter_id", "issued_at_utc")
    )
    frame = frame.filter(~hopeless)
    primary = frame.filter(pl.col("quality_reason").is_null())
    fallback = frame.filter(pl.col("quality_reason").is_not_null())
    parts = []
    if primary.height and model is not None:
        parts.append(_long(primary, _predicted(primary, model, recent), "primary"))
    if fallback.height:
        parts.append(_long(fallback, _fallback(fallback, model), "fallback"))
    version = model.version if model is not None else NAIVE_VERSION
    if not parts:
        parts = [_long(frame, np.zeros((0, len(QUANTILES))), "primary")]
    rows = pl.concat(parts).with_columns(pl.lit(version).alias("model_version"))
    return Forecast(rows.select(COLUMNS).sort(*KEYS, "quantile"), skipped)


def _predicted(frame: pl.DataFrame, model: TrainedModel, recent: pl.DataFrame | None) -> Matrix:
    """Rows x quantiles in kWh: as the days before have taught, or as of the training where none are given.

    Meters too many to be told apart teach each other nothing, so some of them at a time take less memory.
    """
    meters = frame["meter_id"].unique().sort()
    if model.follows or len(meters) <= BATCH_METERS:
        return _predicted_together(frame, model, recent)

    def of(first: int) -> Matrix:
        some = pl.col("meter_id").is_in(meters[first : first + BATCH_METERS].implode())
        return _predicted_together(frame.filter(some), model, None if recent is None else recent.filter(some))

    with ThreadPoolExecutor(BATCHES_AT_ONCE) as pool:  # most of the work lets go of the interpreter
        return np.concatenate(list(pool.map(of, range(0, len(meters), BATCH_METERS))))


def _predicted_together(frame: pl.DataFrame, model: TrainedModel, recent: pl.DataFrame | None) -> Matrix:
    if recent is None:
        return model.predict(frame)
    usable = recent.with_columns(cs.float().fill_nan(None)).filter(_reason(model).is_null())
    return model.kilowatt_hours(follow(model, frame, usable), frame)


def _reason(model: TrainedModel | None) -> pl.Expr:
    if model is None:
        return pl.lit("no_model")
    weather = pl.lit(value=False)
    if model.needs_weather:
        weather = pl.col("temperature_c").is_null() & ~pl.col("meter_id").is_in(list(model.meters_without_weather))
    return (
        pl.when(is_stale())
        .then(pl.lit("stale_data"))
        .when(pl.col("known_days").fill_null(0) < MIN_KNOWN_DAYS)
        .then(pl.lit("too_few_days"))
        .when(~recent_level().is_finite().fill_null(value=False))
        .then(pl.lit("no_positive_level"))
        .when(weather)
        .then(pl.lit("weather_missing"))
    )


def _fallback(frame: pl.DataFrame, model: TrainedModel | None) -> Matrix:
    """Rows x quantiles in kWh around the naive value; where no level is known (all zero) the value itself."""
    offset = model.offset if model is not None else DEFAULT_OFFSET
    bands = np.asarray(model.fallback_bands if model is not None else DEFAULT_BANDS)
    level = pl.coalesce(recent_level(), pl.when(pl.col("_naive") > 0).then(pl.col("_naive"))).cast(pl.Float64)
    known = frame.with_columns(level.alias("demand_mean_168h_kwh")).select(
        log_ratio(pl.col("_naive"), offset).cast(pl.Float64).fill_null(0.0).alias("ratio"),
        recent_level().cast(pl.Float64).fill_null(0.0).alias("level"),
    )
    ratio, scale = (known[c].to_numpy().reshape(-1, 1) for c in ("ratio", "level"))
    return from_log_ratio(ratio + np.sort(bands), scale, offset)


def _long(frame: pl.DataFrame, values: Matrix, quality: str) -> pl.DataFrame:
    names = [str(q) for q in QUANTILES]
    wide = frame.select(*CARRIED, "quality_reason").hstack(
        pl.DataFrame(values, schema=dict.fromkeys(names, pl.Float64))
    )
    index = [*CARRIED, "quality_reason"]
    return wide.unpivot(names, index=index, variable_name="quantile", value_name="demand_kwh").with_columns(
        pl.col("quantile").cast(pl.Float64),
        pl.lit(quality).alias("quality"),
        pl.col("lead_minutes").cast(pl.Int32),
        pl.col("quality_reason").cast(pl.String),
    )


__all__ = ["COLUMNS", "NAIVE_VERSION", "STALE_DAYS", "Forecast", "forecast"]
