"""`python -m tests.bench.labelled_buildings [--variants | --cost]`: anomaly scores beside people's marks.

A year of hourly readings of five buildings, 2.8 % of them marked (LEAD 1.0). All hours count, those without a past
lowest; no point adjustment. Everything is online: an hour is scored by what came before it, forests are refitted every
30 days on what was before, and no score has seen a label, but for the last one, which learns those of the other four
buildings and is no part of the project. `both sides` is the review after the fact.

PR-AUC is average precision over hours. Events are runs of five hours and more above a threshold, at most six hours
apart, and of marked hours; one that shares an hour with one of the other sort is a hit. The threshold is a multiple of
the building's own median score of the twelve weeks before, the one that is best in the mean of the other four.

`--variants` shows PR-AUC for other settings of the outlyingness, and for a setting chosen on the other four buildings;
`--cost` what the detector takes for a day's run over 260 meters, 52 copies of each building.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score

from energy_assets.monitoring.anomalies import Sight, with_expectation
from energy_assets.monitoring.anomalies import outlyingness as module
from energy_assets.monitoring.anomalies.contextual import FEATURES, MIN_HOURS, contextual, with_changes
from energy_assets.monitoring.anomalies.outlyingness import UNLIKENESS, outlyingness
from tests.real_data import REAL_DATA

Scores = npt.NDArray[np.float64]

REFIT_HOURS = 30 * 24
BRIDGE_HOURS = 6
CANDIDATES = 60  # thresholds that are tried, quantiles of the other buildings' scores
SCORE = "score"
VARIANTS: dict[str, tuple[Any, ...]] = {
    "SHARE": (0.1, 0.15, 0.2, 0.25, 0.3),
    "WIDTHS": ((3, 6), (2, 12), (3, 24), (6, 12)),
    "LEVEL_SHARE": (0.0, 1.0),
    "LEAST_ERROR": (0.1, 0.4),
    "CUSHION": (0.02, 0.1),
}


def buildings() -> pl.DataFrame:
    """All five in the shape that `with_expectation` takes, with `marked`; their stamps are local, taken as UTC."""
    parts = []
    for path in sorted((REAL_DATA / "lead_buildings").glob("building_*.csv")):
        rows = pl.read_csv(path, try_parse_dates=True)
        every = rows.select(pl.datetime_range(pl.col("timestamp").min(), pl.col("timestamp").max(), "1h"))
        rows = every.join(rows, on="timestamp", how="left").with_columns(meter_id=pl.lit(path.stem))
        parts.append(rows)
    start = pl.col("timestamp").dt.replace_time_zone("UTC")
    return pl.concat(parts, how="vertical_relaxed").select(
        "meter_id",
        interval_start_utc=start,
        interval_end_utc=start + timedelta(hours=1),
        known_at_utc=start + timedelta(hours=1),
        local_date=start.dt.date(),
        local_hour=start.dt.hour().cast(pl.Int32),
        demand_reported_kwh="meter_reading",
        demand_kwh="meter_reading",
        marked=(pl.col("anomaly") == 1).fill_null(value=False),
    )


def scored(hourly: pl.DataFrame, sight: Sight = Sight.PAST, past_days: int = 365) -> pl.DataFrame:
    """The hours with everything that scores are made of; the history is cut at so many days by scoring in blocks."""
    past = pl.col("demand_kwh").shift(1)
    week = ["meter_id", "day_of_week", "local_hour"]
    mean, spread = (getattr(past, f"rolling_{name}")(52, min_samples=3).over(week) for name in ("mean", "std"))
    hours = with_changes(with_expectation(hourly, sight=sight)).with_columns(
        seasonal_z=pl.when(spread > 0).then((pl.col("demand_kwh") - mean) / spread)
    )
    days = hours["local_date"].unique().sort()
    if past_days >= len(days):
        return outlyingness(hours, days, sight=sight)
    parts = []
    for first in range(0, len(days), 14):
        block = days[first : first + 14]
        seen = pl.col("local_date").is_between(block[0] - timedelta(days=past_days), block[-1])
        parts.append(outlyingness(hours.filter(seen), block, sight=sight))
    return pl.concat(parts).sort("meter_id", "interval_start_utc")


def refitted_forest(rows: pl.DataFrame, features: tuple[str, ...]) -> Scores:
    """Scores of a forest per building, every 30 days fitted anew on the building's past."""
    parts = []
    for building in rows.partition_by("meter_id", maintain_order=True):
        matrix = building.select(pl.col(features).fill_null(0.0).fill_nan(0.0)).to_numpy()
        score = np.full(len(matrix), np.nan)
        for start in range(REFIT_HOURS, len(matrix), REFIT_HOURS):
            block = slice(start, start + REFIT_HOURS)
            forest = IsolationForest(n_estimators=100, random_state=7, n_jobs=1).fit(matrix[:start])
            score[block] = -forest.score_samples(matrix[block])
        parts.append(score)
    return np.concatenate(parts)


