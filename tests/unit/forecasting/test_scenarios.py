"""Joint paths: their margins, how hours and meters go together, and what they may know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from energy_assets.forecasting import demand_scenarios, past_ranks
from energy_assets.quantiles import quantiles_at

ISSUED = datetime(2026, 3, 10, 8, tzinfo=UTC)
UTC_TIME = pl.Datetime("us", "UTC")
LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
SPREAD = np.array([-5.0, -3.0, -1.0, 0.0, 2.0, 4.0, 6.0])


def forecasts(issued: datetime = ISSUED, hours: int = 24, meters: tuple[str, ...] = ("a", "b")) -> pl.DataFrame:
    rows = [
        (meter, issued + timedelta(hours=15 + h), float(q), 50.0 + h + float(d))
        for meter in meters
        for h in range(hours)
        for q, d in zip(LEVELS, SPREAD, strict=True)
    ]
    frame = pl.DataFrame(rows, schema=["meter_id", "interval_start_utc", "quantile", "demand_kwh"], orient="row")
    frame = frame.with_columns(
        issued_at_utc=pl.lit(issued),
        model_version=pl.lit("v"),
        interval_end_utc=pl.col("interval_start_utc") + timedelta(hours=1),
    )
    times = ("issued_at_utc", "interval_start_utc", "interval_end_utc")
    return frame.with_columns(pl.col(t).cast(UTC_TIME) for t in times)


def ranks(days: int, of: dict[str, np.ndarray]) -> pl.DataFrame:
    """Ranks by meter: arrays of days x hours."""
    parts = []
    for meter, values in of.items():
        for day in range(days):
            issued = ISSUED - timedelta(days=2 + day)
            start = [issued + timedelta(hours=15 + h) for h in range(values.shape[1])]
            parts.append(
                pl.DataFrame(
                    {"meter_id": meter, "issued_at_utc": issued, "interval_start_utc": start, "rank": values[day]}
                )
            )
    return pl.concat(parts).with_columns(pl.col("issued_at_utc", "interval_start_utc").cast(UTC_TIME))


def matrix(paths: pl.DataFrame, meter: str) -> np.ndarray:
    """Scenarios x hours."""
    rows = paths.filter(pl.col("meter_id") == meter).sort("scenario", "interval_start_utc")
    return rows["demand_kwh"].to_numpy().reshape(rows["scenario"].n_unique(), -1)


def test_margins_are_the_quantiles() -> None:
    uniform = np.random.default_rng(1).uniform(size=(60, 24))
    found = matrix(demand_scenarios(forecasts(), ranks(60, {"a": uniform, "b": uniform}), paths=40), "a")
    expected = quantiles_at(LEVELS, (50.0 + np.arange(24))[:, None] + SPREAD, (np.arange(40) + 0.5) / 40)
    assert np.allclose(np.sort(found, axis=0), expected.T)


def test_hours_that_went_together_go_together_and_others_do_not() -> None:
    generator = np.random.default_rng(2)
    morning, evening = generator.uniform(size=(60, 1)), generator.uniform(size=(60, 1))
    past = np.hstack([np.repeat(morning, 12, axis=1), np.repeat(evening, 12, axis=1)])
    found = np.corrcoef(matrix(demand_scenarios(forecasts(), ranks(60, {"a": past, "b": past})), "a").T)
    assert found[0, 11] > 0.75
    assert found[12, 23] > 0.75
    assert abs(found[5, 18]) < 0.4


def test_meters_that_went_together_go_together() -> None:
    generator = np.random.default_rng(3)
    one = np.repeat(generator.uniform(size=(60, 1)), 24, axis=1)
    same = demand_scenarios(forecasts(), ranks(60, {"a": one, "b": one}))
    other = demand_scenarios(forecasts(), ranks(60, {"a": one, "b": 1 - one}))
    day = [np.corrcoef(matrix(p, "a").sum(axis=1), matrix(p, "b").sum(axis=1))[0, 1] for p in (same, other)]
    assert day[0] > 0.7
    assert day[1] < -0.7


@pytest.mark.parametrize("hours", [23, 25])
def test_days_of_other_lengths(hours: int) -> None:
    uniform = np.repeat(np.random.default_rng(4).uniform(size=(50, 1)), 24, axis=1)
    found = matrix(demand_scenarios(forecasts(hours=hours), ranks(50, {"a": uniform, "b": uniform})), "b")
    assert found.shape == (50, hours)
    assert np.corrcoef(found.T)[0, -1] > 0.7


def test_without_a_past_near_hours_are_alike_and_few_days_are_enough() -> None:
    none = demand_scenarios(forecasts(), ranks(1, {"a": np.full((1, 24), 0.5)}).clear())
    together = np.corrcoef(matrix(none, "a").T)
    assert together[10, 11] > 0.85 > together[0, 23]
    few = demand_scenarios(forecasts(), ranks(3, {"a": np.random.default_rng(5).uniform(size=(3, 24))}))
    assert few.group_by("meter_id", "interval_start_utc").agg(pl.col("demand_kwh").n_unique())["demand_kwh"].min() == 50


def test_the_same_is_drawn_again_whatever_came_later() -> None:
    past = ranks(50, {m: np.random.default_rng(6).uniform(size=(50, 24)) for m in "ab"})
    later = past.with_columns(issued_at_utc=pl.lit(ISSUED, dtype=UTC_TIME), rank=pl.lit(0.999))
    before = demand_scenarios(forecasts(), past)
    assert demand_scenarios(forecasts(), pl.concat([past, later])).equals(before)
    assert not demand_scenarios(forecasts(ISSUED + timedelta(days=1)), past)["demand_kwh"].equals(before["demand_kwh"])


def test_a_day_of_which_little_is_known_orders_nothing() -> None:
    day = ranks(5, {"a": np.random.default_rng(7).uniform(size=(5, 24))})
    night = day.filter(pl.col("interval_start_utc") < pl.col("issued_at_utc") + timedelta(hours=24))
    assert demand_scenarios(forecasts(), night).equals(demand_scenarios(forecasts(), day.clear()))
    assert not demand_scenarios(forecasts(), day).equals(demand_scenarios(forecasts(), day.clear()))


def test_no_path_falls_below_zero_where_the_forecast_does_not() -> None:
    low = forecasts().with_columns(demand_kwh=(pl.col("demand_kwh") - 60).clip(lower_bound=0))
    assert demand_scenarios(low, past_ranks(low.clear(), low.clear()))["demand_kwh"].min() == 0.0


def test_ranks_are_where_demand_stood() -> None:
    said = forecasts(hours=3, meters=("a",))
    hours = said["interval_start_utc"].unique().sort()
    actual = pl.DataFrame({"meter_id": "a", "interval_start_utc": hours, "demand_kwh": [50.0, 55.0, None]})
    assert past_ranks(said, actual)["rank"].to_list() == pytest.approx([0.5, 0.9])


def test_what_cannot_be_drawn_is_said() -> None:
    two = pl.concat([forecasts(), forecasts(ISSUED + timedelta(days=1))])
    with pytest.raises(ValueError, match="once per issue time"):
        demand_scenarios(two, ranks(1, {"a": np.full((1, 24), 0.5)}))
    with pytest.raises(ValueError, match="at least two quantiles"):
        demand_scenarios(forecasts().filter(pl.col("quantile") == 0.5), ranks(1, {"a": np.full((1, 24), 0.5)}))
