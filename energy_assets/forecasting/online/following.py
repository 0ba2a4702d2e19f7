"""The quantiles of a trained model, brought up to the issue time by all that came true since.

Belongs here: which rows are looked at, the list of experts, the order of the steps. Does not belong here: the steps.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_assets.forecasting.features import PUBLISHED, Matrix, design_matrix, log_ratio, place_heating
from energy_assets.forecasting.linear import linear_columns, scaled
from energy_assets.forecasting.models import MEDIAN, QUANTILES, TrainedModel, uncross
from energy_assets.forecasting.online import bands, errors, weights
from energy_assets.forecasting.online.cube import NEVER, Cube
from energy_assets.forecasting.online.ridge import Family, recursive_ridge

FAMILY = Family()
PLACES_DEGREES = 2.0  # scale of the differences between places: what they are for most
WITH_TREES = (0, 2, 3, 5)  # of the family: those that the trees' correction is added to as well
KEYS = ("meter_id", "issued_at_utc", "interval_start_utc")
RECORD_DAYS = 90  # issue days before the first one asked for that count
WINDOW_DAYS = 18  # the same where meters are too many to be told apart: 28 were no better


def follow(model: TrainedModel, due: pl.DataFrame, history: pl.DataFrame) -> Matrix:
    """Quantiles in log ratios, rows of `due` x `QUANTILES`, sorted along the row.

    Args:
        model: the model of the kind.
        due: rows to forecast, sorted by key, whose inputs are known.
        history: rows with `demand_kwh` and, optionally, `label_known_at_utc` of any issue times, those of `due` among
            them or not, whose inputs are known. For each issue time only demand counts that was known by then.
    """
    rows = _together(model, due, history)
    matrix = design_matrix(rows, model.features, offset=model.offset, meters=model.meters)
    label = log_ratio(pl.col("demand_kwh"), model.offset).cast(pl.Float64).fill_null(float("nan"))
    target = rows.select(label).to_series().to_numpy()
    known = rows["_known"].dt.epoch("us").fill_null(NEVER).to_numpy().astype(np.int64)
    record = timedelta(days=RECORD_DAYS if model.follows else WINDOW_DAYS)
    first = due.select(pl.col("issued_at_utc").min()).item() - record
    recent = (rows["_due"] | (rows["issued_at_utc"] >= max(first, model.record_start_utc))).to_numpy()
    experts, distances = _experts(model, rows, matrix, recent, target, known)
    part = rows.filter(recent)
    cube = Cube.of(part)
    labels, since = cube.spread(target[recent]), cube.known(known[recent])
    spread = cube.spread(experts)
    point = weights.combine(spread, labels, since, cube.issued) if model.follows else spread[..., 0]
    point = errors.correct(point, labels, since, cube.issued)
    quantiles = bands.banded(point, cube.spread(distances), labels, since, cube.issued, QUANTILES)
    asked = part["_due"].to_numpy()
    return uncross(cube.gather(quantiles)[asked])


def _together(model: TrainedModel, due: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """Rows of both, sorted by key, `_due` on those to forecast; `_known` since when their demand is known."""
    known_at = pl.col("label_known_at_utc" if "label_known_at_utc" in history.columns else "interval_end_utc")
    labelled = history.filter(
        pl.col("kind") == model.kind, pl.col("issued_at_utc") <= due["issued_at_utc"].max()
    ).with_columns(
        # demand is not known before its interval is over, whatever a source says of itself
        pl.when(pl.col("demand_kwh").is_finite()).then(pl.max_horizontal(known_at, "interval_end_utc")).alias("_known")
    )
    labels = labelled.select(*KEYS, "demand_kwh", "_known")
    shared = [c for c in history.columns if c in due.columns and c not in ("demand_kwh", "label_known_at_utc")]
    asked = due.select(shared).with_columns(_due=pl.lit(value=True)).join(labels, on=KEYS, how="left")
    past = labelled.join(due.select(KEYS), on=KEYS, how="anti").with_columns(_due=pl.lit(value=False))
    if not model.follows:
        past = past.filter(pl.col("issued_at_utc") >= model.record_start_utc)
    return pl.concat([asked, past.select(asked.columns)]).sort(KEYS)


def _experts(
    model: TrainedModel, rows: pl.DataFrame, matrix: Matrix, recent: NDArray[np.bool_], target: Matrix,
    known: NDArray[np.int64],
) -> tuple[Matrix, Matrix]:  # fmt: skip
    """Rows x experts of the recent rows, the model's own median first; rows x quantiles, distances from it."""
    members, quantiles = model.members_and_quantiles(matrix[recent], rows.filter(recent)["issued_at_utc"])
    median = quantiles[:, [QUANTILES.index(MEDIAN)]]
    distances = quantiles - median
    if not model.follows:
        return median, distances
    columns = scaled(linear_columns(matrix, model.features), model.point.ridge.mean, model.point.ridge.scale)
    if model.needs_weather:
        columns = np.column_stack([columns, place_heating(rows) / PLACES_DEGREES])
    hour = matrix[:, model.features.index("local_hour")].astype(np.int64)
    issued = rows["issued_at_utc"].dt.epoch("us").to_numpy().astype(np.int64)
    renewed = np.full((len(rows), FAMILY.size), np.nan)
    meters = rows["meter_id"].rle_id().to_numpy()
    for meter in np.unique(meters):  # one by one: the matrices of 24 hours stay in the processor's cache
        own = meters == meter
        renewed[own] = recursive_ridge(columns[own], target[own], hour[own], issued[own], known[own], FAMILY)
    renewed = renewed[recent]
    renewed = np.where(np.isfinite(renewed), renewed, median)  # too few rows yet: the model speaks for them
    trees = (members[:, 1] - members[:, 0])[:, None]  # what the boosted trees add to their regression
    said = [median, members[:, 1:], renewed, renewed[:, WITH_TREES] + trees]
    if PUBLISHED in model.features:
        said.append(matrix[recent][:, [model.features.index(PUBLISHED)]])
    return np.column_stack(said), distances
