"""Rolling-origin evaluation: what would have been said, had the forecasts been issued then.

Belongs here: refits over time, what was known at each, and the forecasts of all models and the publisher on the same
intervals. Does not belong here: scores (`scores.py`), which publisher is fit to be compared with (`publishers.py`),
decisions (`gate.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from energy_assets.forecasting.contenders import Contender
from energy_assets.forecasting.training import FORMAT

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


def origins(*, first_issue: datetime, last_issue: datetime, refit_weeks: int) -> Iterator[Origin]:
    """Refits whose forecasts cover all issue times from `first_issue` to `last_issue`.

    >>> from datetime import UTC
    >>> first, last = datetime(2022, 3, 2, 8, tzinfo=UTC), datetime(2022, 3, 15, 8, tzinfo=UTC)
    >>> [o.as_of.day for o in origins(first_issue=first, last_issue=last, refit_weeks=1)]
    [2, 9]
    """
    start, end = first_issue, last_issue + timedelta(seconds=1)
    while start < end:
        until = min(start + timedelta(weeks=refit_weeks), end)
        yield Origin(start, until)
        start = until


def rolling_origin(
    frame: pl.DataFrame,
    *,
    kind: str,
    first_issue: datetime,
    last_issue: datetime,
    refit_weeks: int,
    models: Mapping[str, Contender],
    seed: int = 7,
    training_days: int | None = None,
    versions: pl.DataFrame | None = None,
    published: pl.DataFrame | None = None,
    said: Callable[[str], None] = lambda _: None,
) -> pl.DataFrame:
    """Forecasts of a window by models refitted every `refit_weeks` weeks on what was known then.

    Args:
        frame: feature frame with `demand_kwh` and `label_known_at_utc`, unless `versions` has them; other kinds are
            left out.
        kind: the kind of meter.
        first_issue: the oldest issue time to evaluate, tz-aware.
        last_issue: the newest one.
        refit_weeks: weeks between refits.
        models: ways to make a model, by the name that their rows get.
        seed: of everything random in training.
        training_days: issue days before each refit that it may learn from; all that are in `frame` if absent.
        versions: every version of demand (meter_id, interval_start_utc, demand_kwh, known_from_utc, known_to_utc). Each
            refit learns from those in force at its time: a value that was corrected or set aside later is learned from
            as it was.
        published: columns of `raw.published_forecasts`; the newest value known before the local day begins counts.
        said: told about each refit.

    Returns:
        Columns of `forecasts.backtest_forecasts` without `backtest_id`; point forecasts and the publisher have quantile
        0.5 alone. Every model of a meter has the same intervals.
    """
    of_kind = frame.filter(pl.col("kind") == kind, pl.col("issued_at_utc") <= last_issue)
    issued = pl.col("issued_at_utc")
    every = list(origins(first_issue=first_issue, last_issue=last_issue, refit_weeks=refit_weeks))
    parts = []
    for number, origin in enumerate(every, 1):
        rows = of_kind.filter(issued < origin.until)
        if training_days is not None:
            rows = rows.filter(issued >= origin.as_of - timedelta(days=training_days))
        due = rows.filter(issued >= origin.as_of).drop("demand_kwh", "label_known_at_utc", strict=False)
        if due.is_empty():
            continue
        if versions is not None:
            rows = _labelled(rows, versions, origin.as_of)
        said(f"{kind}: fit {number} of {len(every)}, {', '.join(models)} as of {origin.as_of:%Y-%m-%d %H:%M} UTC")
        for name, fit in models.items():
            fitted = fit(rows, kind=kind, as_of=origin.as_of, seed=seed)
            parts.append(
                fitted.forecast(due, rows).with_columns(
                    pl.lit(name).alias("model_name"), pl.lit(None, dtype=pl.String).alias("publisher")
                )
            )
    if not parts:
        return _empty()
    result = pl.concat(parts)
    if published is not None:
        result = pl.concat([result, _published(result, published)])
    return _same_intervals(result).select(COLUMNS).sort(*KEYS, "model_name", "quantile")


def _labelled(rows: pl.DataFrame, versions: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The version in force at `as_of`, else the first one after it: a model may follow days that come true later."""
    first = (
        versions.filter(pl.col("known_to_utc").is_null() | (pl.col("known_to_utc") > as_of))
        .sort("meter_id", "interval_start_utc", "known_from_utc")
        .unique(["meter_id", "interval_start_utc"], keep="first", maintain_order=True)
        .select("meter_id", "interval_start_utc", "demand_kwh", label_known_at_utc="known_from_utc")
    )
    unlabelled = rows.drop("demand_kwh", "label_known_at_utc", strict=False)
    return unlabelled.join(first, on=["meter_id", "interval_start_utc"], how="left", maintain_order="left")


def backtest_id(**inputs: Any) -> str:
    """Hash of whatever makes a backtest what it is: window, meters, parameters, data, and the way models are made.

    >>> backtest_id(weeks=8, kind="zone") == backtest_id(kind="zone", weeks=8)
    True
    """
    inputs["format"] = FORMAT
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _published(result: pl.DataFrame, published: pl.DataFrame) -> pl.DataFrame:
    """The publisher's newest values known before the first forecast interval of each issue."""
    wanted = result.select(*KEYS, "interval_end_utc").unique()
    return (
        published_in_time(wanted, published)
        .unique(KEYS, keep="last", maintain_order=True)
        .select(
            *KEYS,
            "interval_end_utc",
            pl.col("energy_kwh").alias("demand_kwh"),
            pl.lit(0.5).alias("quantile"),
            pl.lit(PUBLISHER).alias("model_name"),
            "publisher",
        )
        .select(result.columns)
    )


def published_in_time(wanted: pl.DataFrame, published: pl.DataFrame) -> pl.DataFrame:
    """The newest value of each publisher that was known before the first of an issue's intervals.

    Args:
        wanted: meter_id, issued_at_utc, interval_start_utc and whatever else is to be kept.
        published: columns of `raw.published_forecasts`, all versions.

    Returns:
        The rows of `wanted` of which somebody spoke in time, with `publisher` and `energy_kwh`, sorted by key and
        publisher.
    """
    begins = pl.col("interval_start_utc").min().over("meter_id", "issued_at_utc").alias("_begins")
    values = published.select("meter_id", "publisher", "interval_start_utc", "known_at_utc", "energy_kwh")
    return (
        wanted.with_columns(begins)
        .join(values, on=["meter_id", "interval_start_utc"])
        .filter(pl.col("known_at_utc") <= pl.col("_begins"), pl.col("energy_kwh").is_finite())
        .sort(*KEYS, "publisher", "known_at_utc")
        .unique([*KEYS, "publisher"], keep="last", maintain_order=True)
        .drop("_begins", "known_at_utc")
    )


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
