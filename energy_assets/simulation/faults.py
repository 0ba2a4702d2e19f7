"""Faults that meters make, injected on purpose and kept as ground truth.

Belongs here: when a fault happens, of what kind, and what it does to the readings. Does not belong here: finding it.
A meter has at most one fault in a UTC day (so that the truth is unambiguous) and rarely a shift of level for some
weeks on top. Whether, when and what is drawn per meter and day, so that any range of days can be made alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from energy_assets.simulation.calendar import DAY_S
from energy_assets.simulation.noise import Bools, Floats, Ints, Keys, between, choice, keys, uniform

DAYS_PER_MONTH = 30.44
SHIFT_BLOCK_DAYS = 64
MISSING, DUPLICATE, NEGATIVE, FLATLINE, ZERO_RUN, SPIKE, UNIT_SCALE = range(7)
KINDS = ("missing", "duplicate", "negative", "flatline", "zero_run", "spike", "unit_scale")


@dataclass(frozen=True)
class FaultPlan:
    """Which faults a kind of meter has: shares by `KINDS`, shortest and longest duration in hours, times the rate."""

    shares: tuple[float, ...] = (0.24, 0.14, 0.08, 0.16, 0.14, 0.16, 0.08)
    shortest_h: tuple[float, ...] = (2.0, 1.0, 0.5, 6.0, 6.0, 0.5, 3.0)
    longest_h: tuple[float, ...] = (24.0, 6.0, 3.0, 16.0, 20.0, 1.5, 9.0)
    rate: float = 1.0
    shifts: float = 0.04  # level shifts per fault


METERS = FaultPlan()
ZONES = FaultPlan(
    shares=(1.0, 0, 0, 0, 0, 0, 0), longest_h=(6.0, 6.0, 3.0, 16.0, 20.0, 1.5, 9.0), rate=0.15, shifts=0.0
)
MACHINES = FaultPlan(
    shares=(0, 0, 0, 0.5, 0, 0.5, 0),
    shortest_h=(0.2, 0.2, 0.2, 0.5, 0.2, 0.02, 0.2),
    longest_h=(0.5, 0.5, 0.5, 2.0, 0.5, 0.1, 0.5),
    rate=0.5,
    shifts=0.0,
)


@dataclass(frozen=True)
class Faults:
    """Faults of meters over UTC days; arrays of one value per fault."""

    meter: Ints  # row of the meter
    day: Ints  # index of the UTC day, from the first
    kind: Ints
    first: Ints  # first interval of the day that is touched
    end: Ints  # first interval that no longer is
    magnitude: Floats
    factor: Floats  # level shift per meter and day, (M, D); 1 where there is none
    rows: pl.DataFrame  # raw.simulated_faults

    def faulty(self, shape: tuple[int, int]) -> Bools:
        """Which meters and days have one, (M, D)."""
        result = np.zeros(shape, dtype=np.bool_)
        result[self.meter, self.day] = True
        return result


def draw(seed: int, ids: Sequence[str], plan: FaultPlan, rate: float, first_day: int, days: int, step_s: int) -> Faults:
    """The faults of meters `ids` in UTC days from `first_day`, at intervals of `step_s` seconds.

    `rate` is the mean number per meter and month over all kinds.
    """
    per_day = DAY_S // step_s
    key = keys(seed, ids, "fault")[:, None]
    day = first_day + np.arange(days, dtype=np.int64)[None, :]
    meter, index = np.nonzero(uniform(key, day) < min(rate * plan.rate / DAYS_PER_MONTH, 0.9))
    own, when = keys(seed, ids, "fault-detail")[meter], first_day + index
    kind = choice(own, plan.shares, when * 8)
    shortest, longest = np.asarray(plan.shortest_h)[kind], np.asarray(plan.longest_h)[kind]
    hours = shortest + (longest - shortest) * uniform(own, when * 8 + 1)
    length = np.maximum(np.rint(hours * 3600 / step_s).astype(np.int64), 1)
    length = np.minimum(np.where(np.isin(kind, (FLATLINE, ZERO_RUN)), np.maximum(length, 3), length), per_day)
    first = np.floor((per_day - length + 1) * uniform(own, when * 8 + 2)).astype(np.int64)
    magnitude = np.select(
        [kind == SPIKE, kind == UNIT_SCALE, kind == NEGATIVE],
        [between(own, 5.0, 10.0, when * 8 + 3), np.full(kind.shape, 1000.0), np.full(kind.shape, -1.0)],
        np.nan,
    )
    factor, shifts = _shifts(seed, ids, rate * plan.rate * plan.shifts, day)
    start = when * DAY_S + first * step_s
    names = np.array(KINDS)[kind] if kind.size else np.zeros(0, dtype=str)
    rows = pl.concat([_rows(ids, meter, names, start, start + length * step_s, magnitude), shifts])
    return Faults(meter, index, kind, first, first + length, magnitude, factor, rows)


def distort(values: Floats, usual: Floats, faults: Faults) -> tuple[Floats, Bools, Bools]:
    """What the meters report instead of `values` (M, D, S), which readings are missing, and which come twice.

    `usual` (M,) is the meter's mean energy per interval: a spike is a multiple of at least that.
    """
    reported = values * faults.factor[:, :, None]
    missing = np.zeros(values.shape, dtype=np.bool_)
    twice = np.zeros(values.shape, dtype=np.bool_)
    at = (faults.meter, faults.day)
    rows = reported[at]
    slot = np.arange(values.shape[2])[None, :]
    inside = (slot >= faults.first[:, None]) & (slot < faults.end[:, None])
    kind = faults.kind[:, None]
    held = rows[np.arange(len(rows)), faults.first][:, None] if len(rows) else rows[:, :1]
    magnitude = np.nan_to_num(faults.magnitude)[:, None]
    changed = np.select(
        [kind == NEGATIVE, kind == FLATLINE, kind == ZERO_RUN, kind == SPIKE, kind == UNIT_SCALE],
        [
            -np.abs(rows),
            held + 0.0 * rows,
            0.0 * rows,
            magnitude * np.maximum(rows, usual[faults.meter][:, None]),
            magnitude * rows,
        ],
        rows,
    )
    reported[at] = np.where(inside, changed, rows)
    missing[at] = inside & (kind == MISSING)
    twice[at] = inside & (kind == DUPLICATE)
    return reported, missing, twice


def told(rows: pl.DataFrame, after: int | None, until: int, start: int) -> pl.DataFrame:
    """Those of the truths that start after `after` and no later than `until` and reach beyond history's `start`."""
    begins = pl.col("start_utc").dt.epoch("s")
    chosen = (begins <= until) & (pl.col("end_utc").dt.epoch("s") > start)
    return rows.filter(chosen if after is None else chosen & (begins > after))


