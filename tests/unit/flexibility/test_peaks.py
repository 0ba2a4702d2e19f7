"""The windows of the next day, from tiny frames with known answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.flexibility.peaks import joint_probability, normal_scores
from energy_assets.flexibility.zones import zone_of
from tests.unit.flexibility.frames import ISSUED, TARGET, flag, forecasts, hourly, meter, meters, tariff

OF_20 = meters(meter(capacity_kw=20.0))
YEAR = hourly(ISSUED - timedelta(days=380), [float(i % 24) for i in range(380 * 24)])


def paths(orders: np.ndarray, medians: list[float]) -> pl.DataFrame:
    """Paths x hours: what is added to the medians."""
    hour = timedelta(hours=1)
    rows = [
        ("m", ISSUED, "v1", s, TARGET + h * hour, TARGET + (h + 1) * hour, median + float(orders[s, h]))
        for s in range(len(orders))
        for h, median in enumerate(medians)
    ]
    return table("forecasts.demand_scenarios").conform(
        pl.DataFrame(rows, schema=table("forecasts.demand_scenarios").polars_schema, orient="row")
    )


def test_windows_are_runs_of_hours_whose_p90_exceeds_the_threshold() -> None:
    found = flag(forecasts([10.0, 18.0, 21.0, 16.9, 10.0, 17.5, 10.0]), OF_20).windows
    assert found["window_start_utc"].to_list() == [TARGET + timedelta(hours=1), TARGET + timedelta(hours=5)]
    assert found["window_end_utc"].to_list() == [TARGET + timedelta(hours=3), TARGET + timedelta(hours=6)]
    first, second = found.to_dicts()
    assert first["peak_hour_utc"] == TARGET + timedelta(hours=2)
    assert first["probability"] == pytest.approx(0.75)  # without paths hours go in step: 20 is the best hour's p25
    assert second["probability"] == pytest.approx(1 - (0.75 + 0.15 * (2.5 - 1) / 2))
    assert [first[p] for p in ("peak_p10_kw", "peak_p50_kw", "peak_p90_kw")] == pytest.approx([18, 21, 24], abs=0.1)
    assert (first["level"], second["level"]) == (2, 0)
    assert (first["threshold_basis"], first["threshold_meter_id"], first["demand_window"]) == ("capacity", "m", "all")
    assert (first["billing_period"], first["incumbent_peak_kw"], first["lead_minutes"]) == ("2026-03", None, 16 * 60)
    assert first["own_p50_kw"] == 21.0


def test_hours_that_do_not_go_in_step_make_a_window_more_probable() -> None:
    said = forecasts([19.0, 19.0])
    up = np.linspace(-4, 4, 50)[:, None]
    single = flag(said, OF_20).hours["probability"][0]
    together = flag(said, OF_20, paths=paths(np.hstack([up, up]), [19.0, 19.0])).windows.to_dicts()[0]
    apart = flag(said, OF_20, paths=paths(np.hstack([up, -up]), [19.0, 19.0])).windows.to_dicts()[0]
    assert together["probability"] == pytest.approx(single, abs=0.01)
    assert apart["probability"] == pytest.approx(2 * single, abs=0.02)
    assert apart["peak_p50_kw"] > together["peak_p50_kw"] + 0.9
    assert together["peak_p50_kw"] == pytest.approx(19.0, abs=0.01)


def test_the_joint_probability_lies_between_its_bounds_and_moves_smoothly() -> None:
    generator = np.random.default_rng(1)
    scores = normal_scores(generator.normal(size=(6, 50)))
    steps = np.linspace(0.01, 0.6, 40)
    found = np.array([joint_probability(np.full(6, p), scores, np.array([0]))[0] for p in steps])
    assert np.all(found >= steps)
    assert np.all(found <= np.minimum(6 * steps, 1.0))
    assert np.all(np.diff(found) > 0)  # a share of 50 paths would stand still and jump


def test_the_most_likely_hour_is_the_highest_of_most_paths() -> None:
    orders = np.zeros((50, 3))
    orders[:30, 0], orders[30:, 2] = 5.0, 5.0
    found = flag(forecasts([19.0, 19.0, 19.0]), OF_20, paths=paths(orders, [19.0, 19.0, 19.0])).windows
    assert found["peak_hour_utc"].to_list() == [TARGET]


def test_without_a_qualifying_hour_the_most_probable_one_stands_alone() -> None:
    found = flag(forecasts([10.0, 16.5, 16.9, 12.0]), OF_20).windows
    assert found["window_start_utc"].to_list() == [TARGET + timedelta(hours=2)]
    assert found["probability"].item() == pytest.approx(0.1 - 0.05 * 0.1)  # 20 lies 3.1 above, between p90 and p95


def test_improbable_windows_are_left_out_and_their_hours_are_not() -> None:
    found = flag(forecasts([10.0, 15.9]), OF_20)
    assert found.windows.is_empty()
    assert found.hours.height == 2


@pytest.mark.parametrize(
    ("threshold", "level"), [(24.5, None), (23.0, 0), (22.0, 0), (21.0, 1), (20.0, 2), (17.0, 3), (10.0, 3)]
)
def test_levels(threshold: float, level: int | None) -> None:
    found = flag(forecasts([20.0]), meters(meter(capacity_kw=threshold))).windows
    assert found["level"].to_list() == ([] if level is None else [level])


def test_every_basis_that_can_be_had() -> None:
    found = flag(forecasts([25.0]), meters(meter(capacity_kw=24.0)), YEAR).windows
    assert found["threshold_basis"].to_list() == ["capacity", "incumbent", "seasonal_quantile"]
    assert found["threshold_kw"].to_list() == pytest.approx([24.0, 23.0, 22.0], abs=0.5)
    assert found["incumbent_peak_kw"].to_list() == [23.0] * 3


def test_the_season_is_the_season_and_what_was_known() -> None:
    august = hourly(datetime(2025, 8, 1, tzinfo=UTC), [100.0] * 24 * 30)
    spring = hourly(ISSUED - timedelta(days=30), [10.0] * 24 * 30)
    late = hourly(ISSUED - timedelta(days=300), [90.0] * 24 * 300, lag_hours=24 * 400)  # of the season, known later
    found = flag(forecasts([25.0]), meters(), pl.concat([august, spring, late])).hours
    seasonal = found.filter(pl.col("threshold_basis") == "seasonal_quantile")
    assert seasonal["threshold_kw"].to_list() == [10.0]
    short = flag(forecasts([25.0]), meters(), spring.tail(13 * 24)).hours
    assert "seasonal_quantile" not in short["threshold_basis"]  # too few hours of the season


def test_what_became_known_later_moves_nothing() -> None:
    later = YEAR.with_columns(demand_kwh=999.0, known_at_utc=pl.lit(ISSUED + timedelta(seconds=1)))
    before, after = (flag(forecasts([22.0, 25.0]), OF_20, rows) for rows in (YEAR, pl.concat([YEAR, later])))
    for name in ("ledger", "hours", "windows"):
        assert getattr(after, name).equals(getattr(before, name))


def test_climatology_is_how_often_the_same_hour_of_the_season_exceeded() -> None:
    found = flag(forecasts([25.0] * 24), meters(), YEAR).hours.filter(pl.col("threshold_basis") == "seasonal_quantile")
    by_hour = found.sort("interval_start_utc")["climatology"].to_list()
    exceeded = {hour: share for hour, share in enumerate(by_hour) if share > 0}
    assert list(exceeded) == [8, 9]  # 23 kW are drawn at 7 UTC, which clocks there call 8 and from April on 9
    assert sum(exceeded.values()) == pytest.approx(1.0, abs=0.02)


def test_a_new_month_has_no_incumbent() -> None:
    february = hourly(datetime(2026, 2, 2, tzinfo=UTC), [1.0] * 24)
    assert flag(forecasts([25.0]), meters(), february).windows.is_empty()


def test_an_incumbent_looks_at_the_hours_of_its_charge_and_their_quarters() -> None:
    described = meters(meter(tariff_id="t", interval_minutes=15))
    quarters = hourly(datetime(2026, 3, 2, 8, tzinfo=UTC), [4.0, 4.0, 6.0, 4.0] * 40, minutes=15)
    hours = hourly(datetime(2026, 3, 2, 8, tzinfo=UTC), [18.0] * 40)
    charge = tariff("08:00-20:00", minutes=15)
    found = flag(forecasts([30.0] * 12), described, hours, tariffs=charge, parts=quarters)
    assert found.hours["interval_start_utc"].to_list() == [TARGET + timedelta(hours=h) for h in range(8, 12)]
    [window] = found.windows.to_dicts()
    assert (window["threshold_kw"], window["averaging_minutes"]) == (24.0, 15)
    assert window["peak_p50_kw"] == pytest.approx(30.0 * 24 / 18, abs=0.1)  # a quarter above the hour's mean
    assert window["demand_window"] == "08:00-20:00"


def test_meters_of_a_zone_share_its_windows() -> None:
    described = meters(meter("home"), meter("FR", kind="zone"))
    of_zone = YEAR.with_columns(meter_id=pl.lit("FR"))
    said = pl.concat([forecasts([3.0, 5.0], of="home"), forecasts([10.0, 25.0], of="FR")])
    [found] = flag(said, described, of_zone).windows.filter(pl.col("threshold_basis") == "coincident").to_dicts()
    assert (found["meter_id"], found["threshold_meter_id"]) == ("home", "FR")
    assert found["peak_hour_utc"] == TARGET + timedelta(hours=1)
    assert found["own_p50_kw"] == 5.0
    assert 24.0 < found["peak_p50_kw"] < 25.0  # the season's highest, drawn back a little


def test_the_zone_of_a_meter() -> None:
    rows = [
        meter("A", kind="zone"), meter("B", kind="zone"), meter("C", kind="zone", country="ES"),
        meter("feeder", parent_meter_id="B"), meter("shop", parent_meter_id="feeder"), meter("house"),
        meter("casa", country="ES"), meter("lathe", kind="machine", country="ES"), meter("ship", country=None),
    ]  # fmt: skip
    assert zone_of(meters(*rows)).rows() == [("casa", "C"), ("feeder", "B"), ("shop", "B")]


def test_the_last_revision_counts_and_ids_are_stable() -> None:
    both = pl.concat([forecasts([25.0]), forecasts([10.0], revision=1)])
    assert flag(both, OF_20).windows.is_empty()
    shuffled = [flag(forecasts([25.0]).sample(fraction=1.0, shuffle=True, seed=s), OF_20).windows for s in (1, 2)]
    assert shuffled[0].equals(shuffled[1])
    ids = {flag(forecasts([25.0], version=v), OF_20).windows["peak_id"].item() for v in ("v1", "v2")}
    assert len(ids) == 2


def test_no_forecasts_no_peaks() -> None:
    found = flag(forecasts([25.0]).clear(), OF_20, YEAR)
    assert found.windows.is_empty()
    assert found.hours.is_empty()
    assert found.ledger.height == 1
