"""Scores of backtests."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.forecasting import QUANTILES, backtest_scores
from energy_assets.metrics import array_errors
from tests.unit.forecasting.frames import DAY, HOUR, INSTANT, START

ISSUED = START + 9 * HOUR


def _day(values: list[float], quantile: float = 0.5, model: str = "ours", meter: str = "m") -> pl.DataFrame:
    starts = [START + DAY + i * HOUR for i in range(len(values))]
    return pl.DataFrame({"interval_start_utc": starts, "demand_kwh": values}).select(
        pl.lit("b").alias("backtest_id"),
        pl.lit(meter).alias("meter_id"),
        pl.lit(ISSUED).cast(INSTANT).alias("issued_at_utc"),
        pl.lit(model).alias("model_name"),
        pl.col("interval_start_utc").cast(INSTANT),
        pl.lit(quantile).alias("quantile"),
        "demand_kwh",
    )


def _actuals(values: list[float | None], meter: str = "m") -> pl.DataFrame:
    starts = [START + DAY + i * HOUR for i in range(len(values))]
    return pl.DataFrame({"interval_start_utc": starts, "demand_kwh": values}).with_columns(
        pl.col("interval_start_utc").cast(INSTANT),
        pl.lit(meter).alias("meter_id"),
        pl.lit(date(2022, 1, 2)).alias("local_date"),
    )


def _value(frame: pl.DataFrame, metric: str, model: str = "ours", meter: str = "m") -> float:
    row = frame.filter(metric=metric, model_name=model, meter_id=meter, slice="all")
    return float(row["value"].item())


def test_scores_fit_the_contract_and_know_the_skill() -> None:
    said = pl.concat([_day([110.0] * 24), _day([120.0] * 24, model="seasonal_naive")])
    scores = backtest_scores(said, _actuals([100.0] * 24), {"m": "zone"})
    table("monitoring.backtest_scores").conform(scores)
    assert set(scores["meter_id"]) == {"m", "all:zone"}
    assert set(scores["slice"]) == {"all", "lead:15-21", "lead:21-27", "lead:27-33", "lead:33-39"}
    assert _value(scores, "mae") == 10.0
    assert _value(scores, "skill_seasonal_naive") == 0.5
    assert _value(scores, "skill_ours", "seasonal_naive") == -1.0


def test_meters_of_a_kind_are_pooled_and_peaks_averaged_over_their_days() -> None:
    said = pl.concat([_day([110.0] * 24), _day([11.0] * 24, meter="n")])
    actual = pl.concat([_actuals([100.0] * 24), _actuals([10.0] * 24, meter="n")])
    scores = backtest_scores(said, actual, {"m": "zone", "n": "zone"})
    assert _value(scores, "mae", meter="all:zone") == 5.5
    assert _value(scores, "wape", meter="all:zone") == pytest.approx(0.1)
    assert _value(scores, "peak_error", meter="all:zone") == 5.5
    assert not scores.filter(pl.col("slice") != "all", pl.col("metric").str.starts_with("peak")).height


def test_bands_agree_with_arrays_and_point_forecasts_have_none() -> None:
    random = np.random.default_rng(1)
    actual = random.uniform(50, 150, 24)
    quantiles = np.sort(random.uniform(50, 150, (24, 7)), axis=1)
    ours = [_day(quantiles[:, i].tolist(), q) for i, q in enumerate(QUANTILES)]
    scores = backtest_scores(
        pl.concat([*ours, _day([100.0] * 24, model="seasonal_naive")]), _actuals(actual.tolist()), {"m": "zone"}
    )
    for name, value in array_errors(actual, quantiles, QUANTILES).items():
        assert _value(scores, name) == pytest.approx(value)
    naive = scores.filter(model_name="seasonal_naive")
    assert not naive.filter(pl.col("metric").str.contains("coverage|width|pinball")).height


def test_unknown_actuals_are_not_scored() -> None:
    actual: list[float | None] = [100.0] * 23 + [None]
    scores = backtest_scores(_day([100.0] * 24), _actuals(actual), {"m": "zone"})
    assert scores.filter(slice="all")["n"].unique().to_list() == [23]
    nothing = backtest_scores(_day([100.0] * 24), _actuals([None] * 24), {"m": "zone"})
    assert nothing.is_empty()
    table("monitoring.backtest_scores").conform(nothing)


def test_scores_do_not_depend_on_the_order_of_rows() -> None:
    random = np.random.default_rng(2)
    said = pl.concat(_day(random.uniform(50, 150, 24).tolist(), q) for q in QUANTILES)
    actual = _actuals(random.uniform(50, 150, 24).tolist())
    shuffled = said.sample(fraction=1.0, shuffle=True, seed=3)
    assert backtest_scores(said, actual, {}).equals(backtest_scores(shuffled, actual, {}))


def _days(values: list[float], model: str, count: int, noise: float = 0.0) -> pl.DataFrame:
    random = np.random.default_rng(len(model))
    return pl.concat(
        _day((np.array(values) + noise * random.normal(size=len(values))).tolist(), model=model).with_columns(
            pl.col("issued_at_utc", "interval_start_utc") + d * DAY
        )
        for d in range(count)
    )


def _context(said: pl.DataFrame) -> pl.DataFrame:
    date = pl.col("interval_start_utc").dt.date()
    return said.select(
        "meter_id",
        "issued_at_utc",
        "interval_start_utc",
        date.alias("local_date"),
        pl.col("interval_start_utc").dt.hour().cast(pl.Int32).alias("local_hour"),
        pl.when(date.dt.weekday() >= 6).then(pl.lit("weekend")).otherwise(pl.lit("working_day")).alias("day_type"),
        pl.when(pl.col("interval_start_utc").dt.hour() < 12).then(-1.0).alias("temperature_c"),
    ).unique()


def test_slices_of_a_kind_by_hour_month_quarter_kind_of_day_and_temperature() -> None:
    said = pl.concat([_days([110.0] * 24, "ours", 40), _days([90.0] * 24, "seasonal_naive", 40)])
    actual = _actuals([100.0] * 24 * 40)
    scores = backtest_scores(said, actual, {"m": "zone"}, _context(said))
    table("monitoring.backtest_scores").conform(scores)
    of_kind = scores.filter(meter_id="all:zone", model_name="ours", metric="mae")
    hours = dict(of_kind.select("slice", "n").iter_rows())
    assert hours["all"] == 24 * 40
    assert hours["hour:07"] == 40
    assert hours["month:2022-01"] == 24 * 30
    assert hours["quarter:2022Q1"] == 24 * 40
    assert hours["day_type:weekend"] + hours["day_type:working_day"] == 24 * 40
    assert hours["temperature:below 0"] == 12 * 40
    assert {name.split(":")[0] for name in hours} == {
        "all", "lead", "hour", "month", "quarter", "day_type", "temperature"
    }  # fmt: skip
    assert len([name for name in hours if name.startswith("temperature:")]) == 1  # none for hours without weather
    peaks = set(scores.filter(metric="peak_error")["slice"].str.split(":").list.first())
    assert peaks == {"all", "month", "quarter", "day_type"}
    assert set(scores.filter(meter_id="m")["slice"].str.split(":").list.first()) == {"all", "lead"}


@pytest.mark.parametrize(
    ("temperature", "band"), [(-0.1, "below 0"), (0.0, "0 to 5"), (24.9, "20 to 25"), (25.0, "above 25")]
)
def test_bands_of_temperature_begin_at_their_lower_end(temperature: float, band: str) -> None:
    said = _day([110.0] * 24)
    context = _context(said).with_columns(temperature_c=pl.lit(temperature))
    scores = backtest_scores(said, _actuals([100.0] * 24), {"m": "zone"}, context)
    assert scores.filter(pl.col("slice").str.starts_with("temperature"))["slice"].unique().to_list() == [
        f"temperature:{band}"
    ]


def test_the_test_against_the_publisher_is_of_daily_errors() -> None:
    said = pl.concat(
        [
            _days([101.0] * 24, "ours", 30, noise=1.0),
            _days([110.0] * 24, "seasonal_naive", 30, noise=1.0),
            _days([105.0] * 24, "publisher", 30, noise=1.0),
        ]
    )
    scores = backtest_scores(said, _actuals([100.0] * 24 * 30), {"m": "zone"})
    tests = scores.filter(pl.col("metric").str.starts_with("dm_"))
    assert set(tests["meter_id"]) == {"all:zone"}
    assert set(tests["slice"]) == {"all"}
    assert set(tests["n"]) == {30}
    assert set(tests["model_name"]) == {"ours", "seasonal_naive"}
    assert _value(scores, "dm_statistic", meter="all:zone") < -10 < 10
    assert _value(scores, "dm_statistic", "seasonal_naive", "all:zone") > 10
    assert _value(scores, "dm_p_value", meter="all:zone") < 1e-6


def test_few_days_are_no_test_and_equal_forecasts_do_not_differ() -> None:
    few = pl.concat([_days([101.0] * 24, "ours", 9, 1.0), _days([105.0] * 24, "publisher", 9, 1.0)])
    scores = backtest_scores(few, _actuals([100.0] * 24 * 9), {"m": "zone"})
    assert not scores.filter(pl.col("metric").str.starts_with("dm_")).height
    same = pl.concat([_days([101.0] * 24, "ours", 12), _days([101.0] * 24, "publisher", 12)])
    scores = backtest_scores(same, _actuals([100.0] * 24 * 12), {"m": "zone"})
    assert (_value(scores, "dm_statistic", meter="all:zone"), _value(scores, "dm_p_value", meter="all:zone")) == (0, 1)


def test_no_skill_against_a_model_that_was_scored_on_other_meters() -> None:
    said = pl.concat([_day([110.0] * 24), _day([11.0] * 24, meter="n"), _day([105.0] * 24, model="publisher")])
    actual = pl.concat([_actuals([100.0] * 24), _actuals([10.0] * 24, meter="n")])
    scores = backtest_scores(said, actual, {"m": "zone", "n": "zone"})
    assert set(scores.filter(metric="skill_publisher")["meter_id"]) == {"m"}


def test_intervals_of_quarters_are_held_against_quarters_and_scored_as_power_too() -> None:
    start, quarter = pl.col("interval_start_utc"), HOUR / 4
    starts = [START + DAY + i * quarter for i in range(96)]
    ends = (start + quarter).alias("interval_end_utc")
    actual = (
        _actuals([10.0] * 96).with_columns(pl.Series("interval_start_utc", starts, dtype=INSTANT)).with_columns(ends)
    )
    said = _day([11.0] * 96).with_columns(pl.Series("interval_start_utc", starts, dtype=INSTANT)).with_columns(ends)
    context = _context(said.with_columns(start.dt.truncate("1h")))
    scores = backtest_scores(said, pl.concat([actual, _hours(actual)]), {"m": "zone"}, context)
    assert (_value(scores, "mae"), _value(scores, "mae_kw")) == (1.0, 4.0)
    assert _value(scores, "wape") == pytest.approx(0.1)
    assert _value(scores, "peak_error_kw") == 4.0
    assert scores.filter(slice="all", metric="mae")["n"].to_list() == [96, 96]
    assert set(scores.filter(slice="hour:07", metric="mae")["n"]) == {4}

    part_of_a_day = backtest_scores(said.head(60), actual, {"m": "zone"})  # sixty quarters are fifteen hours
    assert part_of_a_day.filter(pl.col("metric").str.starts_with("peak")).is_empty()


def test_hours_have_no_figures_of_power() -> None:
    ends = (pl.col("interval_start_utc") + HOUR).alias("interval_end_utc")
    said, actual = _day([110.0] * 24), _actuals([100.0] * 24)
    scores = backtest_scores(said, actual, {"m": "zone"})
    assert not scores.filter(pl.col("metric").str.ends_with("_kw")).height
    assert backtest_scores(said.with_columns(ends), actual.with_columns(ends), {"m": "zone"}).equals(scores)


def _hours(quarters: pl.DataFrame) -> pl.DataFrame:
    """The hours that begin with a quarter: whoever joins by the start alone takes them for it."""
    start = pl.col("interval_start_utc")
    return quarters.filter(start == start.dt.truncate("1h")).with_columns(
        (start + HOUR).alias("interval_end_utc"), demand_kwh=pl.lit(40.0)
    )