def learned(rows: pl.DataFrame) -> Scores:
    """Trees that learn the labels of the other four buildings: what there is to gain from labels."""
    from lightgbm import LGBMClassifier

    smooth = [
        pl.col("outlyingness").rolling_mean(width, min_samples=1).over("meter_id").alias(f"smooth_{width}")
        for width in (3, 6, 12, 24)
    ]
    features = rows.select("outlyingness", *FEATURES, *UNLIKENESS, *smooth, "local_hour", "day_of_week").to_numpy()
    marked, building = rows["marked"].to_numpy(), rows["meter_id"].to_numpy()
    score = np.zeros(len(marked))
    for name in np.unique(building):
        own = building == name
        trees = LGBMClassifier(
            n_estimators=150, num_leaves=7, learning_rate=0.03, min_child_samples=100, subsample=0.8, subsample_freq=1,
            colsample_bytree=0.7, random_state=7, n_jobs=2, verbose=-1, deterministic=True, force_row_wise=True,
        )  # fmt: skip
        trees.fit(features[~own], marked[~own])
        score[own] = np.asarray(trees.predict_proba(features[own]))[:, 1]
    return score


def event_figures(flagged: npt.NDArray[np.bool_], marked: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """F1, precision and recall of events."""
    found = [(a, b) for a, b in _runs(flagged, BRIDGE_HOURS) if flagged[a:b].sum() >= MIN_HOURS]
    true = _runs(marked, 0)
    right = sum(bool(marked[a:b].any()) for a, b in found)
    covered = np.zeros(len(marked), dtype=np.bool_)
    for a, b in found:
        covered[a:b] = True
    caught = sum(bool(covered[a:b].any()) for a, b in true)
    precision, recall = right / max(len(found), 1), caught / max(len(true), 1)
    return 2 * precision * recall / max(precision + recall, 1e-9), precision, recall


def _runs(flags: npt.NDArray[np.bool_], bridge: int) -> list[tuple[int, int]]:
    index = np.flatnonzero(flags)
    if not len(index):
        return []
    breaks = np.flatnonzero(np.diff(index) > bridge + 1)
    return list(zip(index[np.r_[0, breaks + 1]].tolist(), (index[np.r_[breaks, -1]] + 1).tolist(), strict=True))


def figures(score: Scores, rows: pl.DataFrame) -> tuple[list[float], list[tuple[float, float, float]]]:
    """PR-AUC per building, and event figures at the threshold that the other four choose."""
    past = pl.col(SCORE).rolling_median(84 * 24, min_samples=14 * 24).shift(1).over("meter_id")
    table = (
        rows.select("meter_id", "marked", pl.Series(SCORE, score).fill_nan(None))
        .with_columns(multiple=pl.when(past > 0).then(pl.col(SCORE) / past).fill_null(0.0))
        .with_columns(pl.col(SCORE).fill_null(float(np.nanmin(score))))
    )
    parts = [
        (part[SCORE].to_numpy(), part["multiple"].to_numpy(), part["marked"].to_numpy())
        for part in table.partition_by("meter_id", maintain_order=True)
    ]
    areas = [float(average_precision_score(marked, values)) for values, _, marked in parts]
    tried = np.unique(np.quantile(table["multiple"].to_numpy(), 1 - np.geomspace(0.0005, 0.1, CANDIDATES)))
    f1 = np.array([[event_figures(v > limit, marked)[0] for limit in tried] for _, v, marked in parts])
    chosen = [tried[np.delete(f1, i, axis=0).mean(axis=0).argmax()] for i in range(len(parts))]
    return areas, [event_figures(v > limit, marked) for (_, v, marked), limit in zip(parts, chosen, strict=True)]


def flagged(hourly: pl.DataFrame) -> pl.DataFrame:
    """Hours that the detector flags with the thresholds it ships with, in runs a fortnight apart."""
    described = hourly.select("meter_id", kind=pl.lit("building")).unique()
    dated = hourly.with_columns(day_of_week=pl.col("local_date").dt.weekday())
    span = hourly.select(
        pl.datetime_range(
            pl.col("interval_start_utc").min() + pl.duration(days=14),
            pl.col("interval_end_utc").max() + pl.duration(days=14),
            "14d",
        )
    ).to_series()
    parts = []
    for issued in span:
        window = issued - timedelta(days=14)
        recent = pl.col("interval_start_utc") >= window - timedelta(days=90)
        hours = with_expectation(dated.filter(recent, pl.col("interval_end_utc") <= issued))
        found = contextual(hours, described, hours.clear(), window, dated.filter(~recent))
        found = found.filter(pl.col("score") >= pl.col("threshold"), pl.col("interval_start_utc") >= window)
        parts.append(found.select("meter_id", "interval_start_utc", flagged=pl.lit(value=True)))
    return pl.concat(parts)


def variants(hourly: pl.DataFrame) -> Table:
    """PR-AUC as one setting after the other is moved; the last row takes for each building what suits the others."""
    shown = Table(title="PR-AUC, mean of the five buildings", title_justify="left")
    for column in ("setting", "mean", "least", "greatest"):
        shown.add_column(column, justify="left" if column == "setting" else "right")
    every = []
    for setting, values in VARIANTS.items():
        for value in values:
            changed: dict[str, Any] = {setting: value}
            if setting == "WIDTHS":
                changed["UNLIKENESS"] = tuple(f"unlikeness_{width}h" for width in value)
            with patch.multiple(module, **changed):
                rows = scored(hourly)
            areas, _ = figures(rows["outlyingness"].to_numpy(), rows)
            every.append(areas)
            shown.add_row(f"{setting} = {value}", *(f"{f:.3f}" for f in (np.mean(areas), min(areas), max(areas))))
    table = np.array(every)
    chosen = [table[np.delete(table, i, axis=1).mean(axis=1).argmax(), i] for i in range(table.shape[1])]
    shown.add_row("chosen on the other four", *(f"{f:.3f}" for f in (np.mean(chosen), min(chosen), max(chosen))))
    return shown


def cost(hourly: pl.DataFrame, copies: int = 52) -> str:
    """CPU seconds of the detector for the last fortnight, with and without the year before."""
    every = pl.concat(
        hourly.with_columns(
            meter_id=pl.format("{}_{}", "meter_id", pl.lit(copy)), day_of_week=pl.col("local_date").dt.weekday()
        )
        for copy in range(copies)
    )
    described = every.select("meter_id", kind=pl.lit("building")).unique()
    window = every.select(pl.col("interval_end_utc").max() - pl.duration(days=14)).item()
    recent = pl.col("interval_start_utc") >= window - timedelta(days=90)
    hours, lines = with_expectation(every.filter(recent)), []
    for name, history in (("104 days", None), ("a year", every.filter(~recent))):
        began = time.process_time()
        contextual(hours, described, hours.clear(), window, history)
        lines.append(f"{described.height} meters, {name}: {time.process_time() - began:.1f} s of CPU")
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="tests.bench.labelled_buildings", description=__doc__)
    parser.add_argument("--variants", action="store_true", help="other settings of the outlyingness instead")
    parser.add_argument("--cost", action="store_true", help="CPU seconds of a day's run instead")
    chosen = parser.parse_args()
    hourly = buildings()
    if chosen.variants or chosen.cost:
        Console(width=130).print(variants(hourly) if chosen.variants else cost(hourly))
        return
    rows = scored(hourly)
    quarter, both = scored(hourly, past_days=90), scored(hourly, Sight.BOTH)
    # `flagged` judges by its own thresholds: 1 where it speaks
    speaks = rows.join(flagged(hourly), on=["meter_id", "interval_start_utc"], how="left", maintain_order="left")
    scores: dict[str, Callable[[], Scores]] = {
        "isolation forest on raw values": lambda: refitted_forest(rows, ("demand_reported_kwh",)),
        "seasonal z-score": lambda: rows["seasonal_z"].abs().to_numpy(),
        "residual threshold": lambda: rows["residual"].abs().to_numpy(),
        "isolation forest, contextual": lambda: refitted_forest(rows, FEATURES),
        "outlyingness, a year": lambda: rows["outlyingness"].to_numpy(),
        "outlyingness, 90 days": lambda: quarter["outlyingness"].to_numpy(),
        "outlyingness, both sides": lambda: both["outlyingness"].to_numpy(),
        "labels of the other four": lambda: learned(rows),
    }
    names = [name.removeprefix("building_") for name in rows["meter_id"].unique(maintain_order=True)]
    shown = Table(title="PR-AUC per building and mean; event F1, precision, recall", title_justify="left")
    for column in ("score", *names, "mean", "event F1", "precision", "recall"):
        shown.add_column(column, justify="left" if column == "score" else "right")
    for name, make in scores.items():
        areas, events = figures(make(), rows)
        numbers = [*areas, float(np.mean(areas)), *np.mean(events, axis=0)]
        shown.add_row(name, *(f"{number:.2f}" for number in numbers))
    by_building = speaks.partition_by("meter_id", maintain_order=True)
    shipped = [
        event_figures(b["flagged"].fill_null(value=False).to_numpy(), b["marked"].to_numpy()) for b in by_building
    ]
    shown.add_row("contextual, as it ships", *([""] * 6), *(f"{number:.2f}" for number in np.mean(shipped, axis=0)))
    Console(width=130).print(shown)


if __name__ == "__main__":
    main()
