"""Which rows a model may learn from, and how they are split into days seen and not seen.

Belongs here: the as-of rule for labels, usable inputs, thinning, folds over time, the naive value that fallbacks and
baselines share. Does not belong here: fitting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from energy_assets.forecasting.features import recent_level
from energy_assets.forecasting.models import Params

Mask = NDArray[np.bool_]

STALE_DAYS = 3
MIN_KNOWN_DAYS = 7
WEATHER_SHARE = 0.5
RECENT_ISSUES = 56
KEEP_DAYS, LEAST_KEEP_DAYS = 60, 14
MOST_TURNS = 28
ORDER = ("meter_id", "issued_at_utc", "interval_start_utc")
NAIVE_COLUMNS = ("demand_lag_7d_kwh", "demand_lag_14d_kwh", "demand_lag_21d_kwh", "demand_lag_28d_kwh")
LAST_RESORTS = (
    "demand_last_day_same_hour_kwh",
    "demand_lag_2d_kwh",
    "demand_lag_1d_kwh",
    "demand_last_day_mean_kwh",
    "demand_mean_168h_kwh",
    "demand_mean_24h_kwh",
    "demand_last_known_kwh",
)


def naive_kwh() -> pl.Expr:
    """Demand of the same hour one week before, else 2, 3, 4 weeks before, else of the last known day, else its mean.

    Null only where nothing at all is known of the meter.
    """
    return pl.coalesce(pl.col(c) for c in NAIVE_COLUMNS + LAST_RESORTS)


def is_stale() -> pl.Expr:
    """Whether the newest reading known at issue time is more than `STALE_DAYS` old, or there is none."""
    age = pl.col("issued_at_utc") - pl.col("data_cutoff_utc")
    return (age > timedelta(days=STALE_DAYS)).fill_null(value=True)


class Learnable(NamedTuple):
    """Rows to learn from, in a fixed order, and what they were chosen of.

    `weather`: whether any meter has it; `days` and `span`: issue days of all that may be learned from, and their first
    interval's start and last one's end, None without rows.
    """

    rows: pl.DataFrame
    weather: bool
    meters_without_weather: tuple[str, ...]
    days: int
    span: tuple[Any, Any]


def learnable(frame: pl.DataFrame, *, kind: str, as_of: datetime, limit: int | None = None) -> Learnable:
    """Rows of the kind whose label and inputs were known at `as_of`, all or about `limit` of them (`subsample`).

    A meter has weather if at least half of the rows of its newest 56 issue times have it; its rows without are left
    out. Meters that never have weather are learned from as they are.

    Raises:
        ValueError: `as_of` has no time zone.
    """
    if as_of.tzinfo is None:
        raise ValueError(f"as_of {as_of.isoformat()} has no time zone")
    known_at = pl.col("label_known_at_utc" if "label_known_at_utc" in frame.columns else "interval_end_utc")
    usable = (
        pl.col("kind") == kind,
        pl.col("demand_kwh").is_finite(),
        known_at <= as_of,
        pl.col("interval_end_utc") <= as_of,
        recent_level().is_finite(),
        pl.col("known_days") >= MIN_KNOWN_DAYS,
        ~is_stale(),
    )
    asked = {name for condition in usable for name in condition.meta.root_names()}
    # chosen by the few columns that it takes; the many features are copied for the chosen rows alone
    rows = (
        frame.select(*dict.fromkeys((*ORDER, "temperature_c", *sorted(asked))))
        .with_columns(cs.float().fill_nan(None))
        .with_row_index("_row")
        .filter(usable)
        .sort(ORDER)
    )
    recent = pl.col("issued_at_utc").rank("dense", descending=True).over("meter_id") <= RECENT_ISSUES
    shares = rows.filter(recent).group_by("meter_id").agg(pl.col("temperature_c").is_not_null().mean().alias("share"))
    without = tuple(shares.filter(pl.col("share") < WEATHER_SHARE)["meter_id"].sort().to_list())
    rows = rows.filter(pl.col("temperature_c").is_not_null() | pl.col("meter_id").is_in(without))
    days = rows["issued_at_utc"].n_unique()
    span = rows.select(pl.col("interval_start_utc").min(), pl.col("interval_end_utc").max()).row(0)
    chosen = rows if limit is None else subsample(rows, limit)
    whole = frame[chosen["_row"]].with_columns(cs.float().fill_nan(None))
    return Learnable(whole, len(without) < shares.height, without, days, span)


def meter_day_turn() -> pl.Expr:
    """A number per meter-day: every n-th of them has every older day with some meters and every meter with some days.

    Each week starts one later, so that every seventh is not always the same weekday.
    """
    day = pl.col("issued_at_utc").rank("dense").cast(pl.Int64)
    return day + day // 7 + pl.col("meter_id").rank("dense").cast(pl.Int64)


def subsample(rows: pl.DataFrame, limit: int) -> pl.DataFrame:
    """At most about `limit` rows: half of them of the newest days, whole meter-days spread evenly over the older ones.

    Of the newest days all meters count, or, where they are too many for two weeks of them, a share of each day's.
    """
    if rows.height <= limit:
        return rows
    age = rows["issued_at_utc"].max() - pl.col("issued_at_utc")
    days = rows.group_by("issued_at_utc").len()["len"]
    per_day = max(rows.height // len(days), int(days.max()) // 2)  # type: ignore[arg-type]
    keep_days = min(KEEP_DAYS, max(limit // 2 // per_day, LEAST_KEEP_DAYS))
    is_recent = age < pl.duration(days=keep_days)
    recent = _spread(rows.filter(is_recent), limit // 2)
    older = _spread(rows.filter(~is_recent), limit - recent.height)
    return pl.concat([recent, older]).sort(ORDER)


def _spread(rows: pl.DataFrame, limit: int) -> pl.DataFrame:
    """At most about `limit` rows in whole meter-days, a share of every day and of every meter.

    Of days with so many meters that each would have a turn once in a month only, or with many more meters than other
    days, as many are kept as of those: points of a plane that an additive recurrence fills evenly (Roberts, 2018).
    """
    step = -(-rows.height // max(limit, 1))
    if step <= 1:
        return rows
    per_day = pl.len().over("issued_at_utc") * rows["issued_at_utc"].n_unique() / limit
    if rows.select(per_day.max()).item() <= MOST_TURNS:
        return rows.filter(meter_day_turn() % step == 0)
    day, meter = (pl.col(name).rank("dense").cast(pl.Float64) for name in ("issued_at_utc", "meter_id"))
    return rows.filter((day * 0.7548776662466927 + meter * 0.5698402909980532) % 1.0 * per_day < 1)


@dataclass(frozen=True)
class Folds:
    """Which rows are held out from which fit. All masks have one entry per row.

    `splits`: (held out, learned from). `trailing` rows are forecast forward only; `later_half` is their second half;
    `older` rows are all others.
    """

    splits: tuple[tuple[Mask, Mask], ...]
    trailing: Mask
    later_half: Mask
    older: Mask


def make_folds(issued: pl.Series, params: Params) -> Folds:
    """Folds over issue times (a Datetime series, one entry per row).

    Older days: two folds of alternating blocks. The trailing `calibration_days` (at most 30 % of the days): two
    halves, each forecast by a fit on the days before it, less the one whose outcome was not known yet.
    """
    rank = (issued.rank("dense").to_numpy() - 1).astype(np.int64)
    days = int(rank.max()) + 1
    window = max(min(params.calibration_days, int(days * 0.3)), 2)
    start, middle = days - window, days - window // 2
    older: Mask = rank < start
    later: Mask = rank >= middle
    block = max(1, min(params.block_days, start // 4))
    parity = (rank // block) % 2

    def splits() -> Iterator[tuple[Any, Any]]:
        for fold in (0, 1):
            held_out = older & (parity == fold)
            yield held_out, older & ~held_out
        yield (rank >= start) & (rank < middle), rank < start - 1
        yield later, rank < middle - 1

    return Folds(
        tuple((held_out, learned) for held_out, learned in splits() if held_out.any() and learned.any()),
        ~older,
        later,
        older,
    )
