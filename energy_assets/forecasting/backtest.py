"""Rolling-origin evaluation: what would have been said, had the forecasts been issued then.

Belongs here: refits over time and the forecasts of ours, the baselines and the publisher on the same intervals. Does
not belong here: scores (`scores.py`), decisions (`gate.py`), ids of backtests (`backtest_id` is the hash that the
caller gives its rows; `backtest_id()` makes one).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from energy_assets.forecasting.baselines import (
    CALENDAR_TEMPERATURE,
    POINT_COLUMNS,
    SEASONAL_NAIVE,
    CalendarTemperatureRegression,
    seasonal_naive,
)
from energy_assets.forecasting.models import MODEL_NAME, Params, TrainedModel
from energy_assets.forecasting.scoring import forecast
from energy_assets.forecasting.training import FORMAT, NotEnoughHistory, train

PUBLISHER = "publisher"
KEYS = ("meter_id", "issued_at_utc", "interval_start_utc")
COLUMNS = (
    "meter_id",
    "issued_at_utc",
    "model_name",
    "interval_start_utc",
    "quantile",
    "interval_end_utc",
    "demand_kwh",
    "publisher",
)


@dataclass(frozen=True)
class Origin:
    """One refit: what was known at `as_of`, and the issue times [as_of, until) that it forecasts."""

    as_of: datetime
    until: datetime


def origins(*, weeks: int, refit_weeks: int, last_issue: datetime) -> Iterator[Origin]:
    """Refits whose forecasts cover the `weeks` weeks up to and including `last_issue`.

    >>> from datetime import UTC
    >>> [o.as_of.day for o in origins(weeks=2, refit_weeks=1, last_issue=datetime(2022, 3, 15, 8, tzinfo=UTC))]
    [2, 9]
    """
    end = last_issue + timedelta(seconds=1)
    start = last_issue - timedelta(weeks=weeks) + timedelta(days=1)
    while start < end:
        until = min(start + timedelta(weeks=refit_weeks), end)
        yield Origin(start, until)
        start = until


def rolling_origin(
    frame: pl.DataFrame,
    *,
    kind: str,
    weeks: int,
    refit_weeks: int,
    last_issue: datetime,
    seed: int = 7,
    threads: int = 1,
    published: pl.DataFrame | None = None,
    params: Params | None = None,
) -> pl.DataFrame:
    """Forecasts of the last `weeks` weeks by models refitted every `refit_weeks` weeks on what was known then.

    Args:
        frame: feature frame with `demand_kwh` and, optionally, `label_known_at_utc`; other kinds are left out.
        kind: the kind of meter.
        weeks: length of the evaluation.
        refit_weeks: weeks between refits.
        last_issue: the newest issue time to evaluate, tz-aware.
        seed: of the training.
        threads: of the training.
        published: columns of `raw.published_forecasts`; the newest value known before the local day begins counts.
        params: all training parameters, in place of seed and threads.

    Returns:
        Columns of `forecasts.backtest_forecasts` without `backtest_id`: ours with seven quantiles, baselines and the
        publisher with quantile 0.5. Every model of a meter has the same intervals. Where history is too short to
        train, ours is the fallback forecast.
    """
    rows = frame.filter(pl.col("kind") == kind, pl.col("issued_at_utc") <= last_issue)
    parts = []
    for origin in origins(weeks=weeks, refit_weeks=refit_weeks, last_issue=last_issue):
        due = rows.filter(pl.col("issued_at_utc") >= origin.as_of, pl.col("issued_at_utc") < origin.until)
        if due.height:
            due = due.drop("demand_kwh", "label_known_at_utc", strict=False)
            parts.append(_forecasts(rows, due, kind, origin.as_of, params or Params(seed=seed, threads=threads)))
    if not parts:
        return _empty()
    result = pl.concat(parts)
    if published is not None:
        result = pl.concat([result, _published(result, published)])
    return _same_intervals(result).select(COLUMNS).sort(*KEYS, "model_name", "quantile")


def backtest_id(**inputs: Any) -> str:
    """Hash of whatever makes a backtest what it is: window, meters, parameters, data, and the way models are made.

    >>> backtest_id(weeks=8, kind="zone") == backtest_id(kind="zone", weeks=8)
    True
    """
    inputs["format"] = FORMAT
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _forecasts(rows: pl.DataFrame, due: pl.DataFrame, kind: str, as_of: datetime, params: Params) -> pl.DataFrame:
    model: TrainedModel | None
    try:
        model = train(rows, kind=kind, as_of=as_of, params=params)
    except NotEnoughHistory:
        model = None
    ours = forecast(due, model, rows).rows.select(*POINT_COLUMNS, "quantile")
    regression = CalendarTemperatureRegression.fit(rows, as_of=as_of).predict(due)
    median = pl.lit(0.5).alias("quantile")
    named = {
        MODEL_NAME: ours,
        SEASONAL_NAIVE: seasonal_naive(due).with_columns(median),
        CALENDAR_TEMPERATURE: regression.with_columns(median),
    }
    return pl.concat(
        part.with_columns(pl.lit(name).alias("model_name"), pl.lit(None, dtype=pl.String).alias("publisher"))
        for name, part in named.items()
    )


def _published(result: pl.DataFrame, published: pl.DataFrame) -> pl.DataFrame:
    """The publisher's newest values known before the first forecast interval of each issue."""
    wanted = result.select(*KEYS, "interval_end_utc").unique()
    wanted = wanted.with_columns(pl.col("interval_start_utc").min().over("meter_id", "issued_at_utc").alias("_begins"))
    values = published.select("meter_id", "publisher", "interval_start_utc", "known_at_utc", "energy_kwh")
    newest = (
        wanted.join(values, on=["meter_id", "interval_start_utc"])
        .filter(pl.col("known_at_utc") <= pl.col("_begins"), pl.col("energy_kwh").is_finite())
        .sort(*KEYS, "publisher", "known_at_utc")
        .unique(KEYS, keep="last", maintain_order=True)
    )
    return newest.select(
        *POINT_COLUMNS[:-1],
        pl.col("energy_kwh").alias("demand_kwh"),
        pl.lit(0.5).alias("quantile"),
        pl.lit(PUBLISHER).alias("model_name"),
        "publisher",
    ).select(result.columns)


def _same_intervals(result: pl.DataFrame) -> pl.DataFrame:
    models = pl.col("model_name").n_unique()
    return result.filter(models.over(KEYS) == models.over("meter_id"))


def _empty() -> pl.DataFrame:
    instant = pl.Datetime("us", "UTC")
    types = dict.fromkeys(COLUMNS, pl.String()) | {
        "issued_at_utc": instant,
        "interval_start_utc": instant,
        "interval_end_utc": instant,
        "quantile": pl.Float64(),
        "demand_kwh": pl.Float64(),
    }
    return pl.DataFrame(schema=types)
