"""Errors of forecasts, per meter, model, lead bucket and day.

Belongs here: metrics over frames and arrays. Does not belong here: which model is better (`gate.py`), drift.

Definitions: error = forecast - actual (a positive bias forecasts too much); `mape` leaves out hours whose actual is
under 5 % of the group's mean; `wape` = sum |error| / sum |actual|; `pinball` is the mean over the seven quantiles;
`coverage_80` is the share of actuals inside the central 80 % band and `width_80` its mean width; `peak_error` is the
forecast's daily maximum minus the actual one, relative, absolute, mean over days; `peak_hour_hit` the share of days
whose forecast peak lies within an hour of the actual one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from energy_assets.forecasting.features import Matrix

NEAR_ZERO = 0.05
BANDS = {50: (0.25, 0.75), 80: (0.1, 0.9), 90: (0.05, 0.95)}
LEAD_EDGES_HOURS = (15, 21, 27, 33, 39)
ALL = "all"
UNIT_METRICS = ("mae", "rmse", "mape", "wape", "bias", "pinball")


def point_metrics(actual: Matrix, forecast: Matrix) -> dict[str, float]:
    """MAE, RMSE, MAPE, WAPE and bias of two arrays of one shape (kWh).

    >>> import numpy as np
    >>> point_metrics(np.array([100.0, 200.0]), np.array([110.0, 180.0]))["mae"]
    15.0
    """
    error = forecast - actual
    size = np.abs(actual)
    far = size >= NEAR_ZERO * size.mean() if len(actual) else np.zeros(0, dtype=bool)
    far &= size > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "mae": float(np.abs(error).mean()),
            "rmse": float(np.sqrt((error**2).mean())),
            "mape": float((np.abs(error[far]) / size[far]).mean()) if far.any() else float("nan"),
            "wape": float(np.abs(error).sum() / size.sum()) if size.sum() else float("nan"),
            "bias": float(error.mean()),
        }


def quantile_metrics(actual: Matrix, quantiles: Matrix, levels: Sequence[float]) -> dict[str, float]:
    """Pinball loss, coverage and width of the 50, 80 and 90 % bands.

    Args:
        actual: kWh, one per row.
        quantiles: rows x `levels`, kWh.
        levels: probabilities; bands whose levels are absent are left out.
    """
    q = np.asarray(levels)
    below = actual[:, None] - quantiles
    found = {"pinball": float(np.maximum(q * below, (q - 1) * below).mean())}
    at = {round(float(level), 6): i for i, level in enumerate(levels)}
    for band, (low, high) in BANDS.items():
        if low in at and high in at:
            lower, upper = quantiles[:, at[low]], quantiles[:, at[high]]
            found[f"coverage_{band}"] = float(((actual >= lower) & (actual <= upper)).mean())
            found[f"width_{band}"] = float((upper - lower).mean())
    return found


def lead_bucket() -> pl.Expr:
    """Bucket of `lead_minutes` in hours: 15-21, 21-27, 27-33, 33-39, or a six-hour step beyond or below."""
    low = ((pl.col("lead_minutes") / 60 - 15) / 6).floor().cast(pl.Int64) * 6 + 15
    return pl.format("{}-{}", low, low + 6)


def compare(forecasts: pl.DataFrame, actuals: pl.DataFrame) -> pl.DataFrame:
    """One row per forecast interval with the actual beside it; point (median) and quantiles in columns.

    Args:
        forecasts: meter_id, issued_at_utc, interval_start_utc, quantile, demand_kwh and the model's column
            (`model_name` or `model_version`); further columns are ignored.
        actuals: meter_id, interval_start_utc, demand_kwh (null where not usable) and local_date, local_hour.

    Returns:
        Rows whose actual is known: model, meter_id, issued_at_utc, interval_start_utc, local_date, lead_minutes,
        lead_bucket, actual_kwh, point_kwh, q_0.05 … (null where the model gives no such quantile).
    """
    model = "model_name" if "model_name" in forecasts.columns else "model_version"
    keys = ["model", "meter_id", "issued_at_utc", "interval_start_utc"]
    levels = sorted(level for pair in BANDS.values() for level in pair)
    levels.insert(len(levels) // 2, 0.5)
    is_level = {level: (pl.col("quantile") - level).abs() < 1e-6 for level in levels}
    wide = (
        forecasts.rename({model: "model"})
        .group_by(keys)
        .agg(
            pl.col("demand_kwh").filter(condition).first().alias(f"q_{level}") for level, condition in is_level.items()
        )
    )
    known = actuals.filter(pl.col("demand_kwh").is_not_null()).select(
        "meter_id", "interval_start_utc", "local_date", actual_kwh="demand_kwh"
    )
    lead = (pl.col("interval_start_utc") - pl.col("issued_at_utc")).dt.total_minutes().cast(pl.Int32)
    return (
        wide.join(known.unique(["meter_id", "interval_start_utc"]), on=["meter_id", "interval_start_utc"])
        .with_columns(lead.alias("lead_minutes"), pl.col("q_0.5").alias("point_kwh"))
        .filter(pl.col("point_kwh").is_not_null())
        .with_columns(lead_bucket().alias("lead_bucket"))
        .sort(keys)
    )


def interval_metrics(compared: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Long frame `by` + metric, value, n: the metrics of a frame made by `compare`, set-based.

    Peak metrics are there only where `by` leaves whole days together (no `lead_bucket` in it).
    """
    by = list(by)
    error = pl.col("point_kwh") - pl.col("actual_kwh")
    size = pl.col("actual_kwh").abs()
    far = (size >= NEAR_ZERO * pl.col("_mean")) & (size > 0)
    aggregates = [
        error.abs().mean().alias("mae"),
        (error**2).mean().sqrt().alias("rmse"),
        (error.abs() / size).filter(far).mean().alias("mape"),
        pl.when(size.sum() > 0).then(error.abs().sum() / size.sum()).alias("wape"),
        error.mean().alias("bias"),
    ]
    losses = []
    for level in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95):
        below = pl.col("actual_kwh") - pl.col(f"q_{level}")
        losses.append(pl.max_horizontal(level * below, (level - 1) * below))
    complete = pl.all_horizontal(pl.col(f"q_{level}").is_not_null() for level in (0.05, 0.1, 0.25, 0.75, 0.9, 0.95))
    aggregates.append(pl.mean_horizontal(losses).filter(complete).mean().alias("pinball"))
    for band, (low, high) in BANDS.items():
        inside = pl.col("actual_kwh").is_between(pl.col(f"q_{low}"), pl.col(f"q_{high}"))
        aggregates.append(inside.mean().alias(f"coverage_{band}"))
        aggregates.append((pl.col(f"q_{high}") - pl.col(f"q_{low}")).mean().alias(f"width_{band}"))
    found = (
        compared.with_columns(size.mean().over(by).alias("_mean"))
        .group_by(by)
        .agg(*aggregates, pl.len().cast(pl.Int32).alias("n"))
        .unpivot(index=[*by, "n"], variable_name="metric", value_name="value")
    )
    parts = [found]
    if "lead_bucket" not in by:
        parts.append(_peaks(compared, by))
    return (
        pl.concat(p.select(*by, "metric", pl.col("value").fill_nan(None), "n") for p in parts)
        .filter(pl.col("value").is_not_null())
        .sort([*by, "metric"])
    )


