"""Drift is found where forecasts have gone wrong, and not where only the season has changed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.monitoring import drift_scores, verdict
from energy_assets.monitoring.drift import learned_threshold
from energy_assets.monitoring.residuals import residual_scores

START = datetime(2026, 1, 1, tzinfo=UTC)
UTC_TIME = pl.Datetime("us", "UTC")
CURRENT_DAYS = 14


def residuals(
    days: int = 56,
    meters: int = 4,
    *,
    shift_from: int | None = None,
    factor: float = 1.2,
    seed: int = 1,
    only: str = "",
) -> pl.DataFrame:
    """Forecasts with 15 % of hourly noise and daily errors that remember the day before; shifted from a day on."""
    rng = np.random.default_rng(seed)
    hours = np.arange(days * 24)
    parts = []
    for number in range(meters):
        name = f"m{number}"
        daily = np.zeros(days)
        for day in range(1, days):
            daily[day] = 0.4 * daily[day - 1] + rng.normal(0, 0.03)
        predicted = 10 * (1 + 0.3 * np.sin(hours / 24 * 2 * np.pi))
        actual = predicted * np.exp(np.repeat(daily, 24) + rng.normal(0, 0.15, len(hours)))
        if shift_from is not None and name.startswith(only):
            actual = np.where(hours >= shift_from * 24, actual * factor, actual)
        parts.append(
            pl.DataFrame(
                {
                    "meter_id": name,
                    "kind": "building" if number % 2 else "household",
                    "interval_start_utc": pl.Series([START + timedelta(hours=int(h)) for h in hours], dtype=UTC_TIME),
                    "actual_kwh": actual,
                    "predicted_kwh": predicted,
                }
            )
        )
    return pl.concat(parts)


def features(rows: pl.DataFrame, seed: int = 3, warmer: float = 0.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reference and current features of the same hours; the current weeks may be warmer."""
    rng = np.random.default_rng(seed)
    split = rows["interval_start_utc"].max() - timedelta(days=CURRENT_DAYS) + timedelta(hours=1)  # type: ignore[operator]
    frame = rows.with_columns(
        demand_kwh="actual_kwh",
        temperature_c=pl.Series(rng.normal(8, 4, rows.height)) + (pl.col("interval_start_utc") >= split) * warmer,
        demand_lag_1d_kwh=pl.col("actual_kwh").shift(24).over("meter_id"),
        day_of_week=pl.col("interval_start_utc").dt.weekday(),
        empty=pl.lit(None, dtype=pl.Float64),
    ).drop("actual_kwh", "predicted_kwh")
    return frame.filter(pl.col("interval_start_utc") < split), frame.filter(pl.col("interval_start_utc") >= split)


IMPORTANCE = pl.DataFrame(
    [
        (kind, column, share)
        for kind in ("building", "household")
        for column, share in (("day_of_week", 0.9), ("temperature_c", 0.5), ("demand_lag_1d_kwh", 0.2), ("empty", 0.3))
    ],
    schema=["kind", "column_name", "importance"],
    orient="row",
)


@pytest.mark.parametrize("days", [28, 56])
def test_clean_series_do_not_drift(days: int) -> None:
    verdicts = [verdict(residual_scores(residuals(days, seed=seed))).word for seed in range(6)]
    assert "drifted" not in verdicts
    assert verdicts.count("stable") >= 5


@pytest.mark.parametrize("factor", [1.2, 0.8])
def test_a_shift_of_a_fifth_drifts_everywhere(factor: float) -> None:
    scores = residual_scores(residuals(shift_from=44, factor=factor))
    assert scores.filter(pl.col("method") == "log_residual_bias")["drifted"].all()
    assert verdict(scores).word == "drifted"
    assert "building, household" in verdict(scores).sentence


def test_one_meter_gone_wrong_is_watched() -> None:
    scores = residual_scores(residuals(meters=12, shift_from=44, factor=1.15, only="m3"))
    assert scores.filter("drifted")["meter_id"].unique().to_list() == ["m3"]
    assert verdict(scores).word == "watch"
    assert "m3" in verdict(scores).sentence


def test_short_histories_decide_nothing() -> None:
    scores = residual_scores(residuals(days=12, shift_from=8))
    assert scores["threshold"].null_count() == scores.height
    assert not scores["drifted"].any()
    assert verdict(scores).word == "unknown"


