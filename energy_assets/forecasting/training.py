"""Fitting the day-ahead model of one kind of meter.

Belongs here: which rows may be learned from, cross-fitting over blocks of time, the fit of members, quantiles and
calibration. Does not belong here: prediction (`models.py`), whether a model is promoted (`gate.py`).

The scheme: members are fitted several times, each time without some blocks of days, to get residuals that they have
not seen. Quantile models learn those of the older days; the trailing days, forecast strictly forward, calibrate and
weigh the members. Faulty days are in every history: targets far from what a robust regression says are drawn near.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_assets.forecasting.calibration import calibrate, median_shifts
from energy_assets.forecasting.features import (
    CATEGORICAL_FEATURES,
    FEW_METERS,
    METER_CODE,
    PROFILE_KWH,
    Matrix,
    design_matrix,
    feature_names,
    from_log_ratio,
    log_ratio,
    ratio_offset,
    recent_level,
    told_apart,
)
from energy_assets.forecasting.linear import HourlyRidge, drawn_near, fit_robust_ridge, linear_columns, one_blas_thread
from energy_assets.forecasting.models import (
    MEDIAN,
    MODEL_NAME,
    QUANTILES,
    WITH_PUBLISHER,
    Params,
    PointModel,
    TrainedModel,
    direct_columns,
    member_count,
    own_spread,
    predict_quantiles,
    reference_ratio,
    spread_matrix,
    uncross,
)
from energy_assets.forecasting.selection import Folds, Mask, learnable, make_folds, meter_day_turn, naive_kwh
from energy_assets.metrics import array_errors

if TYPE_CHECKING:
    import lightgbm as lgb

__all__ = ["NotEnoughHistory", "Params", "train"]

MIN_DAYS = 14
BAND_WIDENING = 1.25  # fallbacks are needed when something is wrong: their bands are wider than in normal times
MIN_OWN_ROWS = 500  # of a meter's own regressions: three weeks
FAULT, OUTLIER = 8.0, 5.0  # robust standard deviations, from the usual and from a regression
EQUAL_SHARE = 0.25
FORMAT = 4  # part of the version: raise it when the same rows and parameters make another model


class NotEnoughHistory(ValueError):  # noqa: N818 - it says what is missing
    """A kind has too few days to learn from. Callers answer with the fallback forecast."""


def train(
    frame: pl.DataFrame,
    *,
    kind: str,
    as_of: datetime,
    seed: int = 7,
    threads: int = 1,
    params: Params | None = None,
    published: bool = False,
) -> TrainedModel:
    """Train the model of one kind of meter on what was known at `as_of`.

    Args:
        frame: `features.feat_demand_day_ahead` with the label `demand_kwh` (kWh per hour, null where not usable) and,
            optionally, `label_known_at_utc`; rows of other kinds and rows not known at `as_of` are left out here.
        kind: the kind of meter.
        as_of: tz-aware; a label counts if it was known by then (`label_known_at_utc`, else the interval's end).
        seed: of LightGBM's sampling; ignored, like `threads`, where `params` is given.
        threads: LightGBM threads; another number is another model version.
        params: all parameters.
        published: learn from `published_demand_kwh` too, known in every row; the model's name says so.

    Raises:
        NotEnoughHistory: under 14 days with usable rows.
    """
    one_blas_thread()
    params = params or Params(seed=seed, threads=threads)
    rows, weather, without, days, span = learnable(frame, kind=kind, as_of=as_of, limit=params.max_rows)
    if days < MIN_DAYS:
        raise NotEnoughHistory(
            f"kind {kind}: {days} issue days with demand and inputs known at {as_of.isoformat()}, {MIN_DAYS} are needed"
        )
    meters = told_apart(rows["meter_id"].unique())
    count = rows["meter_id"].n_unique()
    profiles = count > FEW_METERS and PROFILE_KWH in rows.columns
    names = feature_names(weather=weather, meters=bool(meters), published=published, profiles=profiles)
    offset = ratio_offset(rows)
    matrix = design_matrix(rows, names, offset=offset, meters=meters)
    target = rows.select(log_ratio(pl.col("demand_kwh"), offset)).to_series().to_numpy()
    usual = reference_ratio(matrix, names, "demand_similar_median_log_ratio")
    near = drawn_near(target, usual, FAULT)
    folds = make_folds(rows["issued_at_utc"], params)
    turns = rows.select(meter_day_turn().cast(pl.Int64)).to_series().to_numpy()

    members = np.full((rows.height, member_count(names)), np.nan)
    forward: list[tuple[datetime, PointModel]] = []
    for held_out, learned in folds.splits:
        chosen = _thin(learned, turns, params.max_rows // 2)
        fitted = _fit_point(matrix[chosen], near[chosen], names, params)
        members[held_out] = fitted.members(matrix[held_out])
        if folds.trailing[held_out].all():
            forward.append((rows.filter(pl.Series(held_out)).select(pl.col("issued_at_utc").min()).item(), fitted))
    judged = np.isfinite(members[:, 0])
    trailing = folds.trailing & judged
    weights = _weights(members[trailing], near[trailing])
    out_of_sample = (members * np.asarray(weights)).sum(axis=1)

    quantile_models = _fit_quantiles(matrix, target, out_of_sample, names, folds.older & judged, params)
    raw = predict_quantiles(out_of_sample[trailing], matrix[trailing], names, quantile_models)
    hours = matrix[trailing, names.index("local_hour")]
    # what the mean of logs lacks of a median (skewness) is learned over all days
    skew = median_shifts(target[judged], out_of_sample[judged], matrix[judged, names.index("local_hour")])
    calibration = calibrate(target[trailing], raw, hours, QUANTILES, median_shift=skew)
    metrics = _held_out_metrics(rows, folds, trailing, raw, target, offset)
    final = _fit_point(matrix, near, names, params, weights)
    return TrainedModel(
        name=f"{MODEL_NAME}{WITH_PUBLISHER if published else ''}_{kind}",
        kind=kind,
        version=_version(kind, as_of, names, params, matrix, target),
        as_of_utc=as_of,
        train_start_utc=span[0],
        train_end_utc=span[1],
        rows=rows.height,
        needs_weather=weather,
        meters_without_weather=without,
        offset=offset,
        point=final,
        held_out=tuple(forward),
        quantile_models=quantile_models,
        calibration=calibration,
        fallback_bands=_fallback_bands(rows, target, offset),
        meters=meters,
        follows=count <= FEW_METERS,
        params=params,
        metrics=metrics,
    )


def _fit_point(
    matrix: Matrix, target: Matrix, names: tuple[str, ...], params: Params, weights: tuple[float, ...] | None = None
) -> PointModel:
    columns = linear_columns(matrix, names)
    hours = matrix[:, names.index("local_hour")]
    ridge = fit_robust_ridge(columns, target, hours, alpha=params.ridge_alpha)
    own = _fit_own(columns, target, hours, matrix[:, names.index(METER_CODE)], params) if METER_CODE in names else {}
    linear = ridge.predict(columns, hours)
    target = drawn_near(target, linear, OUTLIER)
    trees = {
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "feature_fraction": 0.4,
        "lambda_l2": 1.0,
        "max_bin": 63,
        "min_data_in_leaf": min(60, max(10, len(target) // 50)),
        "objective": "l2",
    }
    boosted = _fit_trees(
        matrix,
        target - linear,
        names,
        params.lightgbm(num_leaves=params.residual_leaves, **trees),
        max(params.trees * 2 // 5, 1),
    )
    reference = reference_ratio(matrix, names)
    centred = reference - reference.mean()
    # trees learn the change since yesterday where that is the smaller thing to learn (a country), else (a home, whose
    # single hours are mostly chance) the ratio to the level, less the part of yesterday that a line can trust
    slope = float(np.clip((centred @ (target - target.mean())) / max(float(centred @ centred), 1e-9), 0.0, 1.0))
    slope = 1.0 if slope > 0.5 else slope
    seen = direct_columns(names)
    direct = _fit_trees(
        np.ascontiguousarray(matrix[:, seen]), target - slope * reference, tuple(names[i] for i in seen),
        params.lightgbm(num_leaves=params.direct_leaves, **trees), params.trees,
    )  # fmt: skip
    members = member_count(names)
    return PointModel(names, ridge, boosted, direct, slope, weights or (1 / members,) * members, own)


def _fit_own(columns: Matrix, target: Matrix, hours: Matrix, code: Matrix, params: Params) -> dict[int, HourlyRidge]:
    """A regression per meter with enough rows; there are at most `FEW_METERS` of them."""
    numbers, counts = np.unique(code[np.isfinite(code)], return_counts=True)
    return {
        int(number): fit_robust_ridge(
            columns[code == number], target[code == number], hours[code == number], alpha=params.ridge_alpha
        )
        for number, count in zip(numbers, counts, strict=True)
        if count >= MIN_OWN_ROWS
    }


def _fit_quantiles(
    matrix: Matrix, target: Matrix, point: Matrix, names: tuple[str, ...], use: Mask, params: Params
) -> dict[float, lgb.Booster]:
    spread = spread_matrix(point[use], matrix[use], names)
    residual = (target[use] - point[use]) / own_spread(matrix[use], names)
    labels = ("point", *(str(i) for i in range(spread.shape[1] - 1)))
    leaf = min(100, max(10, len(residual) // 20))
    return {
        q: _fit_trees(
            spread,
            residual,
            labels,
            params.lightgbm(
                objective="quantile", alpha=q, num_leaves=params.quantile_leaves, min_data_in_leaf=leaf, max_bin=63
            ),
            params.quantile_trees,
        )
        for q in QUANTILES
        if q != MEDIAN
    }


def _fit_trees(
    matrix: Matrix, target: Matrix, names: tuple[str, ...], settings: dict[str, object], trees: int
) -> lgb.Booster:
    import lightgbm as lgb  # a second of import that loading the package should not cost

    categorical = [n for n in names if n in CATEGORICAL_FEATURES]
    data = lgb.Dataset(matrix, target, feature_name=list(names), categorical_feature=categorical, free_raw_data=True)
    booster = lgb.train(settings, data, num_boost_round=trees)
    # through its text, so that a model just trained and one read from its artefact are the same to the bit
    return lgb.Booster(model_str=booster.model_to_string())


def _weights(members: Matrix, target: Matrix) -> tuple[float, ...]:
    """Convex weights from held-out rows, drawn towards equal ones: estimated weights alone rarely beat the mean."""
    from scipy.optimize import nnls  # a second of import that loading the package should not cost

    count = members.shape[1]
    target = drawn_near(target, np.median(members, axis=1), OUTLIER)
    scale = float(np.abs(members).max()) * np.sqrt(len(target)) * 10 or 1.0
    solved, _ = nnls(np.vstack([members, np.full((1, count), scale)]), np.append(target, scale))
    total = float(solved.sum()) or 1.0
    mixed = (1 - EQUAL_SHARE) * solved / total + EQUAL_SHARE / count
    return tuple(float(w) for w in mixed / mixed.sum())


def _thin(learned: Mask, turns: NDArray[np.int64], limit: int) -> Mask:
    """At most about `limit` of the learned rows, in whole meter-days; cross-fits need no more."""
    step = max(1, -(-int(learned.sum()) // max(limit, 1)))
    thin: Mask = learned & (turns % step == 0)
    return thin


def _fallback_bands(rows: pl.DataFrame, target: Matrix, offset: float) -> tuple[float, ...]:
    naive = rows.select(log_ratio(naive_kwh(), offset).cast(pl.Float64).fill_null(float("nan"))).to_series().to_numpy()
    error = (target - naive)[np.isfinite(naive)]
    if len(error) == 0:
        return (0.0,) * len(QUANTILES)
    return tuple(float(v) for v in np.quantile(error, QUANTILES) * BAND_WIDENING)


def _held_out_metrics(
    rows: pl.DataFrame, folds: Folds, trailing: Mask, raw: Matrix, target: Matrix, offset: float
) -> dict[str, float]:
    """Errors on the trailing days; the second half of them judges quantiles calibrated on the first."""
    part = rows.filter(pl.Series(trailing))
    level = part.select(recent_level()).to_series().to_numpy().reshape(-1, 1)
    hours = part["local_hour"].cast(pl.Float64).to_numpy()
    later = folds.later_half[trailing]
    judged = later if later.any() and not later.all() else np.ones(len(part), dtype=bool)
    learned = ~later if later.any() and not later.all() else judged
    shift = calibrate(target[trailing][learned], raw[learned], hours[learned], QUANTILES)
    quantiles = from_log_ratio(uncross(shift.apply(raw, hours)), level, offset)[judged]
    actual = part["demand_kwh"].to_numpy()[judged]
    return {"held_out_rows": float(len(actual))} | array_errors(actual, quantiles, QUANTILES)


def _version(kind: str, as_of: datetime, names: tuple[str, ...], params: Params, matrix: Matrix, target: Matrix) -> str:
    data = hashlib.sha256(matrix.tobytes() + target.tobytes()).hexdigest()
    whole = {
        "format": FORMAT, "kind": kind, "as_of": as_of.astimezone(UTC).isoformat(), "features": names,
        "params": asdict(params), "data": data,
    }  # fmt: skip
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]
