"""What moving loads saves: before, as planned over paths of demand, and after, against what demand was.

Belongs here: the bill of a day, what each move takes off it, counterfactuals. Does not belong here: plans.

The bill of a day is its energy cost and what its peak adds to the month's demand charge: price times what it exceeds
the highest billed power before the day by. A later day of the month may exceed it too, so that a saving of demand
charge is one as the month stands.

Two counterfactuals, because what was measured differs. Where advice was accepted, actual demand holds the moved runs:
without the advice it would have been actual less advised plus usual. Where it was not, actual demand holds the usual
runs: with it, it would have been actual less usual plus advised. What is taken off never leaves less than nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from energy_assets.flexibility.blocks import Floats
from energy_assets.flexibility.programme import DemandCharge


@dataclass(frozen=True)
class Bill:
    """Energy cost and demand charge; arrays over paths, or numbers."""

    energy: Floats
    demand: Floats
    peak_kw: Floats  # highest power that a demand charge looks at; of all intervals where there is none

    @property
    def total(self) -> Floats:
        """Both."""
        return self.energy + self.demand


def bill(net_kw: Floats, hours: float, price: Floats, charges: Sequence[DemandCharge]) -> Bill:
    """The bill of a day.

    Args:
        net_kw: mean power per interval, (..., T).
        hours: length of an interval.
        price: per kWh, (T,).
        charges: with what was billed before the day.

    Example:
        >>> charge = DemandCharge(10.0, np.array([True, True]), 4.0)
        >>> day = bill(np.array([3.0, 5.0]), 1.0, np.array([0.1, 0.2]), [charge])
        >>> round(float(day.energy), 2), float(day.demand), float(day.peak_kw)
        (1.3, 10.0, 5.0)
    """
    demand = np.zeros(net_kw.shape[:-1])
    looked_at = np.zeros(net_kw.shape[-1], dtype=bool)
    for charge in charges:
        if charge.mask.any():
            looked_at |= charge.mask
            above = net_kw[..., charge.mask].max(axis=-1) - charge.incumbent_kw
            demand = demand + charge.price_per_kw * np.maximum(above, 0.0)
    peak = net_kw[..., looked_at if looked_at.any() else slice(None)].max(axis=-1)
    return Bill(np.asarray(net_kw @ price * hours), np.asarray(demand), np.asarray(peak))


def steps(rest_kw: Floats, usual_kw: Floats, advised_kw: Floats) -> Floats:
    """Demand with no load moved, with the first, with the first two, ...: (loads + 1, ..., T).

    Args:
        rest_kw: demand without the loads, (..., T).
        usual_kw: of each load, (loads, T).
        advised_kw: the same.
    """
    moved = np.cumsum(np.concatenate([np.zeros((1, usual_kw.shape[1])), advised_kw - usual_kw]), axis=0)
    start = rest_kw + usual_kw.sum(axis=0)
    return np.stack([start + step for step in moved])


def realised(
    actual_kw: Floats, usual_kw: Floats, advised_kw: Floats, accepted: Sequence[bool], hours: float, price: Floats,
    charges: Sequence[DemandCharge],
) -> Floats:  # fmt: skip
    """What each move saved, or would have saved, on the day as it was: (loads,), in currency.

    The moves that were accepted are judged together, and so are those that were not. Both are counted in the order of
    the loads, each on top of those before it, so that they add up.
    """
    taken = np.asarray(accepted, dtype=bool)
    result = np.zeros(len(taken))
    with_usual = np.maximum(actual_kw - advised_kw[taken].sum(axis=0), 0.0) + usual_kw[taken].sum(axis=0)
    for chosen, demand in ((taken, with_usual), (~taken, actual_kw)):
        if not chosen.any():
            continue
        usual, advised = usual_kw[chosen], advised_kw[chosen]
        rest = np.maximum(demand - usual.sum(axis=0), 0.0)
        nets = steps(rest, usual, advised)
        nets[0] = demand
        if chosen is taken:
            nets[-1] = actual_kw
        result[chosen] = -np.diff(bill(nets, hours, price, charges).total)
    return result
