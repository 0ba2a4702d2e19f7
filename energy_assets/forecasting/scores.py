"""Rows of `monitoring.backtest_scores`.

Belongs here: slicing a backtest and the long form by contract. Does not belong here: the formulae
(`energy_assets.metrics`), the test of a difference and the plausibility of publishers (`comparison.py`), scores of
forecasts that were issued (`monitoring`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from energy_assets.forecasting.backtest import KEYS, PUBLISHER
from energy_assets.forecasting.comparison import diebold_mariano, usual_lags
from energy_assets.metrics import lead_bucket, peak_errors, point_errors, quantile_errors, skill

ALL = "all"
COLUMNS = ("backtest_id", "meter_id", "model_name", "slice", "metric", "value", "n")
CONTEXT = ("local_date", "local_hour", "day_type", "temperature_c")
TEMPERATURES = (0, 5, 10, 15, 20, 25)  # °C
TEMPERATURE_BANDS = ("below 0", "0 to 5", "5 to 10", "10 to 15", "15 to 20", "20 to 25", "above 25")
OF_EVERY_METER = (ALL, "lead")  # the other slices are of all meters of a kind: forty of a thousand meters read nobody
OF_WHOLE_DAYS = (ALL, "month", "quarter", "day_type")  # only these have daily peaks
LEAST_DAYS = 10  # the variance of fewer differences is a guess
TESTED = ("statistic", "p_value")
IN_POWER = ("mae", "rmse", "bias", "pinball", "width_50", "width_80", "width_90", "peak_error")
_BY = ["group", "model_name", "slice"]
_LONG = dict.fromkeys([*_BY, "metric"], pl.String()) | {"value": pl.Float64(), "n": pl.Int32()}


def backtest_scores(
    backtest: pl.DataFrame, actuals: pl.DataFrame, kinds: Mapping[str, str], context: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Metrics of a backtest for all meters of a kind and per meter, as a whole and in slices.

    Args:
        backtest: columns of `forecasts.backtest_forecasts`, one or more backtests.
        actuals: meter_id, interval_start_utc, demand_kwh (null where not usable); and interval_end_utc where intervals
            are not all of one hour: those that begin and end together are compared.
        kinds: kind of each meter; `all:<kind>` pools the meters that are in it.
        context: what slices are made of, `CONTEXT` by meter_id, issued_at_utc and interval_start_utc: features of the
            target hour (the hour that an interval lies in), as they were known at issue time. Without it there are no
            slices but `all` and the lead times.

    Returns:
        Columns of `monitoring.backtest_scores`, sorted by key. Slices: `all`, `lead:15-21` (hours), and of whole kinds
        `hour:07` (local), `month:2023-01`, `quarter:2023Q1`, `day_type:bridge_day`, `temperature:5 to 10` (°C; of hours
        with weather). `skill_<model>` is 1 - MAE / that model's MAE, where both were scored on the same intervals;
        of whole kinds, `dm_statistic` and `dm_p_value` are those of daily mean absolute errors against the publisher
        (n: days). Metrics that a model does not have are left out: bands and pinball loss of point forecasts, peaks of
        hours. Errors are in kWh per interval; where intervals are not all of one hour there are those of the mean power
        too, as `mae_kw` and the like.
    """
    of_hours = "interval_end_utc" not in actuals.columns
    on = ["meter_id", "interval_start_utc"] if of_hours else ["meter_id", "interval_start_utc", "interval_end_utc"]
    length = (pl.col(on[-1]) - pl.col("interval_start_utc")).dt.total_seconds() / 3600
    known = actuals.select(
        *on, pl.lit(1.0).alias("hours") if of_hours else length.alias("hours"), actual_kwh="demand_kwh"
    )
    compared = (
        backtest.select(
            "backtest_id", *dict.fromkeys([*KEYS, *on]), "model_name", "quantile", predicted_kwh="demand_kwh"
        )
        .join(known.drop_nulls().unique(on), on=on)
        .sort("backtest_id", *KEYS, "model_name", "quantile")
    )
    if context is not None:
        hour = [*KEYS[:2], "hour_utc"]
        of_hour = context.select(*KEYS[:2], *CONTEXT, hour_utc="interval_start_utc").unique(hour)
        compared = compared.with_columns(hour_utc=pl.col("interval_start_utc").dt.truncate("1h")).join(
            of_hour, on=hour, how="left", maintain_order="left"
        )
    parts = []
    for (identity,), part in compared.partition_by("backtest_id", as_dict=True, maintain_order=True).items():
        parts.append(_scores(part, kinds).with_columns(pl.lit(identity).alias("backtest_id")))
    empty = pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String()) | {"value": pl.Float64(), "n": pl.Int32()})
    return pl.concat([empty, *(p.select(COLUMNS) for p in parts)]).sort(COLUMNS[:5])


