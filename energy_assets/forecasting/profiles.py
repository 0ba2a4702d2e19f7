"""The load profile of each meter: regressions of its own on calendar and weather, for kinds of many meters.

Belongs here: fitting profiles, and what they say of feature rows. Does not belong here: where they are kept and when
they are fitted (`defs/forecasting/profiles.py`), what models make of them.

A model of thousands of meters knows the last weeks of each by its features. What a year tells (how its evenings are,
how it answers to cold) is the meter's own and is learned here: a ridge regression per local hour, drawn towards that of
all meters beside it. Meters of a place share calendar and weather, so the normal equations of thousands of them are a
few products of matrices.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_assets.contracts import table
from energy_assets.forecasting.features import PROFILE_KWH, PROFILE_SPREAD, Matrix
from energy_assets.forecasting.linear import HOURS, one_blas_thread

CONTRACT = table("forecasts.demand_profiles")
KEYS = ("meter_id", "known_from_utc", "local_hour")
COEFFICIENTS = (
    "base_kwh",
    "saturday_kwh",
    "sunday_kwh",
    "heating_kwh",
    "heating_day_kwh",
    "cooling_kwh",
    "year_sin_kwh",
    "year_cos_kwh",
)
WEATHER = ("heating_degrees_c", "heating_mean_24h_c", "cooling_degrees_c")
DESIGN = ("local_date", "local_hour", "day_of_week", "is_holiday", "day_of_year", *WEATHER)
WEATHER_SHARE = 0.5  # of the days: with less, a place counts as one without weather
BLOCK_DAYS = 28
BLOCKS = 13  # that a profile is fitted on: a year
VALID = timedelta(days=3 * BLOCK_DAYS)
LEAST_DAYS = 28
SCALE = np.array((1.0, 1.0, 1.0, 5.0, 5.0, 5.0, 1.0, 1.0))  # of the columns, so that one prior suits them all
PRIOR_DAYS = np.array((0.0, 20.0, 20.0, 20.0, 20.0, 20.0, 40.0, 40.0))  # days of its own that outweigh all others'
COMMON_PRIOR = 0.003  # of all days: what no answer at all counts in the answer of all meters
SOLVABLE = 1e-6 * np.eye(len(SCALE))  # an hour of which nothing is known
HIGHEST = 10.0  # times the usual level of a block: what is above counts as so much
FLOOR = 0.03  # of the level: no profile says less
AT_REST = 0.1  # of the level, added before logarithms: those of a meter at rest say nothing
MOST_APART, LEAST_APART, UNKNOWN_APART = 3.0, 0.02, 0.5  # log ratios


def block_end(number: int) -> datetime:
    """When the block of 28 days with this number is over: as of when profiles are fitted on it."""
    return datetime.fromtimestamp(number * BLOCK_DAYS * 86_400, UTC)


def last_block(at: datetime) -> int:
    """The newest block that is over at an instant."""
    return int(at.timestamp()) // (BLOCK_DAYS * 86_400)


@dataclass(frozen=True)
class Demand:
    """Hourly demand of meters of one place: hours x dates x meters.

    `hourly`: kWh, 0 where not known. `block`: the first block by whose end the hour was known, -1 where never.
    """

    meters: Sequence[str]
    first: date
    hourly: NDArray[np.float32]
    block: NDArray[np.int16]

    @classmethod
    def of(cls, meters: Sequence[str], rows: pl.DataFrame) -> Demand:
        """From rows in any order: meter (its number), day (since 1970), local_hour, demand_kwh, block.

        An hour that clocks repeat counts as its mean, and as known when both are.
        """
        day, meter = (rows[name].to_numpy().astype(np.int64) for name in ("day", "meter"))
        first, last = (int(day.min()), int(day.max())) if len(day) else (0, -1)
        shape = (HOURS, last - first + 1, len(meters))
        at = (rows["local_hour"].to_numpy().astype(np.int64) * shape[1] + day - first) * shape[2] + meter
        cells = int(np.prod(shape))
        count = np.bincount(at, minlength=cells)
        total = np.bincount(at, weights=rows["demand_kwh"].to_numpy(), minlength=cells)
        hourly = (total / np.maximum(count, 1)).astype(np.float32)
        block = np.full(cells, -1, dtype=np.int16)
        np.maximum.at(block, at, rows["block"].to_numpy().astype(np.int16))
        begins = date(1970, 1, 1) + timedelta(days=first)
        return cls(meters, begins, hourly.reshape(shape), block.reshape(shape))


def fit_profiles(demand: Demand, design: pl.DataFrame, blocks: Sequence[int]) -> pl.DataFrame:
    """Profiles as of the ends of some blocks, each of what became known in it and the twelve before.

    Args:
        demand: of meters of one place and time zone.
        design: `DESIGN` of hours there, from features; hours that are missing are not learned from.
        blocks: their numbers.

    Returns:
        Rows of `forecasts.demand_profiles`, 24 per meter and block, of meters with at least 28 days.
    """
    one_blas_thread()
    columns = _by_day(demand, design)
    window = deque[_Block](maxlen=BLOCKS)
    parts = [CONTRACT.empty()]
    for number in range(min(blocks) - BLOCKS + 1, max(blocks) + 1):
        window.append(_Block.of(demand, columns, number))
        if number in blocks:
            parts.append(_profiles(window, demand.meters, block_end(number)))
    return pl.concat(parts)


def with_profiles(frame: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    """The frame with what the newest profile known at each issue time says.

    Args:
        frame: columns of `features.feat_demand_day_ahead`.
        profiles: rows of `forecasts.demand_profiles`.

    Returns:
        `demand_profile_kwh` and `demand_profile_spread` (log ratio) beside the columns of the frame; null where no
        profile of the last twelve weeks is known.
    """
    if profiles.is_empty():
        return frame.with_columns(pl.lit(None, dtype=pl.Float64).alias(n) for n in (PROFILE_KWH, PROFILE_SPREAD))
    profiles = profiles.sort("known_from_utc", "meter_id", "local_hour")
    each = profiles.select("meter_id", "known_from_utc").unique(maintain_order=True).with_row_index("_profile")
    found = (
        frame.select("meter_id", "issued_at_utc")
        .with_row_index("_row")
        .sort("issued_at_utc")
        .join_asof(
            each, left_on="issued_at_utc", right_on="known_from_utc", by="meter_id", tolerance=VALID,
            check_sortedness=False,
        )
        .sort("_row")["_profile"]
    )  # fmt: skip
    has = found.is_not_null().to_numpy()
    known = frame.select(*DESIGN).filter(pl.Series(has))
    at = found.drop_nulls().to_numpy() * HOURS + known["local_hour"].to_numpy()
    said, spread = np.full(frame.height, np.nan), np.full(frame.height, np.nan)
    own = profiles.select(COEFFICIENTS).to_numpy()[at].astype(np.float64)
    said[has] = np.maximum((_columns(known) * own).sum(axis=1), FLOOR * profiles["level_kwh"].to_numpy()[at])
    spread[has] = profiles["spread"].to_numpy()[at]
    return frame.with_columns(
        pl.Series(PROFILE_KWH, said, nan_to_null=True),
        pl.Series(PROFILE_SPREAD, spread, nan_to_null=True),
    )


def _columns(rows: pl.DataFrame) -> Matrix:
    """Rows x `COEFFICIENTS`, not scaled."""
    sunday = (pl.col("day_of_week") == 7) | pl.col("is_holiday")
    year = pl.col("day_of_year") * (2 * np.pi / 365.25)
    found = rows.select(
        ((pl.col("day_of_week") == 6) & ~sunday).cast(pl.Float64).alias("saturday"),
        sunday.cast(pl.Float64).alias("sunday"),
        *(pl.col(name).cast(pl.Float64).fill_null(0.0) for name in WEATHER),
        year.sin().alias("sin"),
        year.cos().alias("cos"),
    )
    return np.column_stack([np.ones(rows.height), found.to_numpy()])


def _by_day(demand: Demand, design: pl.DataFrame) -> Matrix:
    """Hours x dates x `COEFFICIENTS`, scaled; NaN where nothing is known of the hour."""
    hours, dates, _ = demand.hourly.shape
    rows = design.select(DESIGN).with_columns(day=(pl.col("local_date") - demand.first).dt.total_days())
    rows = rows.filter(pl.col("day").is_between(0, dates - 1))
    known = pl.all_horizontal(pl.col(WEATHER).is_not_null())
    if rows.height and rows.select(known.mean()).item() >= WEATHER_SHARE:
        rows = rows.filter(known)
    result = np.full((hours, dates, len(SCALE)), np.nan)
    result[rows["local_hour"].to_numpy(), rows["day"].to_numpy()] = _columns(rows) / SCALE
    return result


@dataclass(frozen=True)
class _Block:
    """What became known in 28 days, hours x dates x (columns or meters), and its sums over the dates."""

    columns: Matrix
    demand: Matrix
    seen: NDArray[np.bool_]
    normal: Matrix
    moment: Matrix

    @classmethod
    def of(cls, demand: Demand, columns: Matrix, number: int) -> _Block:
        seen = (demand.block == number) & np.isfinite(columns[..., :1])
        some = seen.any(axis=(0, 2))
        seen, own = seen[:, some], np.nan_to_num(columns[:, some])
        value = np.where(seen, demand.hourly[:, some], 0.0).astype(np.float64)
        if some.any():
            level = np.median(value.sum(axis=0) / np.maximum(seen.sum(axis=0), 1), axis=0)
            value = np.minimum(value, np.where(level > 0, HIGHEST * level, np.inf))
        hours, dates, size = own.shape
        squares = (own[..., :, None] * own[..., None, :]).reshape(hours, dates, size * size)
        normal = (seen.astype(np.float64).transpose(0, 2, 1) @ squares).reshape(hours, -1, size, size)
        return cls(own, value, seen, normal, value.transpose(0, 2, 1) @ own)

    def distances(self, coefficients: Matrix, level: Matrix, usable: NDArray[np.bool_]) -> tuple[Matrix, Matrix]:
        """Per meter: the sum of absolute log ratios of demand to profile, less their mean; of how many hours."""
        seen = self.seen[..., usable]
        said = np.maximum(self.columns @ coefficients.transpose(0, 2, 1), FLOOR * level)
        ratio = np.where(seen, np.log((self.demand[..., usable] + AT_REST * level) / (said + AT_REST * level)), 0.0)
        hours = seen.sum(axis=(0, 1))
        # a level that has moved says nothing of how far hours are from it
        moved = ratio.sum(axis=(0, 1)) / np.maximum(hours, 1)
        return np.where(seen, np.minimum(np.abs(ratio - moved), MOST_APART), 0.0).sum(axis=(0, 1)), hours


def _profiles(window: deque[_Block], meters: Sequence[str], known_from: datetime) -> pl.DataFrame:
    normal = np.sum([block.normal for block in window], axis=0)
    moment = np.sum([block.moment for block in window], axis=0)
    days = normal[..., 0, 0]
    level = moment[..., 0].sum(axis=0) / np.maximum(days.sum(axis=0), 1)
    usable = (days.max(axis=0) >= LEAST_DAYS) & (level > 0)
    if not usable.any():
        return CONTRACT.empty()
    normal, moment, level = normal[:, usable], moment[:, usable], level[usable]
    together, relative = normal.sum(axis=1), (moment / level[None, :, None]).sum(axis=1)
    # heating and season are near to one another: without a prior, large answers that cancel out
    simple = COMMON_PRIOR * together[:, 0, 0, None, None] * np.diag(PRIOR_DAYS > 0)
    usual = np.linalg.solve(together + simple + SOLVABLE, relative[..., None])[..., 0]
    drawn = (usual * PRIOR_DAYS)[:, None] * level[None, :, None]
    own = np.linalg.solve(normal + np.diag(PRIOR_DAYS) + SOLVABLE, (moment + drawn)[..., None])[..., 0]
    apart, hours = (sum(parts) for parts in zip(*_newest(window, own, level, usable), strict=True))
    spread = np.where(hours > 0, np.maximum(apart / np.maximum(hours, 1), LEAST_APART), UNKNOWN_APART)
    count = int(usable.sum())
    rows = pl.DataFrame(
        {
            "meter_id": pl.Series(meters, dtype=pl.String).filter(pl.Series(usable)),
            "level_kwh": level,
            "spread": spread,
        }
    ).select(pl.all().repeat_by(HOURS).explode())
    coefficients = (own / SCALE).transpose(1, 0, 2).reshape(count * HOURS, len(SCALE))
    found = rows.hstack(pl.DataFrame(coefficients, schema=list(COEFFICIENTS))).with_columns(
        known_from_utc=pl.lit(known_from), local_hour=pl.Series(np.tile(np.arange(HOURS), count))
    )
    return found.select(pl.col(c.name).cast(c.polars_type) for c in CONTRACT.columns)


def _newest(
    window: deque[_Block], own: Matrix, level: Matrix, usable: NDArray[np.bool_]
) -> Iterator[tuple[Matrix, Matrix]]:
    for block in list(window)[-2:]:
        yield block.distances(own, level, usable)
