"""The programme of a site's day: what it plans, and what it never plans."""

from __future__ import annotations

import numpy as np
import pytest

from energy_assets.flexibility.blocks import Battery, Load, Run
from energy_assets.flexibility.programme import DemandCharge, SiteDay, solve
from energy_assets.flexibility.savings import bill

HOURS = 24
ALL = np.ones(HOURS, dtype=bool)
BUSY_NOON = np.where(np.arange(HOURS) == 12, 100.0, 50.0)
CHEAP_AT_NIGHT = np.where((np.arange(HOURS) >= 6) & (np.arange(HOURS) < 22), 0.2, 0.1)


def on(*hours: int, kw: float = 10.0) -> np.ndarray:
    """A profile that draws `kw` in the hours."""
    return np.isin(np.arange(HOURS), hours) * kw


def run(usual: np.ndarray, *, allowed: np.ndarray = ALL, minimum_on: int | None = None, rebound: float = 0.0) -> Run:
    """A load of 10 kW that usually runs so."""
    intervals = int((usual > 0).sum())
    return Run(10.0, intervals, minimum_on or intervals, allowed, usual, rebound)


def site(
    loads: list[Load],
    rest: np.ndarray,
    *,
    price: np.ndarray = CHEAP_AT_NIGHT,
    incumbent: float = 1e9,
    demand: float = 10.0,
) -> SiteDay:
    """A site with one demand charge over all hours and so many paths as `rest` has rows."""
    rest = np.atleast_2d(rest)
    return SiteDay(1.0, price, rest, loads, [DemandCharge(demand, ALL, incumbent)], np.arange(len(rest)))