def test_no_residuals_no_rows() -> None:
    empty = residuals(days=2).clear()
    assert residual_scores(empty).is_empty()
    assert verdict(table("monitoring.drift_scores").empty()).word == "unknown"


def test_a_meter_with_holes_is_scored_on_what_it_has() -> None:
    rows = residuals()
    holes = rows.with_columns(
        actual_kwh=pl.when((pl.col("meter_id") == "m0") & (pl.col("interval_start_utc").dt.day() % 3 == 0))
        .then(None)
        .otherwise("actual_kwh")
    )
    scores = residual_scores(holes)
    assert scores.filter(pl.col("meter_id") == "m0", pl.col("threshold").is_not_null()).height == 2


def test_windows_are_those_of_the_days() -> None:
    row = residual_scores(residuals(56)).row(0, named=True)
    assert row["current_end_utc"] - row["current_start_utc"] == timedelta(days=14)
    assert row["reference_end_utc"] == row["current_start_utc"]
    assert row["current_end_utc"] == START + timedelta(days=56)


def test_threshold_is_learned_from_the_series_itself() -> None:
    rng = np.random.default_rng(2)
    times = pl.Series([START + timedelta(hours=i) for i in range(24 * 60)], dtype=UTC_TIME)
    calm = pl.Series(rng.normal(0, 1, 24 * 60))
    restless = calm + pl.Series(np.repeat(rng.normal(0, 3, 10), 24 * 6))
    week = 7 * 86_400.0
    low, high = learned_threshold(times, calm, week), learned_threshold(times, restless, week)
    assert low is not None
    assert high is not None
    assert low < 0.3 < high
    assert learned_threshold(times.head(24 * 8), calm.head(24 * 8), week) is None


def test_all_together_with_evidently(tmp_path: Path) -> None:
    rows = residuals(shift_from=42)
    reference, current = features(rows, warmer=6.0)
    report = tmp_path / "reports" / "drift.html"
    scores = drift_scores(rows, reference, current, IMPORTANCE, report=report, report_path="reports/drift.html")

    assert scores.schema == table("monitoring.drift_scores").polars_schema
    explains = scores.filter(pl.col("role") == "explains")
    assert set(explains["column_name"]) == {"demand_kwh", "temperature_c", "demand_lag_1d_kwh"}  # no calendar, no nulls
    assert set(explains["meter_id"]) == {"all:building", "all:household"}
    assert explains["score"].null_count() == 0
    warm = explains.filter(pl.col("column_name") == "temperature_c")
    assert warm["score"].to_list() == pytest.approx([1.5, 1.5], abs=0.25)  # 6 degrees at 4 of standard deviation
    assert warm["drifted"].all()
    assert warm["importance"].to_list() == [0.5, 0.5]
    assert scores["report_path"].unique().to_list() == ["reports/drift.html"]
    assert verdict(scores).word == "drifted"
    assert "temperature_c" in verdict(scores).sentence

    html = report.read_text(encoding="utf-8")
    assert len(html) < 5_000_000
    assert "building: temperature_c" in html
    assert not re.search(r"""<(script|link)[^>]+(src|href)=["']?https?:""", html)  # opens without a network
    assert [p.name for p in report.parent.iterdir()] == ["drift.html"]

    again = drift_scores(rows, reference, current, IMPORTANCE, report=None)
    assert again.drop("report_path").equals(scores.drop("report_path"))
    assert again["report_path"].null_count() == again.height


def test_moved_inputs_alone_are_watched_not_drifted() -> None:
    rows = residuals()
    reference, current = features(rows, warmer=8.0)
    scores = drift_scores(rows, reference, current, IMPORTANCE)
    assert not scores.filter(pl.col("role") == "decides")["drifted"].any()
    assert verdict(scores).word == "watch"
    assert "Inputs have moved" in verdict(scores).sentence


def test_without_features_residuals_still_decide() -> None:
    rows = residuals(shift_from=44)
    reference, current = features(rows)
    for some in ((reference.clear(), current), (reference, current.clear())):
        scores = drift_scores(rows, *some, IMPORTANCE)
        assert scores["role"].unique().to_list() == ["decides"]
        assert verdict(scores).word == "drifted"