def slices(*, with_context: bool) -> dict[str, pl.Expr]:
    """Name of each slice per row; null where a row belongs to none."""
    lead = (pl.col("interval_start_utc") - pl.col("issued_at_utc")).dt.total_minutes()
    found = {ALL: pl.lit(ALL), "lead": pl.format("lead:{}", lead_bucket(lead))}
    if with_context:
        date = pl.col("local_date")
        band = pl.col("temperature_c").bin_intervals(TEMPERATURES, labels=TEMPERATURE_BANDS).cast(pl.String)
        found |= {
            "hour": pl.format("hour:{}", pl.col("local_hour").cast(pl.String).str.zfill(2)),
            "month": date.dt.strftime("month:%Y-%m"),
            "quarter": pl.format("quarter:{}Q{}", date.dt.year(), date.dt.quarter()),
            "day_type": pl.format("day_type:{}", "day_type"),
            "temperature": pl.format("temperature:{}", band),
        }
    return found


def _scores(compared: pl.DataFrame, kinds: Mapping[str, str]) -> pl.DataFrame:
    kind = pl.col("meter_id").replace_strict(dict(kinds), default="unknown", return_dtype=pl.String)
    of_meters = compared.with_columns(pl.col("meter_id").alias("group"))
    of_kinds = compared.with_columns(pl.format("all:{}", kind).alias("group"))
    parts = []
    for name, part in slices(with_context="local_date" in compared.columns).items():  # one after the other: memory
        for rows in (of_meters, of_kinds) if name in OF_EVERY_METER else (of_kinds,):
            parts.append(_errors(rows.with_columns(part.alias("slice")), peaks=name in OF_WHOLE_DAYS))
    scores = pl.concat(parts).drop_nulls("value")
    return pl.concat([scores, _skills(scores), _against_publisher(of_kinds)]).rename({"group": "meter_id"})


def _errors(rows: pl.DataFrame, *, peaks: bool) -> pl.DataFrame:
    rows = rows.drop_nulls("slice")
    errors = _errors_as_they_are(rows, peaks=peaks)
    if rows.filter(pl.col("hours") != 1).is_empty():
        return errors  # kWh of an hour are its mean kW
    power = _errors_as_they_are(rows.with_columns(pl.col("actual_kwh", "predicted_kwh") / pl.col("hours")), peaks=peaks)
    named = power.filter(pl.col("metric").is_in(IN_POWER)).with_columns(pl.col("metric") + "_kw")
    return pl.concat([errors, named])


def _errors_as_they_are(rows: pl.DataFrame, *, peaks: bool) -> pl.DataFrame:
    points = rows.filter(_is_median())
    banded = rows.filter(pl.col("quantile").n_unique().over("model_name") > 1)
    found = [point_errors(points, _BY), quantile_errors(banded, _BY)]
    return pl.concat([*found, peak_errors(points, _BY, hours="hours")] if peaks else found)


def _skills(scores: pl.DataFrame) -> pl.DataFrame:
    mae = scores.filter(pl.col("metric") == "mae")
    pairs = mae.join(mae.drop("metric"), on=["group", "slice", "n"], suffix="_base").filter(
        pl.col("model_name") != pl.col("model_name_base")
    )
    value = skill(pl.col("metric"), pl.col("value"), pl.col("value_base"))
    named = pl.format("skill_{}", "model_name_base")
    return pairs.select("group", "model_name", "slice", named.alias("metric"), value.alias("value"), "n").drop_nulls(
        "value"
    )


def _against_publisher(rows: pl.DataFrame) -> pl.DataFrame:
    """The Diebold-Mariano test of each model, on the meters and intervals of which the publisher spoke."""
    loss = (pl.col("predicted_kwh") - pl.col("actual_kwh")).abs()
    losses = rows.filter(_is_median()).select("group", *KEYS, "model_name", loss.alias("loss"))
    publisher = losses.filter(pl.col("model_name") == PUBLISHER).drop("model_name")
    daily = (
        losses.filter(pl.col("model_name") != PUBLISHER)
        .join(publisher, on=["group", *KEYS], suffix="_publisher")
        .group_by("group", "model_name", "issued_at_utc")
        .agg(pl.col("loss", "loss_publisher").mean())
        .sort("group", "model_name", "issued_at_utc")
    )
    tested: list[tuple[Any, ...]] = []
    for (group, model), days in daily.partition_by("group", "model_name", as_dict=True, maintain_order=True).items():
        if days.height >= LEAST_DAYS:
            ours, theirs = (days[name].to_numpy() for name in ("loss", "loss_publisher"))
            # never fewer than the one lag by which forecasts of the day ahead overlap
            found = diebold_mariano(ours, theirs, lags=usual_lags(days.height))
            tested += [
                (group, model, ALL, f"dm_{name}", value, days.height) for name, value in zip(TESTED, found, strict=True)
            ]
    tests = pl.DataFrame(tested, schema=_LONG, orient="row")
    return tests.filter(pl.col("value").is_finite())


def _is_median() -> pl.Expr:
    return (pl.col("quantile") - 0.5).abs() < 1e-9