def stretches(kw: np.ndarray) -> list[int]:
    """Lengths of the stretches in which something is drawn."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (kw > 0).astype(int), [0]])))
    return (edges[1::2] - edges[::2]).tolist()


def test_a_run_goes_to_the_cheap_hours_as_a_whole() -> None:
    plan = solve(site([run(on(10, 11, 12, 13))], np.full(HOURS, 50.0)))
    assert plan.status == "optimal"
    assert stretches(plan.kw[0]) == [4]
    assert (CHEAP_AT_NIGHT[plan.kw[0] > 0] == 0.1).all()


def test_nothing_moves_for_nothing() -> None:
    usual = on(10, 11)
    for minimum_on in (1, 2):
        plan = solve(site([run(usual, minimum_on=minimum_on)], np.full(HOURS, 50.0), price=np.full(HOURS, 0.2)))
        np.testing.assert_array_equal(plan.kw[0], usual)


def test_windows_and_shortest_stretches_hold() -> None:
    window = (np.arange(HOURS) >= 5) & (np.arange(HOURS) < 23)
    price = np.full(HOURS, 0.3)
    price[[0, 6, 9, 14, 22]] = 0.05  # tempting hours, single ones
    plan = solve(site([run(on(10, 11, 12, 13), allowed=window, minimum_on=2)], np.full(HOURS, 50.0), price=price))
    assert plan.kw[0][~window].sum() == 0
    assert plan.kw[0].sum() == pytest.approx(40.0)
    assert min(stretches(plan.kw[0])) >= 2


def test_a_run_leaves_the_peak_although_it_costs_energy() -> None:
    rest = np.where((np.arange(HOURS) >= 8) & (np.arange(HOURS) < 12), 90.0, 50.0)
    dearer_later = np.where(np.arange(HOURS) < 12, 0.1, 0.15)
    plan = solve(site([run(on(9, 10), allowed=np.arange(HOURS) >= 8)], rest, price=dearer_later, incumbent=80.0))
    assert (rest + plan.kw[0]).max() == 90.0


def test_a_higher_peak_is_not_planned_although_more_is_billed_anyway() -> None:
    night = np.arange(HOURS) < 6
    loads: list[Load] = [run(on(10, 11), allowed=night | (on(10, 11) > 0))]
    roomy, busy = (solve(site(loads, np.where(night, kw, 80.0), incumbent=120.0)).kw[0] for kw in (79.0, 81.0))
    assert roomy[:6].sum() == pytest.approx(20.0)
    np.testing.assert_array_equal(busy, on(10, 11))


def test_without_a_demand_charge_the_contracted_power_is_the_limit() -> None:
    rest = np.full((1, HOURS), 3.0)
    battery = Battery(5.0, 10.0, 0.9, 0.0, 1.0)
    kw = solve(SiteDay(1.0, CHEAP_AT_NIGHT, rest, [battery], [], np.zeros(1, dtype=int), limit_kw=6.0)).kw[0]
    assert kw.max() == pytest.approx(3.0)


def test_no_path_gets_a_new_peak() -> None:
    generator = np.random.default_rng(3)
    for _ in range(5):
        rest = 60.0 + 25.0 * generator.standard_normal((20, HOURS)).clip(-2, 2)
        loads: list[Load] = [run(on(9, 10, 11)), run(on(14, 15), minimum_on=1), Battery(15.0, 30.0, 0.9, 0.1, 0.9)]
        day = site(loads, rest, incumbent=100.0)
        plan = solve(day)
        before, after = (rest + kw.sum(axis=0) for kw in (day.usual_kw, plan.kw))
        assert (after.max(axis=1) <= before.max(axis=1) + 1e-5).all()
        costs = [bill(net, 1.0, day.price, day.charges).total.mean() for net in (before, after)]
        assert costs[1] <= costs[0] + 1e-6


def test_what_is_moved_draws_its_rebound() -> None:
    plan = solve(site([run(on(10, 11), rebound=0.1)], BUSY_NOON))
    assert plan.kw[0].sum() == pytest.approx(22.0)
    dear = solve(site([run(on(10, 11), rebound=1.5)], BUSY_NOON))
    np.testing.assert_array_equal(dear.kw[0], on(10, 11))


def test_a_battery_earns_the_difference_and_ends_as_it_began() -> None:
    battery = Battery(5.0, 20.0, 0.81, 0.1, 0.9)
    day = site([battery], BUSY_NOON)
    kw = solve(day).kw[0]
    charged, given = np.maximum(kw, 0.0), np.maximum(-kw, 0.0)
    assert charged.sum() * 0.9 == pytest.approx(given.sum() / 0.9)
    stored = 8.0 + np.cumsum(charged * 0.9 - given / 0.9)
    assert stored.min() >= -1e-6
    assert stored.max() <= 16.0 + 1e-6
    assert day.price @ kw < -0.5
    assert np.abs(kw).max() <= 5.0 + 1e-9


def test_a_battery_gives_no_more_than_the_site_draws_and_never_does_both() -> None:
    price = np.where(np.arange(HOURS) == 3, -0.5, CHEAP_AT_NIGHT)
    rest = np.where(np.arange(HOURS) == 12, 20.0, 2.0)
    day = site([Battery(5.0, 20.0, 0.6, 0.0, 1.0)], rest, price=price)
    kw = solve(day).kw[0]
    assert (rest + kw).min() >= -1e-6
    assert kw[3] == pytest.approx(5.0)


def test_charges_look_at_their_own_hours_alone() -> None:
    evening = np.arange(HOURS) >= 18
    rest = np.where(evening, 80.0, 70.0)
    loads: list[Load] = [run(on(18, 19), allowed=np.arange(HOURS) >= 12)]
    day = SiteDay(
        1.0, np.full(HOURS, 0.2), rest[None, :], loads, [DemandCharge(10.0, evening, 60.0)], np.zeros(1, dtype=int)
    )
    kw = solve(day).kw[0]
    assert kw[evening].sum() == 0


def test_the_same_site_gives_the_same_plan() -> None:
    rest = 60.0 + 20.0 * np.random.default_rng(1).standard_normal((10, HOURS))
    loads: list[Load] = [run(on(9, 10, 11), minimum_on=1), Battery(15.0, 30.0, 0.9, 0.1, 0.9)]
    first, second = (solve(site(loads, rest, incumbent=85.0)) for _ in range(2))
    np.testing.assert_array_equal(first.kw, second.kw)
