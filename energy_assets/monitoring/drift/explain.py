"""What explains drift: how far the main features and demand itself have moved, with reports for people.

Belongs here: which columns of whom are compared, and how far apart is usual. Does not belong here: the Evidently run
(`evidently_report.py`); deciding: features drift with every season, so they explain and never raise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from energy_assets.contracts import table
from energy_assets.monitoring.drift import evidently_report

SCORES = "monitoring.drift_scores"
CALENDAR_COLUMNS = frozenset(
    ["local_hour", "day_of_week", "day_of_year", "is_weekend", "is_holiday", "is_day_before_holiday",
     "is_day_after_holiday", "is_bridge_day", "lead_minutes", "known_days"]
)  # fmt: skip
TARGET = "demand_kwh"
MAX_COLUMNS = 4  # features per kind, the most important ones; and the target
CANDIDATES = 40  # per kind, of which not all are columns of their own
WORST = 3  # meters that get a report of their own
SAMPLE_ROWS = 800
PAST_WINDOWS = 8
THRESHOLD_MARGIN = 1.1
DEFAULT_THRESHOLD = 0.1  # of the normed Wasserstein distance, where the history is too short to learn one
METHOD = "wasserstein_normed"
LEARNED = "past windows of the reference"
DEFAULT = "default of the method: the reference is shorter than two windows"
SEED = 7


def most_important(importance: pl.DataFrame) -> set[str]:
    """The features that `explain` may choose from: of each kind the first ones off the calendar."""
    rows = importance.filter(~pl.col("column_name").is_in(list(CALENDAR_COLUMNS)), pl.col("importance") > 0)
    first = rows.sort(["importance", "column_name"], descending=[True, False]).group_by("kind").head(CANDIDATES)
    return set(first["column_name"])


def worst_meters(weeks: pl.DataFrame) -> list[str]:
    """The meters that are farthest beyond a threshold in the newest week of `weekly.timeline`, three at most."""
    beyond = weeks.filter(
        pl.col("week") == pl.col("week").max(), pl.col("drifted"), ~pl.col("meter_id").str.starts_with("all:")
    )
    excess = beyond.group_by("meter_id").agg(excess=(pl.col("score") / pl.col("threshold")).max())
    return excess.sort(["excess", "meter_id"], descending=[True, False]).head(WORST)["meter_id"].to_list()


def explain(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    importance: pl.DataFrame,
    *,
    meters: Sequence[str] = (),
    reports: Path | None = None,
    reports_path: str | None = None,
) -> pl.DataFrame:
    """How far the features that matter most to the champion, and demand, have moved: of each kind and of some meters.

    Columns are compared by the Wasserstein distance over the reference's standard deviation, computed by Evidently on
    a sample. Columns in kWh are taken relative to the meter's own median, so that no large meter stands for all. The
    threshold is 1.1 times the largest distance that past windows of the same length kept from the rest of the
    reference. Columns of the calendar are left out, and those without a value.

    Args:
        reference: meter_id, kind, interval_start_utc, interval_end_utc, demand_kwh (nullable) and feature columns.
        current: the same of the current window.
        importance: kind, column_name, importance (share of the champion's gain).
        meters: of which rows and reports of their own are wanted.
        reports: folder for `<kind>.html` and `<meter>.html`; none are written without it.
        reports_path: what the rows call it (a path below the warehouse).

    Returns:
        Rows of `monitoring.drift_scores` that explain, sorted by key; of a kind they are called `all:<kind>`.
    """
    contract = table(SCORES)
    level = reference.group_by("meter_id").agg(level=pl.col(TARGET).abs().median())
    parts = [contract.empty()]
    kinds = reference.select("kind").unique().join(current.select("kind").unique(), on="kind").sort("kind")
    subjects = [(f"all:{kind}", kind, pl.col("kind") == kind) for kind in kinds["kind"]]
    of_meters = (
        reference.filter(pl.col("meter_id").is_in(list(meters))).select("meter_id", "kind").unique().sort("meter_id")
    )
    subjects += [(meter, kind, pl.col("meter_id") == meter) for meter, kind in of_meters.iter_rows()]
    for subject, kind, rows in subjects:  # reports, not rows
        name = f"{subject.removeprefix('all:')}.html"
        past, now = reference.filter(rows), current.filter(rows)
        columns = _chosen(past, now, importance.filter(pl.col("kind") == kind))
        if not columns or now.is_empty():
            continue
        scores = _scores(past, now, list(columns), level, None if reports is None else reports / name)
        written = None if reports is None or reports_path is None else f"{reports_path}/{name}"
        parts.append(
            contract.conform(
                scores.with_columns(
                    meter_id=pl.lit(subject),
                    method=pl.lit(METHOD),
                    role=pl.lit("explains"),
                    reference_start_utc=pl.lit(past["interval_start_utc"].min()),
                    reference_end_utc=pl.lit(past["interval_end_utc"].max()),
                    current_start_utc=pl.lit(now["interval_start_utc"].min()),
                    current_end_utc=pl.lit(now["interval_end_utc"].max()),
                    importance=pl.col("column_name").replace_strict(columns, return_dtype=pl.Float64),
                    report_path=pl.lit(written, dtype=pl.String),
                )
            )
        )
    return pl.concat(parts).sort(contract.key)


def _chosen(past: pl.DataFrame, now: pl.DataFrame, importance: pl.DataFrame) -> dict[str, float | None]:
    """The target and the most important numeric features off the calendar that have values, with their importance."""
    numeric = [
        name
        for name, dtype in past.schema.items()
        if dtype.is_numeric() and name not in CALENDAR_COLUMNS and name != TARGET and name in now.columns
        and past[name].count() > 1 and now[name].count() > 1
    ]  # fmt: skip
    top = (
        importance.filter(pl.col("column_name").is_in(numeric), pl.col("importance") > 0)
        .sort(["importance", "column_name"], descending=[True, False])
        .head(MAX_COLUMNS)
    )
    chosen: dict[str, float | None] = dict(top.select("column_name", "importance").iter_rows())
    if past[TARGET].count() > 1 and now[TARGET].count() > 1:
        chosen[TARGET] = None
    return chosen


def _scores(
    past: pl.DataFrame, now: pl.DataFrame, columns: Sequence[str], level: pl.DataFrame, report: Path | None
) -> pl.DataFrame:
    before, after = _relative(past, columns, level), _relative(now, columns, level)
    length = (now["interval_end_utc"].max() - now["interval_start_utc"].min()).total_seconds()  # type: ignore[operator, union-attr]
    learned = {
        name: learned_threshold(known["interval_start_utc"], known[name], length)
        for name in columns
        for known in (before.select("interval_start_utc", name).filter(pl.col(name).is_finite()),)
    }
    thresholds = {name: DEFAULT_THRESHOLD if value is None else value for name, value in learned.items()}
    found = evidently_report.run(_samples(before, columns), _samples(after, columns), thresholds, report)
    threshold = pl.col("column_name").replace_strict(thresholds, return_dtype=pl.Float64)
    source = {name: DEFAULT if value is None else LEARNED for name, value in learned.items()}
    return found.with_columns(
        threshold=threshold,
        threshold_source=pl.col("column_name").replace_strict(source, return_dtype=pl.String),
        drifted=pl.col("score") > threshold,
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


def _relative(frame: pl.DataFrame, columns: Sequence[str], level: pl.DataFrame) -> pl.DataFrame:
    """interval_start_utc and the columns, sorted; those in kWh over the meter's level."""
    scale = pl.when(pl.col("level") > 0).then(pl.col("level"))
    joined = frame.join(level, on="meter_id", how="left").sort("interval_start_utc", "meter_id")
    values = [(pl.col(c) / scale if c.endswith("_kwh") else pl.col(c)).cast(pl.Float64).alias(c) for c in columns]
    return joined.select("interval_start_utc", *values)


def _samples(frame: pl.DataFrame, columns: Sequence[str]) -> Mapping[str, np.ndarray]:
    rng = np.random.default_rng(SEED)
    return {name: _at_most(frame[name].filter(frame[name].is_finite()).to_numpy(), rng) for name in columns}


def _at_most(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random sample: every n-th row would take the same hour of every day."""
    return (
        values if len(values) <= SAMPLE_ROWS else values[np.sort(rng.choice(len(values), SAMPLE_ROWS, replace=False))]
    )
