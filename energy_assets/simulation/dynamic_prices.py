"""Prices by the hour, as a day-ahead auction would make them.

Belongs here: the hourly rows of one tariff. Does not belong here: tariffs that stand (`tariffs.py`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from energy_assets.simulation.calendar import DAY_S, local_instants, local_seconds
from energy_assets.simulation.noise import Ints, keys, lognormal, normal
from energy_assets.simulation.publishing import instants
from energy_assets.simulation.span import Span
from energy_assets.simulation.tariffs import DYNAMIC, home_tariffs, shaped

# Mean price of each local hour relative to the day's: cheap nights and middays, dear mornings and evenings.
_SHAPE = (0.74, 0.70, 0.68, 0.67, 0.70, 0.80, 0.98, 1.18, 1.24, 1.10, 0.96, 0.88,
          0.84, 0.80, 0.82, 0.92, 1.06, 1.26, 1.42, 1.44, 1.30, 1.10, 0.94, 0.82)  # fmt: skip
_TAXES, _MARKET_MEAN = 0.11, 0.11  # per kWh: network and taxes, and the mean of the market's part
_PUBLISHED_HOUR = 13  # of the day before, as day-ahead auctions are


def dynamic_prices(span: Span) -> pl.DataFrame:
    """Hourly rows of raw.tariffs that became known in the window: each local day at 13:00 of the day before."""
    members = span.members
    market, seed = members.market, members.source.seed
    seconds = np.arange(span.first_day * DAY_S, (span.end_day + 2) * DAY_S, 3_600, dtype=np.int64)
    local = local_seconds(seconds, market.timezone)
    day: Ints = local // DAY_S
    known = local_instants(day - 1, _PUBLISHED_HOUR, market.timezone)
    told = (seconds >= span.window.start) & span.window.holds(known)
    if DYNAMIC not in home_tariffs(members.homes.ids):
        told[:] = False
    level = lognormal(normal(keys(seed, (DYNAMIC,), "day"), day), 0.18) * np.where((day + 3) % 7 >= 5, 0.85, 1.0)
    chance = lognormal(normal(keys(seed, (DYNAMIC,), "hour"), seconds // 3_600), 0.07)
    market_part = _MARKET_MEAN * np.array(_SHAPE)[(local % DAY_S) // 3_600] * level * chance
    rows = pl.DataFrame({"price": (_TAXES + market_part[told]).round(5)}).with_columns(
        tariff_id=pl.lit(DYNAMIC), component=pl.lit("energy"), window=pl.lit("all"), calendar=pl.lit("all"),
        unit=pl.lit("kWh"), averaging_minutes=pl.lit(None, dtype=pl.Int64),
        billing_basis=pl.lit(None, dtype=pl.String), valid_from_utc=instants(seconds[told]),
        valid_to_utc=instants(seconds[told] + 3_600), known_at_utc=instants(known[told]),
    )  # fmt: skip
    return shaped(rows, market, members.source.name)
