"""When what the fleet does becomes known: lags, late arrivals, estimates and their corrections.

Belongs here: `known_at_utc` and the versions of a reading. Does not belong here: the values themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from energy_assets.simulation.calendar import DAY_S, LocalGrid, local_instants
from energy_assets.simulation.noise import Bools, Floats, Ints, between, choice, keys, lognormal, normal, uniform

MAX_DELAY_DAYS = 14  # no reading is known later than this after its interval
INSTANT = pl.Datetime("us", "UTC")
_LATE, _ESTIMATED = 0.01, 0.008  # chance per meter and UTC day
_DOUBLED_AFTER_S = 7_200


@dataclass(frozen=True)
class Window:
    """Rows that became known after `after` (None: at any time) and no later than `until`; `start` is history's first
    instant. All in seconds since 1970 UTC."""

    after: int | None
    until: int
    start: int

    def holds(self, known: Ints) -> Bools:
        """Which rows became known within the window."""
        inside: Bools = known <= self.until
        return inside if self.after is None else inside & (known > self.after)


@dataclass(frozen=True)
class Lags:
    """How readings of some meters arrive, arrays of shape (M,)."""

    minutes: Ints  # after the interval's end
    nightly: Bools  # instead: all at three o'clock local of the day after


def household_lags(seed: int, ids: Sequence[str]) -> Lags:
    """15 to 60 minutes; every fifth household is collected at night."""
    minutes = 15 * (1 + choice(keys(seed, ids, "lag"), (0.25, 0.25, 0.25, 0.25)))
    number = np.array([int(name.rsplit("_", 1)[1]) for name in ids], dtype=np.int64)
    return Lags(minutes, number % 5 == 0)


def fixed_lags(ids: Sequence[str], minutes: int) -> Lags:
    """The same lag for all."""
    return Lags(np.full(len(ids), minutes, dtype=np.int64), np.zeros(len(ids), dtype=np.bool_))


def readings(
    seed: int, ids: Sequence[str], grid: LocalGrid, timezone: str, reported: Floats, missing: Bools, twice: Bools,
    faulty: Bools, lags: Lags, window: Window,
) -> pl.DataFrame:  # fmt: skip
    """Every version of the readings that became known in the window.

    `reported`, `missing` and `twice` have shape (M, D, S): meters, UTC days, intervals; `faulty` (M, D). One day in a
    hundred arrives one to five days late as a whole; a few days are estimated first and corrected two to seven days
    after; days with a fault are not, so that the truth stays. A doubled reading is the same value known again later.
    """
    start = grid.seconds.reshape(-1, grid.per_day)
    known = _first_known(seed, ids, grid, timezone, lags, start, faulty)
    day = grid.first_day + np.arange(start.shape[0], dtype=np.int64)[None, :]
    key = keys(seed, ids, "estimate")[:, None]
    estimated = (uniform(key, day * 4) < _ESTIMATED) & ~faulty
    corrected_after = np.rint(between(key, 2.0, 7.0, day * 4 + 1) * DAY_S / 900).astype(np.int64) * 900
    guess = lognormal(normal(key, day * 4 + 2), 0.15)
    due = (start >= window.start)[None, :, :] & ~missing
    prompt, doubled = due & ~estimated[:, :, None], due & twice
    guessed = due & estimated[:, :, None]
    corrected_at = known + corrected_after[:, :, None]
    versions = (
        ("measured", prompt, reported, known),
        ("estimated", guessed, reported * guess[:, :, None], known),
        ("corrected", guessed, reported, corrected_at),
        ("measured", doubled, reported, known + _DOUBLED_AFTER_S),
    )
    frames = []
    for quality, chosen, values, known_at in versions:
        at = np.nonzero(chosen & window.holds(known_at))
        frame = _frame(ids, at[0], start[at[1:]], grid.step_s, known_at[at], values[at])
        frames.append(frame.with_columns(pl.lit(quality).alias("quality")))
    return pl.concat(frames)


def published(
    ids: Sequence[str], publisher: str, grid: LocalGrid, timezone: str, kwh: Floats, window: Window
) -> pl.DataFrame:
    """Day-ahead forecasts (M, N) that are published at ten o'clock local of the day before."""
    known = local_instants(grid.days - 1, 10, timezone)[grid.day_index]
    chosen = np.flatnonzero(window.holds(known) & (grid.seconds >= window.start))
    meter = np.repeat(np.arange(len(ids)), chosen.size)
    at = np.tile(chosen, len(ids))
    frame = _frame(ids, meter, grid.seconds[at], grid.step_s, known[at], kwh[meter, at])
    return frame.select(
        "meter_id",
        pl.lit(publisher).alias("publisher"),
        "interval_start_utc",
        "known_at_utc",
        "interval_end_utc",
        "energy_kwh",
    )


def instants(seconds: Ints) -> pl.Series:
    """Seconds since 1970 as UTC instants."""
    return pl.Series(np.ascontiguousarray(seconds) * 1_000_000, dtype=pl.Int64).cast(INSTANT)


def to_seconds(moment: datetime) -> int:
    """Whole seconds since 1970 of an instant."""
    return int(moment.timestamp())


def _first_known(
    seed: int, ids: Sequence[str], grid: LocalGrid, timezone: str, lags: Lags, start: Ints, faulty: Bools
) -> Ints:
    prompt = (start + grid.step_s)[None, :, :] + 60 * lags.minutes[:, None, None]
    if lags.nightly.any():
        night = local_instants(grid.days + 1, 3, timezone)[grid.day_index].reshape(start.shape)
        prompt = np.where(lags.nightly[:, None, None], night[None, :, :], prompt)
    key = keys(seed, ids, "late")[:, None]
    day = grid.first_day + np.arange(start.shape[0], dtype=np.int64)[None, :]
    late = (uniform(key, day * 2) < _LATE) & ~faulty
    received = (day + 2) * DAY_S + np.rint(between(key, 0.0, 4.0, day * 2 + 1) * DAY_S / 900).astype(np.int64) * 900
    return np.where(late[:, :, None], received[:, :, None], prompt)


def _frame(ids: Sequence[str], meter: Ints, start: Ints, step_s: int, known: Ints, kwh: Floats) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "meter_id": pl.Series(ids, dtype=pl.String).gather(meter),
            "interval_start_utc": instants(start),
            "known_at_utc": instants(known),
            "interval_end_utc": instants(start + step_s),
            "energy_kwh": pl.Series(kwh.round(4), dtype=pl.Float64),
        }
    )
