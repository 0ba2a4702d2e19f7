"""Local time for arrays: hours, days, weekends, holidays and the instants of local clock times.

Belongs here: turning UTC grids into what people's clocks and calendars say. Does not belong here: what people do then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
import numpy as np
import polars as pl

from energy_assets.simulation.noise import Bools, Floats, Ints

DAY_S = 86_400
YEAR_S = 31_556_952.0
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class LocalGrid:
    """Regular instants over whole UTC days and their local meaning.

    Arrays of shape (N,) hold one value per instant; those of shape (D,) one per local day, `day_index` leads from the
    first to the second. Days are counted from 1970-01-01.
    """

    seconds: Ints  # (N,) start of the interval, seconds since 1970 UTC
    step_s: int
    hour: Floats  # (N,) local clock at the middle of the interval, hours
    day_index: Ints  # (N,)
    days: Ints  # (D,) local day number
    weekday: Ints  # (D,) 0 = Monday
    holiday: Bools  # (D,)
    off: Bools  # (D,) weekend or holiday
    previous_off: Bools  # (D,)
    bridge: Bools  # (D,) working day between a holiday and a weekend

    @property
    def per_day(self) -> int:
        """Instants in a UTC day."""
        return DAY_S // self.step_s

    @property
    def first_day(self) -> int:
        """Number of the first UTC day."""
        return int(self.seconds[0]) // DAY_S

    def at(self, daily: Floats) -> Floats:
        """Values per local day, shape (..., D), laid on the instants, shape (..., N)."""
        result: Floats = daily[..., self.day_index]
        return result

    def season(self) -> Floats:
        """Share of the year that has passed at each instant, 0 to 1, shape (N,)."""
        result: Floats = (self.seconds / YEAR_S) % 1.0
        return result


def local_grid(first_day: int, end_day: int, step_s: int, timezone: str, country: str | None) -> LocalGrid:
    """The grid of the UTC days `first_day` to `end_day` (exclusive; days since 1970) in steps of `step_s` seconds."""
    seconds = np.arange(first_day * DAY_S, end_day * DAY_S, step_s, dtype=np.int64)
    local = local_seconds(seconds, timezone)
    day = local // DAY_S
    hour: Floats = np.asarray(((local - day * DAY_S) + step_s / 2) / 3600.0, dtype=np.float64)
    days = np.arange(int(day.min()), int(day.max()) + 1, dtype=np.int64)
    around = np.arange(days[0] - 1, days[-1] + 2, dtype=np.int64)
    weekday = (around + 3) % 7  # 1970-01-01 was a Thursday
    free = is_holiday(around, country)
    off = free | (weekday >= 5)
    bridge = ~off[1:-1] & off[:-2] & off[2:] & (free[:-2] | free[2:])
    return LocalGrid(seconds, step_s, hour, day - days[0], days, weekday[1:-1], free[1:-1], off[1:-1], off[:-2], bridge)


def local_seconds(seconds: Ints, timezone: str) -> Ints:
    """What the local clock shows at UTC instants, as seconds since 1970-01-01 00:00 local."""
    stamps = pl.Series(seconds * 1_000_000).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(timezone)
    naive = stamps.dt.replace_time_zone(None).cast(pl.Int64).to_numpy()
    result: Ints = naive // 1_000_000
    return result


def local_instants(days: Ints, hour: int, timezone: str) -> Ints:
    """UTC seconds at which the clock first shows `hour` on each local day; an hour that is skipped counts as the next.

    >>> int(local_instants(np.array([19_000]), 6, "UTC")[0]) - 19_000 * 86_400
    21600
    """
    naive = pl.DataFrame({"us": days * (DAY_S * 1_000_000) + hour * 3_600_000_000}).with_columns(
        pl.col("us").cast(pl.Datetime("us"))
    )
    stamp = pl.col("us").dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    later = pl.col("us").dt.offset_by("1h").dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    known = naive.select(pl.coalesce(stamp, later).dt.convert_time_zone("UTC").cast(pl.Int64)).to_series()
    result: Ints = known.to_numpy() // 1_000_000
    return result


def local_day(moment: datetime, timezone: str) -> int:
    """Number of the local day (since 1970-01-01) that an instant lies in."""
    return moment.astimezone(ZoneInfo(timezone)).date().toordinal() - _EPOCH


def is_holiday(days: Ints, country: str | None) -> Bools:
    """Which local days are public holidays; none where the country (or -subdivision) is unknown to `holidays`."""
    if country is None or not days.size:
        return np.zeros(days.shape, dtype=np.bool_)
    first, last = (date.fromordinal(int(day) + _EPOCH).year for day in (days[0], days[-1]))
    return np.isin(days, _holidays(country, first, last))


@lru_cache(maxsize=16)
def _holidays(country: str, first_year: int, last_year: int) -> Ints:
    name, _, subdivision = country.partition("-")
    try:
        found = holidays.country_holidays(name, subdiv=subdivision or None, years=range(first_year, last_year + 1))
    except NotImplementedError:
        return np.zeros(0, dtype=np.int64)
    return np.array(sorted(day.toordinal() - _EPOCH for day in found), dtype=np.int64)
