"""What explains drift: which columns are compared, how far apart is usual, and reports that open without a network."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.monitoring import drift
from energy_assets.monitoring.drift.explain import learned_threshold

START = datetime(2026, 1, 1, tzinfo=UTC)
UTC_TIME = pl.Datetime("us", "UTC")
SPLIT = START + timedelta(days=42)
IMPORTANCE = pl.DataFrame(
    [
        (kind, column, share)
        for kind in ("building", "household")
        for column, share in (("day_of_week", 0.9), ("temperature_c", 0.5), ("demand_lag_1d_kwh", 0.2), ("empty", 0.3))
    ],
    schema=["kind", "column_name", "importance"],
    orient="row",
)


def features(warmer: float = 0.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reference and current features of two buildings and two homes; the last fortnight may be warmer."""
    rng = np.random.default_rng(3)
    hour = np.arange(56 * 24)
    start = pl.Series([START + timedelta(hours=int(h)) for h in hour], dtype=UTC_TIME)
    parts = []
    for number in range(4):
        kwh = 10 ** (number + 1) * (1 + 0.3 * np.sin(hour / 24 * 2 * np.pi)) * np.exp(rng.normal(0, 0.1, len(hour)))
        parts.append(
            pl.DataFrame({"interval_start_utc": start, "demand_kwh": kwh}).with_columns(
                meter_id=pl.lit(f"m{number}"),
                kind=pl.lit("building" if number % 2 else "household"),
                interval_end_utc=pl.col("interval_start_utc") + timedelta(hours=1),
                temperature_c=pl.Series(rng.normal(8, 4, len(hour))) + (pl.col("interval_start_utc") >= SPLIT) * warmer,
                demand_lag_1d_kwh=pl.col("demand_kwh").shift(24),
                day_of_week=pl.col("interval_start_utc").dt.weekday(),
                empty=pl.lit(None, dtype=pl.Float64),
            )
        )
    frame = pl.concat(parts)
    return frame.filter(pl.col("interval_start_utc") < SPLIT), frame.filter(pl.col("interval_start_utc") >= SPLIT)


def test_moved_inputs_are_told_with_reports_per_kind_and_for_meters(tmp_path: Path) -> None:
    reference, current = features(warmer=6.0)
    folder = tmp_path / "reports" / "drift" / "2026-03-02"
    rows = drift.explain(
        reference, current, IMPORTANCE, meters=["m1"], reports=folder, reports_path="reports/drift/2026-03-02"
    )
    assert rows.schema == table("monitoring.drift_scores").polars_schema
    assert rows["role"].unique().to_list() == ["explains"]
    assert set(rows["column_name"]) == {"demand_kwh", "temperature_c", "demand_lag_1d_kwh"}  # no calendar, no nulls
    assert rows["meter_id"].unique().sort().to_list() == ["all:building", "all:household", "m1"]
    warm = rows.filter(pl.col("column_name") == "temperature_c")
    assert warm["score"].to_list() == pytest.approx([1.5] * 3, abs=0.25)  # 6 degrees at 4 of standard deviation
    assert warm["drifted"].all()
    assert rows.filter(pl.col("column_name") == "demand_kwh")["score"].max() < 0.2  # type: ignore[operator]
    assert warm["importance"].to_list() == [0.5] * 3
    assert rows["report_path"].unique().sort().to_list() == [
        f"reports/drift/2026-03-02/{name}.html" for name in ("building", "household", "m1")
    ]
    assert rows["current_start_utc"].unique().to_list() == [SPLIT]

    page = (folder / "building.html").read_text(encoding="utf-8")
    assert len(page) < 300_000
    assert "temperature_c" in page
    [library] = re.findall(r'<script src="([^"]+)"', page)
    assert (folder / library).resolve().stat().st_size > 1_000_000
    assert not re.search(r"""<(script|link)[^>]+(src|href)=["']?https?:""", page)  # opens without a network
    assert sorted(p.name for p in folder.iterdir()) == ["building.html", "household.html", "m1.html"]

    again = drift.explain(reference, current, IMPORTANCE, meters=["m1"])
    assert again.drop("report_path").equals(rows.drop("report_path"))
    assert again["report_path"].null_count() == again.height


@pytest.mark.parametrize("raised", [False, True])
def test_moved_inputs_are_told_beside_what_is_raised_and_raise_nothing(raised: bool) -> None:
    reference, current = features(warmer=8.0)
    scores = drift.explain(reference, current, IMPORTANCE)
    weeks = pl.DataFrame(
        {"meter_id": ["m0", "all:household"], "column_name": "reference", "method": "level", "score": 0.05,
         "threshold": 0.03 if raised else 0.06, "drifted": raised, "raised": raised,
         "week": datetime(2026, 2, 23).date(), "current_start_utc": SPLIT}
    )  # fmt: skip
    hours = current.filter(pl.col("meter_id") == "m0").with_columns(local_date=pl.col("interval_start_utc").dt.date())
    hours = hours.filter(pl.col("local_date") < datetime(2026, 3, 2).date())
    nothing = pl.DataFrame(
        schema={"meter_id": pl.String, "kind": pl.String, "start_utc": UTC_TIME, "end_utc": UTC_TIME}
    )
    found = drift.decide(weeks, scores, hours, nothing, issued_at=START + timedelta(days=60))
    assert found["decision"].to_list() == ["retrain" if raised else "nothing"] * 2
    assert found["moved_importance"].to_list() == pytest.approx([0.5 / 0.7] * 2)
    assert ("temperature_c (71 % of the importance looked at)" in found["because"][0]) == raised


@pytest.mark.parametrize("empty", [0, 1])
def test_without_features_nothing_explains(empty: int) -> None:
    frames = list(features())
    frames[empty] = frames[empty].clear()
    assert drift.explain(frames[0], frames[1], IMPORTANCE).is_empty()


def test_the_worst_meters_are_those_farthest_beyond() -> None:
    week = datetime(2026, 2, 23).date()
    rows = [
        ("a", 0.2, True),
        ("b", 0.5, True),
        ("c", 0.3, True),
        ("d", 0.4, True),
        ("e", 0.9, False),
        ("all:x", 0.9, True),
    ]
    weeks = pl.DataFrame(rows, schema=["meter_id", "score", "drifted"], orient="row").with_columns(
        week=pl.lit(week), threshold=pl.lit(0.1)
    )
    assert drift.worst_meters(weeks) == ["b", "d", "c"]
    assert drift.worst_meters(weeks.clear()) == []


def test_threshold_is_learned_from_past_windows() -> None:
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
