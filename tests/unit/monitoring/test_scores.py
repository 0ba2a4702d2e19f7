"""Scores of issued forecasts against the seasonal naive, by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.monitoring import score_forecasts

ISSUED = datetime(2026, 3, 10, 8, tzinfo=UTC)
TARGET = datetime(2026, 3, 10, 23, tzinfo=UTC)
UTC_TIME = pl.Datetime("us", "UTC")
HOURS = range(24)


def times(hours: range = HOURS) -> pl.Series:
    return pl.Series("interval_start_utc", [TARGET + timedelta(hours=h) for h in hours], dtype=UTC_TIME)


def forecasts(median: float = 10.0, revision: int = 0, version: str = "v1") -> pl.DataFrame:
    hours = pl.DataFrame({"interval_start_utc": times(), "lead_minutes": [60 * (15 + h) for h in HOURS]})
    quantiles = pl.DataFrame({"quantile": [0.1, 0.5, 0.9], "demand_kwh": [median - 2, median, median + 2]})
    return hours.join(quantiles, how="cross").with_columns(
        pl.col("lead_minutes").cast(pl.Int32),
        meter_id=pl.lit("m"),
        issued_at_utc=pl.lit(ISSUED, dtype=UTC_TIME),
        model_version=pl.lit(version),
        revision=pl.lit(revision),
    )


def series(value: float, hours: range = HOURS) -> pl.DataFrame:
    return pl.DataFrame({"interval_start_utc": times(hours), "demand_kwh": [value] * len(hours)}).with_columns(
        meter_id=pl.lit("m"), local_date=pl.lit(date(2026, 3, 11))
    )


def one(scores: pl.DataFrame, metric: str, bucket: str = "all") -> dict[str, object]:
    return scores.row(by_predicate=(pl.col("metric") == metric) & (pl.col("lead_bucket") == bucket), named=True)


def test_metrics_baseline_and_skill() -> None:
    scores = score_forecasts(forecasts(), series(11.0), series(15.0).drop("local_date"))
    assert scores.schema == table("monitoring.forecast_scores").polars_schema
    assert set(scores["lead_bucket"]) == {"15-21", "21-27", "27-33", "33-39", "all"}
    mae = one(scores, "mae")
    assert (mae["value"], mae["baseline_value"], mae["n"]) == (1.0, 4.0, 24)
    assert mae["skill"] == pytest.approx(0.75)
    assert mae["local_date"] == date(2026, 3, 11)
    assert mae["baseline_name"] == "seasonal_naive"
    assert one(scores, "mae", "21-27")["n"] == 6
    bias = one(scores, "bias")
    assert (bias["value"], bias["baseline_value"], bias["skill"]) == (-1.0, 4.0, None)
    pinball = one(scores, "pinball")
    assert pinball["value"] == pytest.approx((0.1 * 3 + 0.5 * 1 + 0.1 * 1) / 3)
    assert pinball["baseline_value"] == pytest.approx((0.9 * 4 + 0.5 * 4 + 0.1 * 4) / 3)
    assert one(scores, "coverage_80")["value"] == 1.0
    assert one(scores, "width_80")["value"] == 4.0
    assert one(scores, "width_80")["baseline_value"] is None


def test_peaks_belong_to_the_whole_day() -> None:
    scores = score_forecasts(forecasts(), series(11.0), series(15.0))
    assert scores.filter(pl.col("metric").str.starts_with("peak"))["lead_bucket"].unique().to_list() == ["all"]
    assert one(scores, "peak_error")["value"] == 1.0
    half = score_forecasts(forecasts(), series(11.0, range(8)), series(15.0))
    assert one(half, "peak_error")["value"] is None


def test_half_a_day_is_scored_on_its_half() -> None:
    scores = score_forecasts(forecasts(), series(11.0, range(8)), series(15.0))
    assert one(scores, "mae")["n"] == 8
    assert set(scores["lead_bucket"]) == {"15-21", "21-27", "all"}


def test_baseline_must_cover_the_same_intervals() -> None:
    scores = score_forecasts(forecasts(), series(11.0), series(15.0, range(20)))
    assert one(scores, "mae")["baseline_value"] is None
    assert one(scores, "mae")["skill"] is None
    assert one(scores, "mae", "15-21")["baseline_value"] == 4.0
    assert one(scores, "pinball")["baseline_value"] is None


def test_last_revision_counts_and_models_stand_side_by_side() -> None:
    many = pl.concat([forecasts(10.0), forecasts(11.0, revision=1), forecasts(9.0, version="v2")])
    scores = score_forecasts(many, series(11.0), series(15.0)).filter(
        pl.col("metric") == "mae", pl.col("lead_bucket") == "all"
    )
    assert dict(scores.select("model_version", "value").iter_rows()) == {"v1": 0.0, "v2": 2.0}


def test_nothing_true_yet_nothing_scored() -> None:
    assert score_forecasts(forecasts(), series(11.0).clear(), series(15.0)).is_empty()
    unknown = series(11.0).with_columns(demand_kwh=pl.lit(None, dtype=pl.Float64))
    assert score_forecasts(forecasts(), unknown, series(15.0)).is_empty()


def test_one_assumed_hour_makes_the_basis_an_assumption() -> None:
    basis = pl.DataFrame(
        {"meter_id": "m", "issued_at_utc": [ISSUED] * 3, "issue_basis": ["reported", "assumed", None]}
    ).with_columns(pl.col("issued_at_utc").cast(UTC_TIME))
    scored = score_forecasts(forecasts(), series(11.0), series(15.0), basis)
    assert scored["issue_basis"].unique().to_list() == ["assumed"]
    other = score_forecasts(forecasts(), series(11.0), series(15.0), basis.clear())
    assert other["issue_basis"].unique().to_list() == ["none"]
