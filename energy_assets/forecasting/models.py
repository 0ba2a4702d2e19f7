"""What a trained day-ahead model is, and how it predicts.

Belongs here: the parts of the model (point members, quantile models, calibration), their parameters and prediction in
log ratios and kWh. Does not belong here: fitting (`training.py`), files (`artefact.py`), fallbacks (`scoring.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from energy_assets.forecasting.calibration import Calibration
from energy_assets.forecasting.features import (
    METER_CODE,
    PROFILE,
    PROFILE_SPREAD,
    Matrix,
    design_matrix,
    from_log_ratio,
    recent_level,
)
from energy_assets.forecasting.linear import HourlyRidge, linear_columns

if TYPE_CHECKING:
    import lightgbm as lgb

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
MEDIAN = 0.5
MODEL_NAME = "demand_blend"
WITH_PUBLISHER = "_with_publisher"  # in the name of a model that also knows what a publisher had said
MANY_ROWS, MANY_ROWS_THREADS = 50_000, 2  # that trees predict together
UNKNOWN_SPREAD = 0.5  # log ratio
# the fourth where meters are told apart, the last where not
MEMBERS = ("ridge", "boosted_ridge", "direct_trees", "own_ridge", "profile")
# a season seen once is remembered by heart: this member learns the season from weather and demand only
SEASON_FEATURES = ("day_of_year", "year_sin_1", "year_cos_1", "year_sin_2", "year_cos_2")
SPREAD_FEATURES = (
    "local_hour",
    "day_of_week",
    "day_type_code",
    "demand_same_weekday_spread",
    "demand_week_change",
    "demand_last_day_min_log_ratio",
    "demand_last_day_max_log_ratio",
    "demand_same_weekday_median_log_ratio",
    "morning_log_ratio",
    "temperature_c",
    "temperature_change_2d_c",
    PROFILE,
    PROFILE_SPREAD,
)


@dataclass(frozen=True)
class Params:
    """Everything that can be tuned. `threads` is part of the version: it decides the order of sums."""

    seed: int = 7
    threads: int = 1
    ridge_alpha: float = 20.0
    trees: int = 130
    learning_rate: float = 0.1
    direct_leaves: int = 24
    residual_leaves: int = 15
    quantile_trees: int = 60
    quantile_leaves: int = 7
    max_rows: int = 30_000
    calibration_days: int = 90
    block_days: int = 14

    def lightgbm(self, **more: Any) -> dict[str, Any]:
        """LightGBM parameters under which the same rows give the same bits."""
        return {
            "num_threads": self.threads,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
            "learning_rate": self.learning_rate,
            **more,
        }


@dataclass(frozen=True)
class PointModel:
    """The members and their weights. All speak in log ratios to the meter's recent level.

    `own` holds a ridge regression per meter, by meter number: meters have calendars and heating of their own. Where a
    meter has none, the common one speaks for it.
    """

    names: tuple[str, ...]
    ridge: HourlyRidge
    boosted: lgb.Booster
    direct: lgb.Booster
    reference_slope: float
    weights: tuple[float, ...]
    own: Mapping[int, HourlyRidge] = field(default_factory=dict)

    def members(self, matrix: Matrix) -> Matrix:
        """Rows x members (`MEMBERS`)."""
        columns, hours = linear_columns(matrix, self.names), matrix[:, self.names.index("local_hour")]
        linear = self.ridge.predict(columns, hours)
        boosted = linear + trees(self.boosted, matrix)
        reference = self.reference_slope * reference_ratio(matrix, self.names)
        direct = reference + trees(self.direct, matrix[:, direct_columns(self.names)])
        found = [linear, boosted, direct]
        if METER_CODE in self.names:
            own = linear.copy()
            code = matrix[:, self.names.index(METER_CODE)]
            for number, ridge in self.own.items():
                rows = code == number
                own[rows] = ridge.predict(columns[rows], hours[rows])
            found.append(own)
        if PROFILE in self.names:
            profile = matrix[:, self.names.index(PROFILE)]
            found.append(np.where(np.isfinite(profile), profile, linear))
        return np.column_stack(found)


@dataclass(frozen=True)
class TrainedModel:
    """A model of one kind of meter. Immutable; `version` is a hash of all that went into it.

    `held_out` are fits that had not learned from the issue days from their instant on, until the next one's or
    `as_of_utc`: what they say of these days is a record of honest errors. `metrics` are of such days. `fallback_bands`
    are the quantiles of the log ratio between demand and the seasonal naive forecast on the training rows. `meters` are
    those told apart, by number. `follows` says whether regressions of each meter learn on between trainings: where
    meters are few.
    """

    name: str
    kind: str
    version: str
    as_of_utc: datetime
    train_start_utc: datetime
    train_end_utc: datetime
    rows: int
    needs_weather: bool
    meters_without_weather: tuple[str, ...]
    offset: float
    point: PointModel
    held_out: tuple[tuple[datetime, PointModel], ...]
    quantile_models: Mapping[float, lgb.Booster]
    calibration: Calibration
    fallback_bands: tuple[float, ...]
    meters: tuple[str, ...] = ()
    follows: bool = True
    params: Params = field(default_factory=Params)
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def features(self) -> tuple[str, ...]:
        """Ordered names of the features."""
        return self.point.names

    def importance(self) -> dict[str, float]:
        """Share of each feature in the gain of the tree members, summing to 1."""
        gain = dict.fromkeys(self.features, 0.0)
        direct = [self.features[i] for i in direct_columns(self.features)]
        for booster, names in ((self.point.boosted, self.features), (self.point.direct, direct)):
            values = booster.feature_importance(importance_type="gain")
            total = float(values.sum()) or 1.0
            for name, value in zip(names, values, strict=True):
                gain[name] += float(value) / total / 2
        return gain

    @property
    def record_start_utc(self) -> datetime:
        """The first issue time of which something is said that was not learned from."""
        return self.held_out[0][0] if self.held_out else self.as_of_utc

    def predict(self, frame: pl.DataFrame) -> Matrix:
        """Calibrated quantiles in kWh as of the training: rows x `QUANTILES`, sorted along the row, never below 0.

        Args:
            frame: rows of `features.feat_demand_day_ahead` whose `recent_level()` is known; other rows give NaN.
        """
        matrix = design_matrix(frame, self.features, offset=self.offset, meters=self.meters)
        return self.kilowatt_hours(self._of_fit(self.point, matrix)[1], frame)

    def kilowatt_hours(self, quantiles: Matrix, frame: pl.DataFrame) -> Matrix:
        """Quantiles in kWh from those in log ratios, of the same rows."""
        level = frame.select(recent_level().cast(pl.Float64).fill_null(float("nan")))
        return from_log_ratio(quantiles, level.to_numpy().reshape(-1, 1), self.offset)

    def members_and_quantiles(self, matrix: Matrix, issued: pl.Series) -> tuple[Matrix, Matrix]:
        """Rows x members and rows x `QUANTILES` (calibrated, sorted), log ratios, by fits that had not seen the rows.

        Args:
            matrix: from `design_matrix`.
            issued: issue times of the rows, none before `record_start_utc`.
        """
        fits = [*self.held_out, (self.as_of_utc, self.point)]
        turn = np.sum([(issued >= since).to_numpy() for since, _ in fits[1:]] or [np.zeros(len(issued))], axis=0)
        members = np.full((len(matrix), len(self.point.weights)), np.nan)
        quantiles = np.full((len(matrix), len(QUANTILES)), np.nan)
        for number, (_, fit) in enumerate(fits):
            rows = turn == number
            if rows.any():
                members[rows], quantiles[rows] = self._of_fit(fit, matrix[rows])
        return members, quantiles

    def _of_fit(self, fit: PointModel, matrix: Matrix) -> tuple[Matrix, Matrix]:
        members = fit.members(matrix)
        # not a matrix product: its last bits may depend on how many rows are predicted together
        point = (members * np.asarray(self.point.weights)).sum(axis=1)
        values = predict_quantiles(point, matrix, self.features, self.quantile_models)
        return members, uncross(self.calibration.apply(values, matrix[:, self.features.index("local_hour")]))


def trees(booster: lgb.Booster, matrix: Matrix) -> Matrix:
    """What trees say of each row. A row's sum is its own, so threads change no bit; few rows are not worth them."""
    return np.asarray(booster.predict(matrix, num_threads=1 if len(matrix) < MANY_ROWS else MANY_ROWS_THREADS))


