"""The next 15 minutes of machines, from their telemetry.

Belongs here: training and forecasting over `features.feat_machine_15min`. Does not belong here: the day-ahead models.

One LightGBM model per quantile over all machines of the warehouse, on ratios to the machine's last hour; a machine
whose telemetry is missing gets its last known value with wide bands, and says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from energy_assets.forecasting.features import Matrix
from energy_assets.forecasting.models import QUANTILES, Params
from energy_assets.forecasting.scoring import COLUMNS, Forecast
from energy_assets.forecasting.training import NotEnoughHistory
from energy_assets.metrics import array_errors

if TYPE_CHECKING:
    import lightgbm as lgb

MODEL_NAME = "machine_next_quarter"
LAST_VALUE_VERSION = "last_value"
MIN_ROWS = 96
MAX_ROWS = 30_000
STALE = timedelta(hours=1)
FLOOR_KWH = 1e-6
LAGS = ("energy_lag_1_kwh", "energy_lag_2_kwh", "energy_lag_3_kwh", "energy_lag_4_kwh", "energy_lag_96_kwh")
PLAIN = (
    "local_hour",
    "day_of_week",
    "temperature_mean_c",
    "vibration_mean_ms2",
    "vibration_max_ms2",
    "pressure_mean_bar",
)
FEATURES = (*PLAIN, *(c.removesuffix("_kwh") + "_ratio" for c in LAGS), "power_ratio", "power_max_ratio")
DEFAULT_FACTORS = (0.3, 0.5, 0.8, 1.0, 1.2, 1.7, 2.2)


@dataclass(frozen=True)
class MachineModel:
    """A trained model of all machines. `factors` are quantiles of demand / last value in training, for fallbacks."""

    version: str
    as_of_utc: datetime
    train_start_utc: datetime
    train_end_utc: datetime
    rows: int
    boosters: Mapping[float, lgb.Booster]
    shifts: tuple[float, ...]
    factors: tuple[float, ...]
    params: Params
    metrics: Mapping[str, float]
    name: str = MODEL_NAME
    kind: str = "machine"
    features: tuple[str, ...] = FEATURES

    def predict(self, frame: pl.DataFrame) -> Matrix:
        """kWh: rows x quantiles, sorted along the row, never below 0."""
        matrix = _matrix(frame)
        ratios = np.column_stack([np.asarray(self.boosters[q].predict(matrix, num_threads=1)) for q in QUANTILES])
        level = frame.select(_level().cast(pl.Float64)).to_series().to_numpy().reshape(-1, 1)
        result: Matrix = np.maximum(np.sort(ratios + np.asarray(self.shifts), axis=1), 0.0) * level
        return result


def train_machines(frame: pl.DataFrame, *, as_of: datetime, seed: int = 7, threads: int = 1) -> MachineModel:
    """Train on what was known at `as_of`: the oldest 80 % fit, the newest 20 % calibrate the quantiles.

    Args:
        frame: `features.feat_machine_15min` with `energy_kwh` (null where not usable) and, optionally,
            `label_known_at_utc`.
        as_of: tz-aware.
        seed: of LightGBM.
        threads: LightGBM threads.

    Raises:
        NotEnoughHistory: under 96 usable rows (a day of one machine).
    """
    known_at = pl.col("label_known_at_utc" if "label_known_at_utc" in frame.columns else "interval_end_utc")
    rows = (
        frame.filter(
            pl.col("energy_kwh").is_finite(), known_at <= as_of, pl.col("interval_end_utc") <= as_of, ~_unusable()
        )
        .sort("interval_start_utc", "machine_id")
        .tail(MAX_ROWS)
    )
    if rows.height < MIN_ROWS:
        raise NotEnoughHistory(f"machines: {rows.height} usable quarter hours known, {MIN_ROWS} are needed")
    matrix = _matrix(rows)
    target = rows.select((pl.col("energy_kwh") / _level()).clip(0, 20)).to_series().cast(pl.Float64).to_numpy()
    older = np.arange(rows.height) < int(rows.height * 0.8)
    params = Params(seed=seed, threads=threads)
    boosters = {q: _fit(matrix[older], target[older], q, params) for q in QUANTILES}
    held_out = np.column_stack([np.asarray(boosters[q].predict(matrix[~older], num_threads=1)) for q in QUANTILES])
    beyond = target[~older, None] - np.sort(held_out, axis=1)
    shifts = tuple(float(np.quantile(beyond[:, i], q)) for i, q in enumerate(QUANTILES))
    half = len(beyond) // 2  # the newer half of the held-out rows judges what the older half calibrated
    judged = np.sort(held_out, axis=1) + np.asarray([np.quantile(beyond[:half, i], q) for i, q in enumerate(QUANTILES)])
    level = rows.select(_level().cast(pl.Float64)).to_series().to_numpy()[~older][half:]
    actual = target[~older][half:] * level
    quantiles = np.maximum(np.sort(judged, axis=1)[half:], 0.0) * level[:, None]
    last = rows.select((pl.col("energy_kwh") / pl.col("energy_lag_1_kwh").clip(lower_bound=FLOOR_KWH)).clip(0, 20))
    span = rows.select(pl.col("interval_start_utc").min(), pl.col("interval_end_utc").max()).row(0)
    return MachineModel(
        version=_version(as_of, params, matrix, target),
        as_of_utc=as_of,
        train_start_utc=span[0],
        train_end_utc=span[1],
        rows=rows.height,
        boosters=boosters,
        shifts=shifts,
        factors=tuple(float(v) for v in np.nanquantile(last.to_series().cast(pl.Float64).to_numpy(), QUANTILES)),
        params=params,
        metrics={"held_out_rows": float(len(actual))} | array_errors(actual, quantiles, QUANTILES),
    )


def forecast_machines(frame: pl.DataFrame, model: MachineModel | None) -> Forecast:
    """The next quarter hour of every row, in the columns of the day-ahead forecast (`meter_id` = the machine).

    Fallbacks, with reason: `no_model`, `stale_data` (newest telemetry over an hour old at issue time),
    `no_positive_level` (at rest: the last value counts). A machine of which nothing is known is in `skipped`.
    """
    last = pl.coalesce("energy_lag_1_kwh", "energy_mean_4_kwh", "energy_lag_2_kwh", "energy_lag_96_kwh")
    reason = pl.when(_stale()).then(pl.lit("stale_data")).when(_no_level()).then(pl.lit("no_positive_level"))
    frame = frame.sort("machine_id", "issued_at_utc", "interval_start_utc").with_columns(
        (pl.lit("no_model") if model is None else reason).alias("quality_reason"),
        last.alias("_last"),
        (pl.col("interval_start_utc") - pl.col("issued_at_utc"))
        .dt.total_minutes()
        .cast(pl.Int32)
        .alias("lead_minutes"),
        pl.col("machine_id").alias("meter_id"),
    )
    hopeless = pl.col("_last").is_null() & pl.col("quality_reason").is_not_null()
    skipped = frame.filter(hopeless).group_by("meter_id", "issued_at_utc")
    counted = skipped.agg(pl.len().cast(pl.Int32).alias("intervals"), pl.lit("no_known_demand").alias("reason"))
    frame = frame.filter(~hopeless)
    factors = np.asarray(model.factors if model is not None else DEFAULT_FACTORS)
    values = frame.select(pl.col("_last").cast(pl.Float64).fill_null(0.0)).to_numpy() * factors
    primary = frame["quality_reason"].is_null().to_numpy()
    if model is not None and primary.any():
        values[primary] = model.predict(frame.filter(pl.Series(primary)))
    names = [str(q) for q in QUANTILES]
    carried = [c for c in COLUMNS if c not in ("quantile", "demand_kwh", "quality", "model_version")]
    wide = frame.select(carried).hstack(pl.DataFrame(values, schema=dict.fromkeys(names, pl.Float64)))
    rows = wide.unpivot(names, index=carried, variable_name="quantile", value_name="demand_kwh").with_columns(
        pl.col("quantile").cast(pl.Float64),
        pl.col("quality_reason").cast(pl.String),
        pl.when(pl.col("quality_reason").is_null())
        .then(pl.lit("primary"))
        .otherwise(pl.lit("fallback"))
        .alias("quality"),
        pl.lit(model.version if model is not None else LAST_VALUE_VERSION).alias("model_version"),
    )
    order = ["meter_id", "issued_at_utc", "interval_start_utc", "quantile"]
    return Forecast(rows.select(COLUMNS).sort(order), counted.sort("meter_id", "issued_at_utc"))


def _level() -> pl.Expr:
    return pl.coalesce(
        pl.when(pl.col(c) > FLOOR_KWH).then(pl.col(c)) for c in ("energy_mean_4_kwh", "energy_lag_1_kwh")
    )


def _stale() -> pl.Expr:
    return ((pl.col("issued_at_utc") - pl.col("data_cutoff_utc")) > STALE).fill_null(value=True)


def _no_level() -> pl.Expr:
    return ~_level().is_finite().fill_null(value=False)


def _unusable() -> pl.Expr:
    return _stale() | _no_level()


def _matrix(frame: pl.DataFrame) -> Matrix:
    quarter_kwh = _level() * 4000  # the level's mean power in W
    columns: list[Any] = [pl.col(c) for c in PLAIN]
    columns += [(pl.col(c) / _level()).clip(0, 20).alias(c.removesuffix("_kwh") + "_ratio") for c in LAGS]
    columns += [
        (pl.col("power_mean_w") / quarter_kwh).clip(0, 20).alias("power_ratio"),
        (pl.col("power_max_w") / quarter_kwh).clip(0, 50).alias("power_max_ratio"),
    ]
    chosen = frame.select(c.cast(pl.Float64).fill_null(float("nan")) for c in columns)
    return np.ascontiguousarray(chosen.to_numpy())


def _fit(matrix: Matrix, target: Matrix, quantile: float, params: Params) -> lgb.Booster:
    import lightgbm as lgb  # a second of import that loading the package should not cost

    settings = params.lightgbm(
        objective="quantile", alpha=quantile, num_leaves=15, min_data_in_leaf=min(40, len(target) // 10), max_bin=63
    )
    data = lgb.Dataset(matrix, target, feature_name=list(FEATURES))
    return lgb.Booster(model_str=lgb.train(settings, data, num_boost_round=60).model_to_string())


def _version(as_of: datetime, params: Params, matrix: Matrix, target: Matrix) -> str:
    whole = {
        "name": MODEL_NAME,
        "as_of": as_of.astimezone(UTC).isoformat(),
        "features": FEATURES,
        "seed": params.seed,
        "threads": params.threads,
        "data": hashlib.sha256(matrix.tobytes() + target.tobytes()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]
