"""Rows of `monitoring.backtest_scores` and `monitoring.forecast_scores`.

Belongs here: slicing and the long form by contract. Does not belong here: the metrics' definitions (`metrics.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from energy_assets.forecasting.metrics import ALL, compare, interval_metrics
from energy_assets.forecasting.selection import naive_kwh

NAIVE = "seasonal_naive"
SCORES = ("mae", "rmse", "mape", "wape", "bias", "pinball", "coverage_80", "width_80", "peak_error", "peak_hour_hit")
NO_SKILL = ("bias", "coverage_80", "width_80", "peak_hour_hit")  # smaller is not better: no skill


def backtest_scores(backtest: pl.DataFrame, actuals: pl.DataFrame, kinds: Mapping[str, str]) -> pl.DataFrame:
    """Metrics of a backtest per meter, for all meters of a kind, and per lead bucket.

    Args:
        backtest: columns of `forecasts.backtest_forecasts`, one or more backtests.
        actuals: meter_id, interval_start_utc, demand_kwh, local_date.
        kinds: kind of each meter; `all:<kind>` pools the meters that are in it.

    Returns:
        Columns of `monitoring.backtest_scores`: slices `all` and `lead:15-21` …; `skill_<baseline>` is 1 - MAE / the
        baseline's MAE on the same intervals.
    """
    parts = []
    for (identity,), part in backtest.partition_by("backtest_id", as_dict=True, maintain_order=True).items():
        compared = compare(part, actuals)
        if compared.height == 0:
            continue
        pooled = compared.with_columns(
            pl.format("all:{}", pl.col("meter_id").replace_strict(dict(kinds), default="unknown")).alias("group")
        )
        both = pl.concat([compared.with_columns(pl.col("meter_id").alias("group")), pooled])
        whole = interval_metrics(both, ["group", "model"]).with_columns(pl.lit(ALL).alias("slice"))
        leads = interval_metrics(both, ["group", "model", "lead_bucket"]).with_columns(
            pl.format("lead:{}", "lead_bucket").alias("slice")
        )
        columns = ["group", "model", "slice", "metric", "value", "n"]
        scores = pl.concat([whole.select(columns), leads.select(columns)])
        parts.append(pl.concat([scores, _skills(scores)]).with_columns(pl.lit(identity).alias("backtest_id")))
    schema = {"backtest_id": pl.String, "group": pl.String, "model": pl.String, "slice": pl.String, "metric": pl.String}
    empty = pl.DataFrame(schema=schema | {"value": pl.Float64, "n": pl.Int32})
    return (
        pl.concat([empty, *(p.select(empty.columns) for p in parts)])
        .rename({"group": "meter_id", "model": "model_name"})
        .sort("backtest_id", "meter_id", "model_name", "slice", "metric")
    )


def forecast_scores(forecasts: pl.DataFrame, features: pl.DataFrame, actuals: pl.DataFrame) -> pl.DataFrame:
    """Errors of issued forecasts, per issue and lead bucket, beside the seasonal naive forecast of the same intervals.

    Args:
        forecasts: columns of `forecasts.demand_forecasts`; only the newest revision counts.
        features: the feature rows of these forecasts (the naive values and `issue_basis` come from them).
        actuals: meter_id, interval_start_utc, demand_kwh, local_date.

    Returns:
        Columns of `monitoring.forecast_scores`; lead bucket `all` is the whole day. Intervals without an actual are
        not scored, and an issue without any has no rows.
    """
    keys = ["meter_id", "issued_at_utc", "interval_start_utc"]
    newest = forecasts.filter(
        pl.col("revision") == pl.col("revision").max().over("meter_id", "issued_at_utc", "model_version")
    )
    ours = compare(newest, actuals)
    naive = features.select(*keys, naive_kwh().alias("naive_kwh"), "issue_basis")
    ours = ours.join(naive.unique(keys), on=keys, how="left")
    by = ["meter_id", "issued_at_utc", "local_date", "model"]
    parts = []
    for group in (by, [*by, "lead_bucket"]):
        mine = interval_metrics(ours, group)
        against = ours.filter(pl.col("naive_kwh").is_not_null()).with_columns(pl.col("naive_kwh").alias("point_kwh"))
        base = interval_metrics(against, group).select(*group, "metric", pl.col("value").alias("baseline_value"))
        base = base.filter(~pl.col("metric").str.contains("pinball|coverage|width"))
        joined = mine.join(base, on=[*group, "metric"], how="left")
        if "lead_bucket" not in joined.columns:
            joined = joined.with_columns(pl.lit(ALL).alias("lead_bucket"))
        parts.append(joined.select(*by, "lead_bucket", "metric", "value", "n", "baseline_value"))
    basis = ours.group_by("meter_id", "issued_at_utc").agg(pl.col("issue_basis").drop_nulls().first().fill_null("none"))
    ratio = 1 - pl.col("value") / pl.col("baseline_value")
    sensible = ~pl.col("metric").is_in(NO_SKILL) & (pl.col("baseline_value") > 0)
    return (
        pl.concat(parts)
        .filter(pl.col("metric").is_in(SCORES))
        .join(basis, on=["meter_id", "issued_at_utc"], how="left")
        .with_columns(pl.when(sensible).then(ratio).alias("skill"), pl.lit(NAIVE).alias("baseline_name"))
        .rename({"model": "model_version"})
        .select(
            "meter_id",
            "issued_at_utc",
            "lead_bucket",
            "model_version",
            "metric",
            "baseline_name",
            "local_date",
            pl.col("issue_basis").fill_null("none"),
            "value",
            "n",
            "baseline_value",
            "skill",
        )
        .sort("meter_id", "issued_at_utc", "lead_bucket", "model_version", "metric")
    )


def _skills(scores: pl.DataFrame) -> pl.DataFrame:
    mae = scores.filter(pl.col("metric") == "mae")
    pairs = mae.join(mae, on=["group", "slice"], suffix="_base").filter(
        pl.col("model") != pl.col("model_base"), pl.col("value_base") > 0
    )
    return pairs.select(
        "group",
        "model",
        "slice",
        pl.format("skill_{}", "model_base").alias("metric"),
        (1 - pl.col("value") / pl.col("value_base")).alias("value"),
        "n",
    )
