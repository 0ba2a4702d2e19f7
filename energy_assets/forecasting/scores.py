"""Rows of `monitoring.backtest_scores`.

Belongs here: slicing a backtest and the long form by contract. Does not belong here: the formulae
(`energy_assets.metrics`), scores of forecasts that were issued (`monitoring`).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from energy_assets.metrics import lead_bucket, peak_errors, point_errors, quantile_errors, skill

ALL = "all"
KEYS = ("meter_id", "issued_at_utc", "interval_start_utc")
COLUMNS = ("backtest_id", "meter_id", "model_name", "slice", "metric", "value", "n")
_BY = ["group", "model_name", "slice"]


def backtest_scores(backtest: pl.DataFrame, actuals: pl.DataFrame, kinds: Mapping[str, str]) -> pl.DataFrame:
    """Metrics of a backtest per meter, for all meters of a kind, and per lead bucket.

    Args:
        backtest: columns of `forecasts.backtest_forecasts`, one or more backtests.
        actuals: meter_id, interval_start_utc, demand_kwh (null where not usable).
        kinds: kind of each meter; `all:<kind>` pools the meters that are in it.

    Returns:
        Columns of `monitoring.backtest_scores`, sorted by key: slices `all` and `lead:15-21` …; `skill_<baseline>` is
        1 - MAE / the baseline's MAE on the same intervals. Metrics that a model does not have are left out: bands and
        pinball loss of point forecasts, peaks of lead buckets.
    """
    known = actuals.select("meter_id", "interval_start_utc", actual_kwh="demand_kwh").drop_nulls()
    compared = (
        backtest.select("backtest_id", *KEYS, "model_name", "quantile", predicted_kwh="demand_kwh")
        .join(known.unique(["meter_id", "interval_start_utc"]), on=["meter_id", "interval_start_utc"])
        .sort("backtest_id", *KEYS, "model_name", "quantile")
    )
    parts = []
    for (identity,), part in compared.partition_by("backtest_id", as_dict=True, maintain_order=True).items():
        parts.append(_scores(part, kinds).with_columns(pl.lit(identity).alias("backtest_id")))
    empty = pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String()) | {"value": pl.Float64(), "n": pl.Int32()})
    return pl.concat([empty, *(p.select(COLUMNS) for p in parts)]).sort(COLUMNS[:5])


def _scores(compared: pl.DataFrame, kinds: Mapping[str, str]) -> pl.DataFrame:
    kind = pl.col("meter_id").replace_strict(dict(kinds), default="unknown", return_dtype=pl.String)
    grouped = pl.concat(
        [
            compared.with_columns(pl.col("meter_id").alias("group")),
            compared.with_columns(pl.format("all:{}", kind).alias("group")),
        ]
    )
    lead = (pl.col("interval_start_utc") - pl.col("issued_at_utc")).dt.total_minutes()
    rows = pl.concat(
        [
            grouped.with_columns(pl.lit(ALL).alias("slice")),
            grouped.with_columns(pl.format("lead:{}", lead_bucket(lead)).alias("slice")),
        ]
    )
    points = rows.filter((pl.col("quantile") - 0.5).abs() < 1e-9)
    banded = rows.filter(pl.col("quantile").n_unique().over("model_name") > 1)
    scores = pl.concat(
        [
            point_errors(points, _BY),
            quantile_errors(banded, _BY),
            peak_errors(points.filter(pl.col("slice") == ALL), _BY),
        ]
    ).drop_nulls("value")
    return pl.concat([scores, _skills(scores)]).rename({"group": "meter_id"})


def _skills(scores: pl.DataFrame) -> pl.DataFrame:
    mae = scores.filter(pl.col("metric") == "mae")
    pairs = mae.join(mae.drop("metric", "n"), on=["group", "slice"], suffix="_base").filter(
        pl.col("model_name") != pl.col("model_name_base")
    )
    value = skill(pl.col("metric"), pl.col("value"), pl.col("value_base"))
    named = pl.format("skill_{}", "model_name_base")
    return pairs.select("group", "model_name", "slice", named.alias("metric"), value.alias("value"), "n").drop_nulls(
        "value"
    )