def member_count(names: Sequence[str]) -> int:
    """How many of `MEMBERS` a model with these features has."""
    return len(MEMBERS) - 2 + (METER_CODE in names) + (PROFILE in names)


def reference_ratio(
    matrix: Matrix, names: tuple[str, ...], first: str = "demand_last_day_same_hour_log_ratio"
) -> Matrix:
    """Log ratio of the same hour of the last known day (or `first`); of the same weekday, else 0, where unknown."""
    chosen = matrix[:, names.index(first)]
    weekday = matrix[:, names.index("demand_same_weekday_median_log_ratio")]
    result: Matrix = np.nan_to_num(np.where(np.isfinite(chosen), chosen, weekday), nan=0.0)
    return result


def direct_columns(names: tuple[str, ...]) -> list[int]:
    """Columns that the direct trees see."""
    return [i for i, name in enumerate(names) if name not in SEASON_FEATURES]


def spread_matrix(point: Matrix, matrix: Matrix, names: tuple[str, ...]) -> Matrix:
    """What the quantile models see: the point forecast and the few columns that say how sure it is."""
    return np.column_stack([point, matrix[:, [names.index(n) for n in SPREAD_FEATURES if n in names]]])


def predict_quantiles(
    point: Matrix, matrix: Matrix, names: tuple[str, ...], models: Mapping[float, lgb.Booster]
) -> Matrix:
    """Rows x quantiles in log ratios, not yet calibrated; the median is the point forecast."""
    spread = spread_matrix(point, matrix, names)
    width = own_spread(matrix, names)
    columns = [point + width * trees(models[q], spread) if q in models else point for q in QUANTILES]
    return np.column_stack(columns)


def own_spread(matrix: Matrix, names: Sequence[str]) -> Matrix:
    """How far each row's meter usually is from its profile (log ratio): what errors are measured in; else 1."""
    if PROFILE_SPREAD not in names:
        return np.ones(len(matrix))
    return np.nan_to_num(matrix[:, names.index(PROFILE_SPREAD)], nan=UNKNOWN_SPREAD)


def uncross(quantiles: Matrix) -> Matrix:
    """Quantiles sorted outward from the median, which stays: the nearer to it one was fitted on more data."""
    middle = QUANTILES.index(MEDIAN)
    result = quantiles.copy()
    result[:, middle:] = np.maximum.accumulate(result[:, middle:], axis=1)
    result[:, : middle + 1] = np.minimum.accumulate(result[:, middle::-1], axis=1)[:, ::-1]
    return result
