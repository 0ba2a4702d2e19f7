"""The mixed-integer programme of one site and day: when its loads run and its batteries charge.

Belongs here: what joins the loads of a site, and the solver. Does not belong here: single loads (`blocks.py`), frames,
calendars, prices, sentences.

    minimise    energy price x energy + demand price x mean over paths of max(0, peak - incumbent)
    so that     every run takes place once, within its window, whole or in stretches of a minimum length;
                batteries stay within their limits and end the day as they began it;
                on no path does the day's peak rise, in the intervals that a demand charge looks at.

The last condition does without the incumbent: below it a higher peak would cost nothing now, but gain next to nothing
either, and the day may come to more than was forecast (`docs/load-shifting.md`). It holds for each path of demand
alone. Moves are the same on all paths, so that it comes down to one upper bound per interval: the least room that any
path leaves. Not moving anything is always feasible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy_assets.flexibility.blocks import Block, Bools, Floats, Load, block, usual_kw

GAP = 1e-3  # of the best bound: a tenth of a percent of the bill is not worth minutes
SECONDS = 10.0
_SLACK_KW = 1e-7


@dataclass(frozen=True)
class DemandCharge:
    """What a kW above the incumbent costs in the intervals of `mask`, (T,)."""

    price_per_kw: float
    mask: Bools
    incumbent_kw: float


@dataclass(frozen=True)
class SiteDay:
    """One site and day of T intervals of `hours`.

    `rest_kw` are paths of demand without the loads, (S, T); `cost_paths` numbers those that the demand charge is
    averaged over. `limit_kw` is what may be drawn where there is no demand charge: the contracted power.
    """

    hours: float
    price: Floats
    rest_kw: Floats
    loads: Sequence[Load]
    charges: Sequence[DemandCharge]
    cost_paths: NDArray[np.int64]
    limit_kw: float = 0.0

    @property
    def usual_kw(self) -> Floats:
        """What each load draws when nobody moves it, (loads, T)."""
        count = len(self.price)
        return np.array([usual_kw(load, count) for load in self.loads]).reshape(-1, count)

    @property
    def room_kw(self) -> Floats:
        """The most that the loads may draw together without a new peak on any path, (T,); never below their usual."""
        usual = self.usual_kw.sum(axis=0)
        looked_at = [c.mask for c in self.charges if c.mask.any()]
        limit = 0.0 if looked_at else self.limit_kw
        room = np.full(len(self.price), np.inf)
        for mask in looked_at or [np.ones(len(self.price), dtype=bool)]:
            ceiling = np.maximum((self.rest_kw + usual)[:, mask].max(axis=1, keepdims=True), limit)
            room[mask] = np.minimum(room[mask], (ceiling - self.rest_kw[:, mask]).min(axis=0))
        return np.asarray(np.maximum(room, usual), dtype=np.float64)


@dataclass(frozen=True)
class Plan:
    """What runs when: `kw` is (loads, T). Without a solution it is the usual, and `status` says no_solution."""

    kw: Floats
    status: str  # optimal, time_limit (the best found in time), no_solution


def solve(site: SiteDay, *, gap: float = GAP, seconds: float = SECONDS) -> Plan:
    """The cheapest plan, by HiGHS (`scipy.optimize.milp`).

    The same site gives the same plan, unless the time limit cuts in: then the status says so.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import block_array, block_diag, csc_array, eye_array

    usual = site.usual_kw
    least = np.maximum(site.rest_kw.min(axis=0), 0.0)
    blocks = [block(load, site.price, site.hours, least) for load in site.loads]
    if all(b.cost.size == 1 for b in blocks):
        return Plan(usual, "optimal")
    draw = csc_array(np.hstack([b.draw for b in blocks]))
    own = block_diag([csc_array(b.rows) for b in blocks])
    peaks = _peak_rows(site, blocks)
    intervals, paths = len(site.price), len(peaks.price)
    # variables: those of the loads, what the loads draw together in each interval, the excess on each path
    binding = np.arange(len(peaks.low))
    ones = np.ones(len(binding))
    excess = csc_array((ones, (binding, peaks.excess)), shape=(len(binding), paths))
    drawn = csc_array((ones, (binding, peaks.interval)), shape=(len(binding), intervals))
    rows = block_array([[own, None, None], [draw, -eye_array(intervals), None], [None, -drawn, excess]], format="csc")
    low = np.concatenate([*(b.low for b in blocks), np.zeros(intervals), peaks.low])
    high = np.concatenate([*(b.high for b in blocks), np.zeros(intervals), np.full(len(binding), np.inf)])
    cost = np.concatenate([*(b.cost for b in blocks), np.zeros(intervals), peaks.price])
    free = np.full(intervals, -np.inf)
    own_low, own_high = np.zeros(draw.shape[1]), np.concatenate([b.upper for b in blocks])
    found = milp(
        cost,
        integrality=np.concatenate([*(b.integer for b in blocks), np.zeros(intervals + paths)]),
        bounds=Bounds(
            np.concatenate([own_low, free, np.zeros(paths)]),
            np.concatenate([own_high, site.room_kw + _SLACK_KW, np.full(paths, np.inf)]),
        ),
        constraints=LinearConstraint(rows, low, high),
        options={"mip_rel_gap": gap, "time_limit": seconds},
    )
    if found.x is None:
        return Plan(usual, "no_solution")
    ends = np.cumsum([b.cost.size for b in blocks])
    parts = zip(blocks, np.split(found.x[: ends[-1]], ends[:-1]), strict=True)
    kw = np.array([b.draw @ np.where(b.integer, np.round(x), x) for b, x in parts])
    return Plan(kw, "optimal" if found.status == 0 else "time_limit")


@dataclass(frozen=True)
class _PeakRows:
    """Rows `excess - loads >= low`: which interval and excess each is of, and what a kW of each excess costs."""

    interval: NDArray[np.int64]
    excess: NDArray[np.int64]
    low: Floats
    price: Floats


def _peak_rows(site: SiteDay, blocks: Sequence[Block]) -> _PeakRows:
    """One excess over the incumbent per charge and path. Rows that can never be the highest are left out."""
    most = np.sum([b.most_kw for b in blocks], axis=0)
    given = np.sum([np.minimum((b.draw * b.upper).min(axis=1), 0.0) for b in blocks], axis=0)  # by batteries
    intervals: list[NDArray[np.int64]] = []
    excesses: list[NDArray[np.int64]] = []
    lows: list[Floats] = []
    prices: list[Floats] = []
    for charge in site.charges:
        if not charge.mask.any() or charge.price_per_kw <= 0:
            continue
        above = site.rest_kw[site.cost_paths] - charge.incumbent_kw
        at_least = np.maximum((above + given)[:, charge.mask].max(axis=1, keepdims=True), 0.0)
        path, interval = np.nonzero((above + most > at_least) & charge.mask)
        intervals.append(interval)
        excesses.append(path + len(prices) * len(site.cost_paths))
        lows.append(above[path, interval])
        prices.append(np.full(len(site.cost_paths), charge.price_per_kw / len(site.cost_paths)))
    if not prices:
        none = np.zeros(0)
        return _PeakRows(none.astype(np.int64), none.astype(np.int64), none, none)
    return _PeakRows(np.concatenate(intervals), np.concatenate(excesses), np.concatenate(lows), np.concatenate(prices))
