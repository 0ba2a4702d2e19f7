"""Drift of made-up meters: the reference, the statistics, thresholds, decisions and what explains them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from energy_assets.contracts import table
from energy_assets.monitoring import drift
from energy_assets.monitoring.drift.reference import GAP_WEEKS, held_back
from energy_assets.monitoring.drift.statistics import (
    FORECAST,
    REFERENCE,
    forecast_windows,
    residual_windows,
    statistics,
)
from energy_assets.monitoring.drift.thresholds import FLOORS, LEAST_PAIRS, with_thresholds

START = datetime(2023, 1, 2, tzinfo=UTC)  # a Monday
WEEKS = 104
UTC_TIME = pl.Datetime("us", "UTC")
ISSUED = START + timedelta(weeks=WEEKS, days=1, hours=8)
NO_FORECASTS = pl.DataFrame()
NO_ANOMALIES = pl.DataFrame(
    schema={"meter_id": pl.String, "kind": pl.String, "start_utc": UTC_TIME, "end_utc": UTC_TIME}
)


def hours(weeks: int = WEEKS) -> pl.DataFrame:
    """The calendar of so many weeks."""
    start = pl.datetime_range(START, START + timedelta(weeks=weeks), "1h", closed="left", eager=True).cast(UTC_TIME)
    at = pl.col("interval_start_utc")
    return pl.DataFrame({"interval_start_utc": start}).with_columns(
        interval_end_utc=at + timedelta(hours=1),
        local_date=at.dt.date(),
        local_hour=at.dt.hour().cast(pl.Int32),
        day_of_week=at.dt.weekday().cast(pl.Int32),
        is_holiday=pl.lit(value=False),
    )


@cache
def demand(meters: int = 3, weeks: int = WEEKS, *, published: bool = False) -> pl.DataFrame:
    """Homes that heat: a daily shape, 2 % more per degree below 15 °C, 8 % of hourly noise, 3 % of the day's."""
    rng = np.random.default_rng(5)
    every = hours(weeks)
    hour = np.arange(every.height)
    temperature = 10 - 9 * np.cos(2 * np.pi * hour / 8766) + np.repeat(rng.normal(0, 3, every.height // 24), 24)
    parts = []
    for number in range(meters):
        noise = rng.normal(0, 0.08, every.height) + np.repeat(rng.normal(0, 0.03, every.height // 24), 24)
        usual = 10 * (1 + 0.3 * np.sin(2 * np.pi * hour / 24)) * (1 + 0.02 * np.maximum(15 - temperature, 0))
        parts.append(
            every.with_columns(
                meter_id=pl.lit(f"m{number}"),
                kind=pl.lit("household"),
                demand_kwh=pl.Series(usual * np.exp(noise)),
                temperature_c=pl.Series(temperature) if not published else pl.lit(None, dtype=pl.Float64),
                published_kwh=pl.Series(3 * usual) if published else pl.lit(None, dtype=pl.Float64),
            )
        )
    return pl.concat(parts)


def changed(frame: pl.DataFrame, what: pl.Expr, *, last_weeks: int = 2, meter: str = "m") -> pl.DataFrame:
    """The frame with other demand in its last weeks, of all meters or one."""
    last = pl.col("interval_start_utc").max() - timedelta(weeks=last_weeks)
    now = (pl.col("interval_start_utc") > last) & pl.col("meter_id").str.starts_with(meter)
    return frame.with_columns(demand_kwh=pl.when(now).then(what).otherwise("demand_kwh"))


def evening(kwh: float) -> pl.Expr:
    return pl.col("demand_kwh") + kwh * pl.col("local_hour").is_between(18, 21)


def decided(frame: pl.DataFrame, **more: Any) -> dict[str, dict[str, Any]]:
    """Decisions by meter and kind."""
    given = {"explaining": table("monitoring.drift_scores").empty(), "anomalies": NO_ANOMALIES} | more
    rows = drift.decide(drift.timeline([(frame, NO_FORECASTS)]), demand=frame, issued_at=ISSUED, **given)
    assert rows.schema == table("monitoring.drift_decisions").polars_schema
    return {row["meter_id"]: row for row in rows.iter_rows(named=True)}


def test_the_reference_knows_calendar_and_weather_and_not_the_last_weeks() -> None:
    clean, other = (held_back(f) for f in (demand(), changed(demand(), 3 * pl.col("demand_kwh"), last_weeks=GAP_WEEKS)))
    assert clean["reference_kwh"].equals(other["reference_kwh"])
    error = (pl.col("demand_kwh") - pl.col("reference_kwh")).abs().sum() / pl.col("demand_kwh").sum()
    assert clean.select(error).item() < 0.075  # the noise itself is 0.068
    gap = clean["interval_start_utc"].dt.truncate("1w") - clean["reference_end_utc"]
    assert gap.unique().to_list() == [timedelta(weeks=GAP_WEEKS)]


def test_a_published_forecast_stands_in_for_missing_weather_and_only_then() -> None:
    with_it = held_back(demand(1, published=True))
    without = held_back(demand(1).with_columns(temperature_c=pl.lit(None, dtype=pl.Float64)))
    errors = [(r["demand_kwh"] - r["reference_kwh"]).abs().mean() for r in (with_it, without)]
    assert errors[0] < 0.95 * errors[1]  # type: ignore[operator]
    both = demand(1).with_columns(published_kwh=pl.lit(1.0))
    assert held_back(both)["reference_kwh"].equals(held_back(demand(1))["reference_kwh"])


def test_history_that_is_too_short_has_no_reference() -> None:
    short = demand(1, 20)
    assert held_back(short).is_empty()
    assert drift.timeline([(short, NO_FORECASTS)]).is_empty()
    assert decided(short)["m0"]["because"].startswith("Too few weeks")
    assert held_back(short.clear()).is_empty()


def test_meters_may_come_in_any_batches() -> None:
    frame = changed(demand(3), 2 * pl.col("demand_kwh"), meter="m1")
    said = frame.select("meter_id", "kind", "interval_start_utc").join(
        pl.DataFrame({"quantile": [0.1, 0.5, 0.9], "demand_kwh": [0.1, 1.0, 9.0]}), how="cross"
    )
    one = drift.timeline([(frame, said)])
    assert one["column_name"].n_unique() == 2
    batches = [
        (frame.filter(mine), said.filter(mine)) for mine in (pl.col("meter_id") == "m1", pl.col("meter_id") != "m1")
    ]
    assert drift.timeline(batches).equals(one)


@pytest.mark.parametrize("weeks_later", [1, 4, 20])
def test_no_week_knows_a_later_one(weeks_later: int) -> None:
    """Whatever comes after a week, its scores and thresholds are the same to the bit."""
    known = WEEKS - weeks_later
    poisoned = changed(demand(2), pl.lit(1e6), last_weeks=weeks_later)
    cut = demand(2).filter(pl.col("interval_start_utc") < START + timedelta(weeks=known))
    whole, before = drift.timeline([(poisoned, NO_FORECASTS)]), drift.timeline([(cut, NO_FORECASTS)])
    at = pl.col("week") == (START + timedelta(weeks=known - 1)).date()
    assert before.filter(at).height == 9  # two meters and their kind
    assert whole.filter(at).equals(before.filter(at))


def test_statistics_are_what_they_say() -> None:
    """A flat reference of 10 kWh; then 1 kWh more, or 2 kWh more in four hours, or three times the noise."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.5, 30 * 168)
    frame = hours(30).with_columns(
        meter_id=pl.lit("m"), kind=pl.lit("zone"), week=pl.col("local_date").dt.truncate("1w"),
        reference_kwh=pl.lit(10.0), demand_kwh=10 + pl.Series(noise),
    )  # fmt: skip
    now = pl.col("interval_start_utc") >= START + timedelta(weeks=28)
    night = pl.col("local_hour").is_in([22, 23, 0, 1])
    cases = {"level": pl.col("demand_kwh") + 1, "hour_shape": pl.col("demand_kwh") + 2 * night,
             "spread": 10 + 3 * (pl.col("demand_kwh") - 10)}  # fmt: skip
    expected = {"level": 0.1, "hour_shape": 0.2 * (1 - 4 / 24), "spread": np.log(3)}
    for method, demand_kwh in cases.items():
        drifting = frame.with_columns(demand_kwh=pl.when(now).then(demand_kwh).otherwise("demand_kwh"))
        last = statistics(residual_windows(drifting), REFERENCE).filter(
            pl.col("week") == date(2023, 7, 24), pl.col("method") == method
        )
        assert last["meter_id"].to_list() == ["all:zone", "m"]
        assert last["value"].to_list() == pytest.approx([expected[method]] * 2, abs=0.06)
    gaps = frame.with_columns(demand_kwh=pl.when(now & (pl.col("local_hour") < 16)).then(None).otherwise("demand_kwh"))
    newest = statistics(residual_windows(gaps), REFERENCE)["week"].max()
    assert newest == date(2023, 7, 10)  # 8 of 24 hours for one week, 16 for the other


def test_a_kind_is_its_meters_middle() -> None:
    one = statistics(residual_windows(held_back(changed(demand(), 2 * pl.col("demand_kwh"), meter="m1"))), REFERENCE)
    now = one.filter(pl.col("week") == pl.col("week").max(), pl.col("method") == "level")
    values = dict(now.select("meter_id", "value").iter_rows())
    assert values["m1"] > 0.9
    assert abs(values["all:household"]) < 0.05


def test_issued_quantiles_are_judged_by_where_actuals_fall() -> None:
    at = hours(40).select("interval_start_utc", week=pl.col("local_date").dt.truncate("1w"))
    rng = np.random.default_rng(2)
    actual = at.select(meter_id=pl.lit("m"), interval_start_utc="interval_start_utc").with_columns(
        demand_kwh=pl.Series(100 + 5 * rng.normal(size=at.height))
    )
    bands = pl.DataFrame({"quantile": [0.1, 0.5, 0.9], "z": [-1.2816, 0.0, 1.2816]})
    said = at.join(bands, how="cross").with_columns(
        meter_id=pl.lit("m"), kind=pl.lit("zone"), demand_kwh=100 + 5 * pl.col("z")
    )
    later = pl.col("interval_start_utc") >= START + timedelta(weeks=38)
    shifted = actual.with_columns(demand_kwh=pl.col("demand_kwh") + 2.5 * later)
    for truth, level in ((actual, 0.0), (shifted, 0.5)):
        found = statistics(forecast_windows(said, truth), FORECAST).filter(
            pl.col("week") == pl.col("week").max(), pl.col("meter_id") == "m"
        )
        assert dict(found.select("method", "value").iter_rows()) == pytest.approx(
            {"level": level, "spread": 0.0}, abs=0.1
        )
    assert statistics(forecast_windows(said.clear(), actual), FORECAST).is_empty()


def test_what_was_issued_explains_and_never_raises() -> None:
    """It follows the errors of the last days: a bias of its own is no drift of demand."""
    frame = demand(1)
    bands = pl.DataFrame({"quantile": [0.1, 0.5, 0.9], "factor": [0.8, 1.0, 1.25]})
    said = frame.join(bands, how="cross").with_columns(demand_kwh=pl.col("demand_kwh") * pl.col("factor"))
    last = pl.col("interval_start_utc") >= START + timedelta(weeks=WEEKS - 3)
    said = said.with_columns(demand_kwh=pl.when(last).then(2 * pl.col("demand_kwh")).otherwise("demand_kwh"))
    weeks = drift.timeline([(frame, said)])
    rows = drift.score_rows(weeks.filter(pl.col("week") == pl.col("week").max()))
    issued = rows.filter(pl.col("column_name") == "forecast", pl.col("method") == "level")
    assert issued["role"].unique().to_list() == ["explains"]
    assert issued["drifted"].all()
    nothing = table("monitoring.drift_scores").empty()
    found = drift.decide(weeks, nothing, frame, NO_ANOMALIES, issued_at=ISSUED)
    assert found["decision"].unique().to_list() == ["nothing"]


def series(values: np.ndarray, method: str = "level") -> pl.DataFrame:
    """One statistic week by week."""
    first = START.date()
    return pl.DataFrame({"value": values}).select(
        meter_id=pl.lit("m"), kind=pl.lit("zone"),
        week=pl.Series([first + timedelta(weeks=i) for i in range(len(values))]),
        column_name=pl.lit("reference"), method=pl.lit(method), value="value",
    )  # fmt: skip


def test_false_alarms_keep_to_the_rate_that_is_stated() -> None:
    """Fifty series of three years whose weeks remember: about 0.6 % of weeks by intent, never beyond 2 %."""
    rng = np.random.default_rng(4)
    judged, raised = 0, 0
    for _ in range(50):
        noise = rng.normal(0, 0.05, 157)
        for week in range(1, 157):
            noise[week] += 0.5 * noise[week - 1]
        found = with_thresholds(series(noise)).filter(pl.col("threshold").is_not_null())
        judged, raised = judged + found.height, raised + int(found["raised"].sum())
    assert 0.0005 < raised / judged < 0.02


def test_two_weeks_in_a_row_raise_and_small_changes_never_do() -> None:
    noise = np.random.default_rng(6).normal(0, 0.01, 60)
    once, twice = noise.copy(), noise.copy()
    once[58], twice[58:] = 0.2, 0.2
    for values, drifted, raised in ((once, [True, False], [False, False]), (twice, [True, True], [False, True])):
        last = with_thresholds(series(values)).tail(2)
        assert last["drifted"].to_list() == drifted
        assert last["raised"].to_list() == raised
    tiny = with_thresholds(series(np.r_[noise / 100, 0.02, 0.02]))
    assert tiny["threshold"].drop_nulls().unique().to_list() == [FLOORS["level"]]
    assert not tiny["drifted"].any()


def test_nothing_is_learned_from_too_little_nor_after_the_end_of_learning() -> None:
    noise = np.random.default_rng(6).normal(0, 0.05, 46)
    found = with_thresholds(series(noise))
    assert found["threshold"].null_count() == 1 + LEAST_PAIRS + GAP_WEEKS  # the first week has none before it
    fixed = with_thresholds(series(noise), learned_until=START.date() + timedelta(weeks=30))
    assert fixed["threshold"].tail(10).n_unique() == 1
    assert found["threshold"].tail(10).n_unique() > 1


def test_series_are_judged_by_themselves_whichever_stand_beside_them() -> None:
    """Series of other lengths, with gaps and changes, have together the thresholds that each has alone."""
    rng = np.random.default_rng(8)
    every = []
    for number in range(6):
        values = rng.normal(0, 0.05, 150 - 15 * number)
        values[80 - 10 * number : 86 - 10 * number] += 0.1 * number
        known = pl.Series(rng.random(len(values)) > 0.1)
        some = series(values, ["level", "spread"][number % 2]).with_columns(meter_id=pl.lit(f"m{number}"))
        every.append(some.with_columns(pl.col("week") + timedelta(weeks=7 * number)).filter(known))
    together, alone = with_thresholds(pl.concat(every)), pl.concat(with_thresholds(one) for one in every)
    assert together["raised"].any()
    assert together["threshold_source"].n_unique() == 3
    assert_frame_equal(together.drop("threshold"), alone.drop("threshold"))
    assert_frame_equal(together.select("threshold"), alone.select("threshold"), rel_tol=1e-12, abs_tol=0.0)


def test_a_restless_season_is_known_from_the_year_before() -> None:
    rng = np.random.default_rng(3)
    season = 1 + 3 * (np.cos(2 * np.pi * np.arange(150) / 52.1775) > 0.5)
    found = with_thresholds(series(rng.normal(0, 0.03, 150) * season)).tail(52)
    winter = found.filter(pl.Series(season[-52:] > 1))
    assert winter["threshold"].mean() > 1.5 * found.filter(pl.Series(season[-52:] == 1))["threshold"].mean()  # type: ignore[operator]
    assert found["threshold_source"].str.contains("season").all()


def test_clean_meters_need_nothing() -> None:
    assert {row["decision"] for row in decided(demand()).values()} == {"nothing"}


@pytest.mark.parametrize(
    ("what", "method"),
    [(1.15 * pl.col("demand_kwh"), "level"), (0.85 * pl.col("demand_kwh"), "level"), (evening(3.0), "hour_shape")],
    ids=["more", "less", "evening"],
)
def test_what_has_changed_for_two_weeks_everywhere_is_learned_anew(what: pl.Expr, method: str) -> None:
    found = decided(changed(demand(), what, last_weeks=3))
    assert {row["decision"] for row in found.values()} == {"retrain"}
    kind = found["all:household"]
    assert f'"reference/{method}"' in kind["drifted_methods"]
    assert START + timedelta(weeks=WEEKS - 4) <= kind["raised_since_utc"] <= START + timedelta(weeks=WEEKS - 3)
    assert kind["current_end_utc"] == START + timedelta(weeks=WEEKS)
    assert kind["largest_excess"] > 1
    assert "the gate decides" in kind["because"]


def test_a_first_week_is_watched() -> None:
    found = decided(changed(demand(), 1.3 * pl.col("demand_kwh"), last_weeks=1))
    assert found["all:household"]["decision"] == "watch"
    assert found["all:household"]["raised_since_utc"] is None


def test_one_meter_alone_is_to_be_looked_at() -> None:
    found = decided(changed(demand(), 1.3 * pl.col("demand_kwh"), meter="m1"))
    assert [found[m]["decision"] for m in ("all:household", "m0", "m1", "m2")] == [
        "nothing",
        "nothing",
        "investigate",
        "nothing",
    ]
    assert "have not changed" in found["m1"]["because"]


@pytest.mark.parametrize("by", ["gaps", "events"])
def test_faulty_data_is_to_be_looked_at_and_not_learned(by: str) -> None:
    drifting = changed(demand(), 1.3 * pl.col("demand_kwh"))
    events = NO_ANOMALIES
    if by == "gaps":
        drifting = changed(drifting, pl.when(pl.col("local_hour").is_between(1, 4)).then(None).otherwise("demand_kwh"))
    else:
        begins = START + timedelta(weeks=WEEKS - 1)
        rows = [(f"m{i}", "unit_scale", begins, begins + timedelta(days=3)) for i in range(3)]
        events = pl.DataFrame(rows, schema=NO_ANOMALIES.schema, orient="row")
    found = decided(drifting, anomalies=events)
    assert {row["decision"] for row in found.values()} == {"investigate"}
    assert "The data explain it" in found["m0"]["because"]
    assert ("unit_scale" in found["m0"]["because"]) == (by == "events")
    behaviour = events.with_columns(kind=pl.lit("level_shift"))  # what drift is, no fault of the data
    if by == "events":
        assert decided(drifting, anomalies=behaviour)["all:household"]["decision"] == "retrain"


def test_weeks_without_meters_decide_nothing() -> None:
    empty = demand(1).clear()
    nothing = table("monitoring.drift_scores").empty()
    weeks = drift.timeline([(empty, NO_FORECASTS)])
    assert drift.decide(weeks, nothing, empty, NO_ANOMALIES, issued_at=ISSUED).is_empty()


def test_rows_of_scores_fit_their_contract() -> None:
    rows = drift.score_rows(drift.timeline([(demand(1), NO_FORECASTS)]))
    assert rows["role"].unique().to_list() == ["decides"]
    last = rows.filter(pl.col("current_end_utc") == pl.col("current_end_utc").max())
    assert last.height == 6
    assert (last["current_end_utc"] - last["current_start_utc"]).unique().to_list() == [timedelta(weeks=2)]
    assert (last["reference_end_utc"] <= last["current_start_utc"]).all()
