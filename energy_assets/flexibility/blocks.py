"""What one load brings into the programme: its variables, its own constraints, what it draws.

Belongs here: runs and batteries, as columns. Does not belong here: what joins the loads of a site (`programme.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TIE = 1e-5  # currency per kWh: of plans that cost the same the one that moves less, and later less, is taken


@dataclass(frozen=True)
class Run:
    """A load that runs once a day. Arrays have one value per interval, shape (T,)."""

    power_kw: float  # mean over an interval while it runs
    intervals: int  # that a run takes
    minimum_on: int  # intervals; as many as a run takes where it may not be split
    allowed: Bools  # within its window
    usual_kw: Floats  # when nobody moves it; it may begin within an interval
    rebound_share: float = 0.0  # drawn on top of its power wherever it does not usually run


@dataclass(frozen=True)
class Battery:
    """A battery, which rests when nobody uses it. It begins and ends the day at half of its band."""

    power_kw: float
    capacity_kwh: float
    efficiency: float  # of charging and discharging together
    lowest_share: float
    highest_share: float


Load = Run | Battery


@dataclass(frozen=True)
class Block:
    """V variables of a load, from 0 to `upper`, with R rows `low <= rows x <= high`; the load draws `draw x` kW."""

    draw: Floats  # (T, V)
    cost: Floats  # (V,) currency per unit
    upper: Floats  # (V,)
    integer: Bools  # (V,)
    rows: Floats  # (R, V)
    low: Floats  # (R,)
    high: Floats  # (R,)

    @property
    def most_kw(self) -> Floats:
        """The most that the load may draw in each interval, (T,)."""
        return np.asarray(np.maximum((self.draw * self.upper).max(axis=1), 0.0), dtype=np.float64)


def usual_kw(load: Load, intervals: int) -> Floats:
    """What the load draws when nobody moves it, (T,)."""
    return load.usual_kw if isinstance(load, Run) else np.zeros(intervals)


def block(load: Load, price: Floats, hours: float, least_kw: Floats) -> Block:
    """The block of a load. `price` per kWh; intervals of `hours`; `least_kw` is the least that the site draws without
    its loads, which is what a battery may give at most: nothing is paid for what flows back into the grid."""
    if isinstance(load, Battery):
        return _battery(load, price, hours, least_kw)
    return _split(load, price, hours) if load.minimum_on < load.intervals else _whole(load, price, hours)


def _whole(load: Run, price: Floats, hours: float) -> Block:
    """One binary per start, the first one for the usual run."""
    t = len(price)
    starts = np.arange(t - load.intervals + 1)
    running = (np.arange(t)[:, None] >= starts) & (np.arange(t)[:, None] < starts + load.intervals)
    running = running[:, ~(running & ~load.allowed[:, None]).any(axis=0)]
    draw = np.column_stack([load.usual_kw, _moved_kw(load)[:, None] * running])
    tie = np.concatenate([[0.0], np.abs(draw[:, 1:] - load.usual_kw[:, None]).sum(axis=0) * TIE * hours])
    tie[1:] += TIE * hours * 1e-3 * np.arange(running.shape[1])
    v = draw.shape[1]
    return Block(
        draw, price @ draw * hours + tie, np.ones(v), np.ones(v, dtype=bool), np.ones((1, v)), np.ones(1), np.ones(1)
    )


def _split(load: Run, price: Floats, hours: float) -> Block:
    """A binary per interval and a start of a stretch per interval, and the first binary for the usual run."""
    at = np.flatnonzero(load.allowed)
    n, t = len(at), len(price)
    draw = np.zeros((t, 1 + 2 * n))
    draw[:, 0] = load.usual_kw
    draw[at, 1 + np.arange(n)] = _moved_kw(load)[at]
    unusual = 1.0 - np.minimum(load.usual_kw[at] / load.power_kw, 1.0)
    cost = price @ draw * hours
    cost[1 : 1 + n] += TIE * hours * load.power_kw * (unusual + 1e-3 * np.arange(n) / n)
    on, begin = np.eye(n), np.eye(n)
    neighbour = np.concatenate([[False], np.diff(at) == 1])
    before = np.zeros((n, n))
    before[np.arange(1, n), np.arange(n - 1)] = neighbour[1:]
    # begin[k] >= on[k] - on[k - 1];  on[k] >= the starts of the last `minimum_on` intervals
    recent = np.tril(np.ones((n, n))) - np.tril(np.ones((n, n)), -load.minimum_on)
    # a stretch that begins too near the end of the window cannot be long enough
    room = np.array([load.allowed[i : i + load.minimum_on].sum() == load.minimum_on for i in at], dtype=np.float64)
    rows = np.block(
        [
            [np.array([[float(load.intervals)]]), np.ones((1, n)), np.zeros((1, n))],
            [np.zeros((n, 1)), before - on, begin],
            [np.zeros((n, 1)), on, -recent],
        ]
    )
    low = np.concatenate([[float(load.intervals)], np.zeros(2 * n)])
    high = np.concatenate([[float(load.intervals)], np.full(2 * n, np.inf)])
    integer = np.concatenate([np.ones(1 + n, dtype=bool), np.zeros(n, dtype=bool)])
    return Block(draw, cost, np.concatenate([np.ones(1 + n), room]), integer, rows, low, high)


def _battery(load: Battery, price: Floats, hours: float, least_kw: Floats) -> Block:
    """Charging and discharging power and the charge after each interval; where a negative price would pay for doing
    both at once, a binary each."""
    t = len(price)
    eta = float(np.sqrt(load.efficiency))
    eye, none = np.eye(t), np.zeros((t, t))
    band = (load.highest_share - load.lowest_share) * load.capacity_kwh
    give = np.minimum(load.power_kw, np.maximum(least_kw, 0.0))
    # charge[t] - charge[t - 1] = what came in and stayed - what was taken for what went out
    rows = np.hstack([-hours * eta * eye, hours / eta * eye, eye - np.eye(t, k=-1)])
    low = np.zeros(t)
    low[0] = band / 2  # above the lowest charge
    high = low.copy()
    ends = np.zeros((1, 3 * t))
    ends[0, -1] = 1.0
    rows, low, high = np.vstack([rows, ends]), np.append(low, band / 2), np.append(high, band / 2)
    draw, cost = np.hstack([eye, -eye, none]), np.concatenate([price, -price, 0 * price]) * hours
    cost[: 2 * t] += TIE * hours
    upper = np.concatenate([np.full(t, load.power_kw), give, np.full(t, band)])
    integer = np.zeros(3 * t, dtype=bool)
    if price.min() < 0:
        charging = np.hstack([eye, none, none, -load.power_kw * eye])
        giving = np.hstack([none, eye, none, np.diag(give)])
        rows = np.vstack([np.hstack([rows, np.zeros((t + 1, t))]), charging, giving])
        low = np.concatenate([low, np.full(2 * t, -np.inf)])
        high = np.concatenate([high, np.zeros(t), give])
        draw, cost = np.hstack([draw, none]), np.concatenate([cost, np.zeros(t)])
        upper, integer = np.concatenate([upper, np.ones(t)]), np.concatenate([integer, np.ones(t, dtype=bool)])
    return Block(draw, cost, upper, integer, rows, low, high)


def _moved_kw(load: Run) -> Floats:
    """What it draws in an interval when it runs there, (T,): the rebound comes on top of what is not usual."""
    unusual = 1.0 - np.minimum(load.usual_kw / load.power_kw, 1.0)
    return np.asarray(load.power_kw * (1.0 + load.rebound_share * unusual), dtype=np.float64)