def _peaks(compared: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    day = list(dict.fromkeys([*by, "model", "meter_id", "issued_at_utc", "local_date"]))
    start = pl.col("interval_start_utc")
    days = compared.group_by(day, maintain_order=True).agg(  # a mean of days in another order differs in its last bits
        pl.col("actual_kwh").max().alias("actual_peak"),
        pl.col("point_kwh").max().alias("point_peak"),
        start.sort_by(["actual_kwh", "interval_start_utc"], descending=[True, False]).first().alias("actual_at"),
        start.sort_by(["point_kwh", "interval_start_utc"], descending=[True, False]).first().alias("point_at"),
        pl.len().alias("hours"),
    )
    days = days.filter(pl.col("hours") >= 20)  # the peak of half a day is no daily peak
    relative = (pl.col("point_peak") - pl.col("actual_peak")).abs() / pl.col("actual_peak")
    hit = (pl.col("actual_at") - pl.col("point_at")).dt.total_minutes().abs() <= 60
    return (
        days.group_by(by)
        .agg(
            relative.filter(pl.col("actual_peak") > 0).mean().alias("peak_error"),
            hit.mean().alias("peak_hour_hit"),
            pl.len().cast(pl.Int32).alias("n"),
        )
        .unpivot(index=[*by, "n"], variable_name="metric", value_name="value")
    )
