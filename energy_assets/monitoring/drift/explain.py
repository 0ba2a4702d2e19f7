"""Drift: whether the models' world has changed, decided by residuals and explained by features.

Belongs here: scores, thresholds learned from the series' own history, the verdict. Does not belong here: the Evidently
run and its HTML (`evidently_report.py`), or retraining.

Demand always "drifts": the default thresholds of drift tests flag most weeks of a series in which nothing but the
season changes. So the residuals of the forecasts decide, measured against what the same statistic did before; feature
and target drift only explains. The calendar never votes.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from energy_assets.contracts import table
from energy_assets.monitoring import evidently_report
from energy_assets.monitoring.residuals import residual_scores

CALENDAR_COLUMNS = frozenset(
    [
        "local_date",
        "local_hour",
        "day_of_week",
        "day_of_year",
        "is_weekend",
        "is_holiday",
        "is_day_before_holiday",
        "is_day_after_holiday",
        "is_bridge_day",
        "day_type",
        "lead_minutes",
        "known_days",
    ]
)
TARGET = "demand_kwh"
MAX_COLUMNS = 4  # features per kind, the most important ones; and the target
SAMPLE_ROWS = 800
PAST_WINDOWS = 8
THRESHOLD_MARGIN = 1.1
DEFAULT_THRESHOLD = 0.1  # of the normed Wasserstein distance, where the history is too short to learn one
WATCH_SHARE = 0.5  # of the importance of the features that were looked at
METHOD = "wasserstein_normed"
SEED = 7


class Verdict(NamedTuple):
    """One word (stable, watch, drifted, unknown) and the sentence behind it."""

    word: str
    sentence: str


def drift_scores(
    residuals: pl.DataFrame,
    features_reference: pl.DataFrame,
    features_current: pl.DataFrame,
    importance: pl.DataFrame,
    *,
    current_days: int = 14,
    report: Path | None = None,
    report_path: str | None = None,
) -> pl.DataFrame:
    """Rows of `monitoring.drift_scores`: residuals per meter and kind (decide), features per kind (explain).

    Features are compared by the Wasserstein distance over the reference's standard deviation, computed by Evidently on
    a sample. Columns in kWh are taken relative to the meter's own median, so that no large meter stands for all. The
    threshold is 1.1 times the largest distance that past windows of the same length kept from the rest of the
    reference; where the reference is shorter than two windows it is the method's default, and the row says so.

    Args:
        residuals: meter_id, kind, interval_start_utc (and local_date), actual_kwh, predicted_kwh of issued forecasts or
            of the backtest; the last `current_days` days are the current window.
        features_reference: meter_id, kind, interval_start_utc, demand_kwh (nullable) and feature columns.
        features_current: the same of the current window.
        importance: kind, column_name, importance (share of the model's gain).
        current_days: length of the current window for residuals; less where there are fewer than three times as many.
        report: where the HTML goes; none is written without it.
        report_path: what the rows call it (a path below the warehouse).

    Returns:
        Rows of `monitoring.drift_scores`, sorted by key; series over a whole kind are called `all:<kind>`.
    """
    contract = table("monitoring.drift_scores")
    decides = residual_scores(residuals, current_days=current_days)
    explains = _feature_scores(features_reference, features_current, importance, report)
    rows = pl.concat([decides, contract.conform(explains)])
    written = report_path if report is not None and explains.height else None
    rows = rows.with_columns(report_path=pl.lit(written, dtype=pl.String))
    return contract.conform(rows).sort(contract.key)


def verdict(scores: pl.DataFrame) -> Verdict:
    """What the scores say together.

    `drifted`: the residuals of a whole kind of meter are beyond their threshold. `watch`: those of single meters are,
    or at least half of a kind's feature importance has drifted while the residuals have not. `unknown`: no residual
    could be held against a history. Else `stable`.

    Args:
        scores: rows of `monitoring.drift_scores` of one current window.
    """
    decides = scores.filter(pl.col("role") == "decides", pl.col("threshold").is_not_null())
    if decides.is_empty():
        return Verdict("unknown", "Too few days of forecasts have come true to tell drift from chance.")
    whole = pl.col("meter_id").str.starts_with("all:")
    beyond = decides.filter("drifted")
    kinds = _names(beyond.filter(whole))
    explaining = scores.filter(pl.col("role") == "explains", "drifted")
    if kinds:
        why = _names(explaining.filter(pl.col("meter_id").is_in(kinds)), "column_name")
        reason = f" The inputs that moved: {', '.join(why)}." if why else " None of the inputs looked at has moved."
        return Verdict("drifted", f"Forecast errors have left their usual range for {_list(kinds)}.{reason}")
    meters = _names(beyond.filter(~whole))
    if meters:
        return Verdict(
            "watch", f"Forecast errors have left their usual range for {_list(meters)}, not for a whole kind."
        )
    weighted = scores.filter(pl.col("role") == "explains", pl.col("importance").is_not_null())
    shares = weighted.group_by("meter_id").agg(
        share=pl.col("importance").filter("drifted").sum() / pl.col("importance").sum()
    )
    moved = _names(shares.filter(pl.col("share") >= WATCH_SHARE))
    if moved:
        return Verdict("watch", f"Inputs have moved for {_list(moved)}, but forecast errors are in their usual range.")
    checked = decides["meter_id"].n_unique()
    return Verdict("stable", f"Forecast errors are in their usual range for all {checked} series.")


def _feature_scores(
    reference: pl.DataFrame, current: pl.DataFrame, importance: pl.DataFrame, report: Path | None
) -> pl.DataFrame:
    """Evidently's scores of the most important columns of every kind, with thresholds learned from the reference."""
    empty = table("monitoring.drift_scores").empty()
    chosen = _chosen_columns(reference, current, importance)
    if chosen.is_empty():
        return empty
    numbers = chosen["column_name"].unique().sort().to_list()
    level = reference.group_by("meter_id").agg(level=pl.col(TARGET).abs().median())
    past, now = (_long(_relative(frame, numbers, level), numbers, chosen) for frame in (reference, current))
    windows = pl.DataFrame(
        {
            "reference_start_utc": past["interval_start_utc"].min(),
            "reference_end_utc": _end(reference),
            "current_start_utc": now["interval_start_utc"].min(),
            "current_end_utc": _end(current),
        }
    )
    length = (windows["current_end_utc"] - windows["current_start_utc"]).item()
    thresholds = {
        series: learned_threshold(part["interval_start_utc"], part["value"], length.total_seconds())
        for (series,), part in past.partition_by("series", as_dict=True, maintain_order=True).items()
    }
    scores = evidently_report.run(
        _samples(past), _samples(now), {str(s): t or DEFAULT_THRESHOLD for s, t in thresholds.items()}, report
    )
    learned = pl.DataFrame(
        {"series": [str(s) for s in thresholds], "learned": list(thresholds.values())},
        schema={"series": pl.String, "learned": pl.Float64},
    )
    rows = chosen.join(scores, on="series").join(learned, on="series").join(windows, how="cross")
    return rows.select(
        "column_name",
        "score",
        "importance",
        *windows.columns,
        meter_id=pl.concat_str(pl.lit("all:"), "kind"),
        method=pl.lit(METHOD),
        role=pl.lit("explains"),
        threshold=pl.col("learned").fill_null(DEFAULT_THRESHOLD),
        threshold_source=pl.when(pl.col("learned").is_null())
        .then(pl.lit("default of the method: the reference is shorter than two windows"))
        .otherwise(pl.lit("past windows of the reference")),
        drifted=pl.col("score") > pl.col("learned").fill_null(DEFAULT_THRESHOLD),
    )


def learned_threshold(times: pl.Series, values: pl.Series, window_seconds: float) -> float | None:
    """1.1 times the largest distance of a past window from the rest; none with less than two windows of history.

    Args:
        times: start of each value's interval.
        values: values without nulls, in the order of `times`.
        window_seconds: length of the current window, so that like is compared with like.
    """
    from scipy.stats import wasserstein_distance

    seconds = times.dt.epoch("s").to_numpy().astype(np.float64)
    numbers = values.to_numpy()
    if not len(seconds) or seconds.max() - seconds.min() < 2 * window_seconds - 86_400:
        return None
    starts = np.linspace(seconds.min(), seconds.max() - window_seconds + 3_600, PAST_WINDOWS)
    distances = []
    rng = np.random.default_rng(SEED)
    for start in starts:  # a handful of windows, not rows
        inside = (seconds >= start) & (seconds < start + window_seconds)
        window, rest = _at_most(numbers[inside], rng), _at_most(numbers[~inside], rng)
        if len(window) and len(rest):
            distances.append(wasserstein_distance(rest, window) / max(float(np.std(rest)), 0.001))
    return THRESHOLD_MARGIN * max(distances) if distances else None


def _chosen_columns(reference: pl.DataFrame, current: pl.DataFrame, importance: pl.DataFrame) -> pl.DataFrame:
    """kind, column_name, importance, series: the target and the most important numeric non-calendar features."""
    numeric = [
        name
        for name, dtype in reference.schema.items()
        if dtype.is_numeric() and name not in CALENDAR_COLUMNS and name != TARGET and name in current.columns
    ]
    kinds = reference.select("kind").unique().join(current.select("kind").unique(), on="kind")
    top = (
        importance.filter(pl.col("column_name").is_in(numeric), pl.col("importance") > 0)
        .join(kinds, on="kind")
        .sort(["kind", "importance", "column_name"], descending=[False, True, False])
        .group_by("kind", maintain_order=True)
        .head(MAX_COLUMNS)
        .select("kind", "column_name", "importance")
    )
    target = kinds.select("kind", column_name=pl.lit(TARGET), importance=pl.lit(None, dtype=pl.Float64))
    wanted = pl.concat([top, target]).with_columns(series=pl.concat_str("kind", "column_name", separator=": "))
    names = wanted["column_name"].unique().to_list()
    present = [
        frame.group_by("kind")
        .agg(pl.col(names).count())
        .unpivot(index="kind", on=names, variable_name="column_name", value_name="known")
        .filter(pl.col("known") > 1)
        .drop("known")
        for frame in (reference, current)
    ]
    keys = ["kind", "column_name"]
    return (
        wanted.join(present[0], on=keys, how="semi").join(present[1], on=keys, how="semi").sort("kind", "column_name")
    )


def _relative(frame: pl.DataFrame, columns: list[str], level: pl.DataFrame) -> pl.DataFrame:
    scaled = [
        (pl.col(c) / pl.when(pl.col("level") > 0).then(pl.col("level"))) if c.endswith("_kwh") else pl.col(c)
        for c in columns
    ]
    joined = frame.join(level, on="meter_id", how="left", maintain_order="left")
    return joined.select("meter_id", "kind", "interval_start_utc", *(e.cast(pl.Float64) for e in scaled))


def _long(frame: pl.DataFrame, columns: list[str], chosen: pl.DataFrame) -> pl.DataFrame:
    """series, interval_start_utc, value of the chosen columns, without nulls, in a fixed order."""
    return (
        frame.unpivot(on=columns, index=["meter_id", "kind", "interval_start_utc"], variable_name="column_name")
        .join(chosen.select("kind", "column_name", "series"), on=["kind", "column_name"])
        .filter(pl.col("value").is_finite())
        .sort("series", "interval_start_utc", "meter_id")
        .select("series", "interval_start_utc", "value")
    )


def _samples(long: pl.DataFrame) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(SEED)
    parts = long.partition_by("series", as_dict=True, maintain_order=True)
    return {str(series): _at_most(part["value"].to_numpy(), rng) for (series,), part in parts.items()}


def _at_most(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random sample: every n-th row would take the same hour of every day."""
    return (
        values if len(values) <= SAMPLE_ROWS else values[np.sort(rng.choice(len(values), SAMPLE_ROWS, replace=False))]
    )


def _end(frame: pl.DataFrame) -> datetime:
    column = "interval_end_utc" if "interval_end_utc" in frame.columns else "interval_start_utc"
    latest = frame[column].max()
    assert isinstance(latest, datetime)
    return latest


def _names(frame: pl.DataFrame, column: str = "meter_id") -> list[str]:
    return frame[column].unique().sort().to_list()


def _list(names: list[str]) -> str:
    shown = [name.removeprefix("all:") for name in names[:3]]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
