"""All weeks of all series: from demand and issued quantiles to scores that stand beside their thresholds.

Belongs here: which statistics there are, and their rows of `monitoring.drift_scores`. Does not belong here:
what is done about them (`decisions.py`), what explains them (`explain.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl

from energy_assets.contracts import table
from energy_assets.monitoring.drift.reference import held_back
from energy_assets.monitoring.drift.statistics import (
    FORECAST,
    REFERENCE,
    WINDOW_WEEKS,
    Windows,
    forecast_windows,
    kind_statistics,
    meter_statistics,
    residual_windows,
)
from energy_assets.monitoring.drift.thresholds import with_thresholds

SCORES = "monitoring.drift_scores"
WINDOWS = ("current_start_utc", "current_end_utc", "reference_start_utc", "reference_end_utc")
KEYS = ["meter_id", "week"]
BOUNDS = (
    pl.col("interval_start_utc").min().alias("begins"),
    pl.col("interval_end_utc").max().alias("current_end_utc"),
    pl.col("reference_start_utc").min(),
    pl.col("reference_end_utc").min(),
)


def timeline(
    batches: Iterable[tuple[pl.DataFrame, pl.DataFrame]], *, learned_until: date | None = None
) -> pl.DataFrame:
    """Every statistic of every week, with its threshold and its windows.

    Args:
        batches: demand and forecasts of some meters after the others, each meter in one of them. Demand as
            `reference.held_back` takes it, whole weeks only. Forecasts: meter_id, kind, interval_start_utc, quantile,
            demand_kwh; quantiles that were issued, or would have been, each interval once; may be empty.
        learned_until: see `with_thresholds`.

    Returns:
        meter_id, kind, week, column_name, method, value, score, threshold, threshold_source, drifted, raised and
        `WINDOWS`, sorted.
    """
    found, bounds = [], []
    windows: dict[str, list[Windows]] = {REFERENCE: [], FORECAST: []}
    for demand, forecasts in batches:
        residuals = held_back(demand)
        bounds.append(residuals.group_by("meter_id", "kind", "week").agg(BOUNDS))
        seen = {REFERENCE: residual_windows(residuals)}
        if not forecasts.is_empty():
            weeks = demand.select("meter_id", "interval_start_utc", week=pl.col("local_date").dt.truncate("1w"))
            said = forecasts.join(weeks, on=["meter_id", "interval_start_utc"])
            seen[FORECAST] = forecast_windows(said, demand)
        for column, some in seen.items():
            found.append(meter_statistics(some, column))
            windows[column].append(some)
    found += [kind_statistics(Windows.concat(parts), column) for column, parts in windows.items() if parts]
    judged = with_thresholds(pl.concat(found), learned_until=learned_until)
    return judged.join(_windows(pl.concat(bounds)), on=KEYS, maintain_order="left")


def score_rows(weeks: pl.DataFrame) -> pl.DataFrame:
    """Rows of `timeline` as rows of `monitoring.drift_scores`: the reference decides, calibration explains."""
    decides = pl.when(pl.col("column_name") == REFERENCE).then(pl.lit("decides")).otherwise(pl.lit("explains"))
    said = ("meter_id", "column_name", "method", *WINDOWS, "score", "threshold", "threshold_source", "drifted")
    return table(SCORES).conform(weeks.select(said, role=decides))


def _windows(bounds: pl.DataFrame) -> pl.DataFrame:
    """Windows of each meter and kind by the week that they end with."""
    kinds = bounds.group_by(pl.concat_str(pl.lit("all:"), "kind").alias("meter_id"), "week").agg(
        pl.col("begins").min(),
        pl.col("current_end_utc").max(),
        pl.col("reference_start_utc", "reference_end_utc").min(),
    )
    both = pl.concat([bounds.select(kinds.columns), kinds])
    began = pl.col("begins").shift(WINDOW_WEEKS - 1).over("meter_id", order_by="week")
    return both.with_columns(current_start_utc=began.fill_null(pl.col("begins"))).select(*KEYS, *WINDOWS)