def _shifts(seed: int, ids: Sequence[str], rate: float, day: Ints) -> tuple[Floats, pl.DataFrame]:
    """Level shifts: at most one per meter and block of days, wholly within the block."""
    chance = min(rate * SHIFT_BLOCK_DAYS / DAYS_PER_MONTH, 0.9)
    key = keys(seed, ids, "fault-shift")[:, None]
    start, end, factor, real = _block_shift(key, day // SHIFT_BLOCK_DAYS, chance)
    daily = np.where(real & (day >= start) & (day < end), factor, 1.0)
    blocks = np.unique(day // SHIFT_BLOCK_DAYS)[None, :]
    start, end, factor, real = _block_shift(key, blocks, chance)
    meter, block = np.nonzero(real)
    names = np.full(meter.shape, "level_shift")
    found = (meter, block)
    return daily, _rows(ids, meter, names, start[found] * DAY_S, end[found] * DAY_S, factor[found])


def _block_shift(key: Keys, block: Ints, chance: float) -> tuple[Ints, Ints, Floats, Bools]:
    real = uniform(key, block * 8) < chance
    first = np.floor(between(key, 0.0, 32.0, block * 8 + 1)).astype(np.int64)
    length = np.floor(between(key, 7.0, 31.0, block * 8 + 2)).astype(np.int64)
    upwards = uniform(key, block * 8 + 3) < 0.5
    factor = np.where(upwards, between(key, 1.35, 1.8, block * 8 + 4), between(key, 0.45, 0.7, block * 8 + 4)).round(3)
    start = block * SHIFT_BLOCK_DAYS + first
    return start, start + length, factor, real


def _rows(ids: Sequence[str], meter: Ints, kind: np.ndarray, start: Ints, end: Ints, magnitude: Floats) -> pl.DataFrame:
    instant = pl.Datetime("us", "UTC")
    rows = pl.DataFrame(
        {
            "meter_id": pl.Series(ids, dtype=pl.String).gather(meter),
            "kind": pl.Series(kind.tolist(), dtype=pl.String),
            "start_utc": pl.Series(start * 1_000_000, dtype=pl.Int64).cast(instant),
            "end_utc": pl.Series(end * 1_000_000, dtype=pl.Int64).cast(instant),
            "magnitude": pl.Series(magnitude.round(3), dtype=pl.Float64).fill_nan(None),
        }
    )
    stamp = pl.col("start_utc").dt.strftime("%Y-%m-%dT%H:%MZ")
    return rows.select(pl.concat_str("meter_id", "kind", stamp, separator=":").alias("fault_id"), pl.all())
