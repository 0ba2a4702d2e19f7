"""Known faults of every kind put into any frame of readings, real or simulated, with the truth beside it.

Belongs here: what each fault does to readings, to find out what detectors find. Does not belong here: the faults that
the simulated fleet has by itself (`faults.py`), and detectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

UTC_TIME = pl.Datetime("us", "UTC")
# Shortest and longest duration in hours, lowest and highest magnitude (a factor unless said otherwise).
FAULTS: dict[str, tuple[float, float, float, float]] = {
    "missing": (3, 24, 0, 0),
    "duplicate": (1, 6, 0, 0),
    "dst_fold": (1, 1, 0, 0),
    "negative": (1, 3, -1, -1),
    "zero_run": (6, 24, 0, 0),
    "flatline": (6, 16, 1, 1),
    "spike": (1, 1.5, 5, 10),  # of the larger of the reading and the meter's mean
    "dip": (1, 3, 0.0, 0.15),
    "level_shift": (7 * 24, 14 * 24, 0.45, 1.8),
    "unit_scale": (6, 72, 0, 0),
    "meter_reset": (0, 0, 1e3, 1e5),  # means that the register stood at
    "rollover": (0, 0, 1e3, 1e5),
    "sentinel": (1, 6, 0, 0),
    "estimated_run": (8, 48, 0, 0),
    "clock_shift": (4 * 24, 10 * 24, 1, 3),  # hours late
    "night_baseload": (7 * 24, 14 * 24, 1.6, 2.5),
    "contextual": (6, 12, 0.4, 1.8),
}
KINDS = tuple(FAULTS)
UNIT_FACTORS = (1000.0, 4.0, 0.25, 0.001)
SENTINELS = (9999.0, 99999.0, 65535.0, -9999.0, -1.0)
_NIGHT = (0, 5)  # local hours
_KEY = ["meter_id", "interval_start_utc"]


@dataclass(frozen=True)
class Injected:
    """Readings with faults; rows that a reader would have rejected; the truth: fault_id, meter_id, kind, start_utc,
    end_utc, magnitude."""

    readings: pl.DataFrame
    rejected: pl.DataFrame
    truth: pl.DataFrame


def inject(
    readings: pl.DataFrame,
    meters: pl.DataFrame,
    *,
    seed: int,
    since: datetime,
    until: datetime,
    kinds: Sequence[str] = KINDS,
    slot_days: int = 21,
) -> Injected:
    """One fault per meter and slot of days from `since` to `until`, the kinds in turn; the same seed, the same faults.

    A `dst_fold` takes every other slot in which the meter's clock changes, and happens nowhere else.

    Args:
        readings: one version per interval: meter_id, interval_start_utc, interval_end_utc, known_at_utc, energy_kwh and
            quality; other columns pass.
        meters: meter_id and timezone of the meters.
        seed: of everything random.
        since: first slot begins here; readings before are left as they are.
        until: no slot ends later.
        kinds: some of `KINDS`; they come in turn.
        slot_days: length of a slot; long faults end two days before it does.

    Raises:
        ValueError: a kind is unknown, or no slot fits.
    """
    unknown = [kind for kind in kinds if kind not in FAULTS]
    if unknown:
        raise ValueError(f"no fault is called {', '.join(unknown)}; there are {', '.join(KINDS)}")
    slots = int((until - since) / timedelta(days=slot_days))
    if slots < 1:
        raise ValueError(f"no slot of {slot_days} days fits between {since.isoformat()} and {until.isoformat()}")
    truth = _placed(_drawn(meters, kinds, slots, seed, since, slot_days), readings, meters, "dst_fold" in kinds)
    rows = (
        readings.sort(*_KEY)
        .join_asof(
            truth.select("meter_id", "fault_id", "kind", "start_utc", "end_utc", "magnitude", "mode").sort("start_utc"),
            left_on="interval_start_utc", right_on="start_utc", by="meter_id", check_sortedness=False,
        )
        .with_columns(kind=pl.when(pl.col("interval_start_utc") < pl.col("end_utc")).then("kind"))
        .with_columns(usual=pl.col("energy_kwh").mean().over("meter_id"))
    )  # fmt: skip
    rows = _with_source(with_local(rows, meters))
    changed = rows.with_columns(energy_kwh=_energy()).filter(~_gone())
    again = changed.filter(pl.col("kind") == "duplicate")
    doubled = again.filter(pl.col("mode") == 0).with_columns(pl.col("known_at_utc") + timedelta(hours=2))
    columns = readings.columns
    aside = again.filter(pl.col("mode") == 1).select(*_REJECTED, reason=pl.lit("duplicate_identical"))
    filled = rows.filter(
        pl.col("kind") == "dst_fold", pl.col("mode") == 3, pl.col("interval_start_utc") == pl.col("start_utc")
    ).select(*_REJECTED, reason=pl.lit("nonexistent_local_time"))
    return Injected(
        pl.concat([changed.select(columns), doubled.select(columns)]).sort(*_KEY, "known_at_utc"),
        pl.concat([aside, filled]).with_columns(raw_text=pl.lit(None, pl.String), message=pl.lit("")),
        truth.drop("mode"),
    )


_REJECTED = [*_KEY, "interval_end_utc", "known_at_utc"]


def _drawn(
    meters: pl.DataFrame, kinds: Sequence[str], slots: int, seed: int, since: datetime, slot_days: int
) -> pl.DataFrame:
    """When, what and how much, one row per meter and slot."""
    rng = np.random.default_rng(seed)
    ids = meters["meter_id"].sort().to_list()
    n = len(ids) * slots
    # the kinds in turn, in an order that differs from meter to meter
    in_turn = [k for k in kinds if k != "dst_fold"] or ["dst_fold"]
    kind = np.array([in_turn[i % len(in_turn)] for i in rng.permutation(n)])
    shortest, longest, low, high = (np.array([FAULTS[k][i] for k in kind]) for i in range(4))
    hours = np.minimum(shortest + (longest - shortest) * rng.random(n), (slot_days - 4) * 24.0)
    first_h = 24.0 + rng.random(n) * np.maximum(slot_days * 24.0 - 72.0 - hours, 0.0)
    magnitude = low + (high - low) * rng.random(n)
    coin = rng.random(n)
    up = coin < 0.5
    magnitude = np.where(
        kind == "level_shift", np.where(up, 1.35 + 0.45 * rng.random(n), 0.45 + 0.25 * rng.random(n)), magnitude
    )
    magnitude = np.where(kind == "contextual", np.where(up, 1.8, 0.4), magnitude)
    magnitude = np.where(kind == "clock_shift", np.rint(magnitude), magnitude)
    magnitude = np.where(kind == "unit_scale", np.array(UNIT_FACTORS)[rng.integers(0, len(UNIT_FACTORS), n)], magnitude)
    magnitude = np.where(kind == "sentinel", np.array(SENTINELS)[rng.integers(0, len(SENTINELS), n)], magnitude)
    return pl.DataFrame(
        {
            "meter_id": np.repeat(ids, slots),
            "slot_start": [since + timedelta(days=slot_days * s) for s in range(slots)] * len(ids),
            "kind": kind,
            "first_minute": np.rint(first_h * 60).astype(np.int64),
            "minutes": np.rint(hours * 60).astype(np.int64),
            "magnitude": magnitude,
            "mode": (coin * 2).astype(np.int64),
            "turn": rng.integers(0, 3, n),
            "folds": rng.random(n) < 0.5,
        },
        schema_overrides={"slot_start": UTC_TIME},
    ).with_columns(slot_end=pl.col("slot_start") + timedelta(days=slot_days))


def _placed(drawn: pl.DataFrame, readings: pl.DataFrame, meters: pl.DataFrame, folds: bool) -> pl.DataFrame:
    """The truth: starts and ends on the meters' grid, folds where the clock changes."""
    length = readings.group_by("meter_id").agg(
        step=(pl.col("interval_end_utc") - pl.col("interval_start_utc")).min().dt.total_minutes()
    )
    step = pl.duration(minutes=pl.col("step"))
    start = pl.col("slot_start") + pl.duration(minutes=(pl.col("first_minute") // pl.col("step")) * pl.col("step"))
    steps = pl.max_horizontal((pl.col("minutes") / pl.col("step")).round().cast(pl.Int64), 1)
    fold = (
        with_local(readings.select(*_KEY).sort(*_KEY), meters)
        .with_columns(offset=pl.col("local") - pl.col("interval_start_utc").dt.replace_time_zone(None))
        .with_columns(change=(pl.col("offset") - pl.col("offset").shift(1)).over("meter_id"))
        .filter(pl.col("change").dt.total_seconds().abs() == 3600)
        .select("meter_id", "change", fold_utc="interval_start_utc")
    )
    slot = ["meter_id", "slot_start"]
    changes = (
        drawn.filter(pl.col("folds") & folds)
        .join(fold, on="meter_id")
        .filter(pl.col("fold_utc").is_between("slot_start", "slot_end", closed="left"))
    )
    plain = (
        drawn.filter(pl.col("kind") != "dst_fold")
        .join(changes, on=slot, how="anti")
        .join(length, on="meter_id")
        .with_columns(start_utc=start, end_utc=start + steps * step)
    )
    autumn = pl.col("change").dt.total_seconds() < 0
    folded = (
        # in autumn the second pass is gone, added to the first, or a copy of it; in spring a row fills the hour
        changes.with_columns(
            start_utc="fold_utc", kind=pl.lit("dst_fold"), mode=pl.when(autumn).then("turn").otherwise(3)
        ).with_columns(
            end_utc=pl.col("start_utc") + timedelta(hours=1),
            # what was added to the first pass is gone from the second
            start_utc=pl.col("start_utc") - pl.duration(hours=(pl.col("mode") == 1).cast(pl.Int64)),
        )
    )
    columns = ["meter_id", "kind", "start_utc", "end_utc", "magnitude", "mode"]
    stamp = pl.col("start_utc").dt.strftime("%Y-%m-%dT%H:%MZ")
    return (
        pl.concat([plain.select(columns), folded.select(columns)])
        .sort("meter_id", "start_utc")
        .select(pl.concat_str("meter_id", "kind", stamp, separator=":").alias("fault_id"), *columns)
    )


def _with_source(rows: pl.DataFrame) -> pl.DataFrame:
    """`elsewhere_kwh`: the reading that a copy, a late clock or the hour beside takes its value from."""
    kind, mode = pl.col("kind"), pl.col("mode")
    back = (
        pl.when((kind == "estimated_run") & (mode == 0))
        .then(timedelta(days=1))
        .when(kind == "clock_shift")
        .then(pl.duration(hours=pl.col("magnitude")))
        .when((kind == "dst_fold") & (mode == 2))
        .then(timedelta(hours=1))
        .when((kind == "dst_fold") & (mode == 1))
        .then(timedelta(hours=-1))
        .otherwise(timedelta(0))
    )
    source = rows.select("meter_id", elsewhere_utc="interval_start_utc", elsewhere_kwh="energy_kwh")
    whole = pl.col("energy_kwh")
    return (
        rows.with_columns(elsewhere_utc=pl.col("interval_start_utc") - back)
        .join(source, on=["meter_id", "elsewhere_utc"], how="left", maintain_order="left")
        .with_columns(
            held_kwh=whole.first().over("fault_id", "kind"),
            ending_kwh=whole.last().over("fault_id", "kind"),
            place=pl.int_range(pl.len()).over("fault_id", "kind") / (pl.len().over("fault_id", "kind") - 1).clip(1),
            first_of_fault=pl.int_range(pl.len()).over("fault_id", "kind") == 0,
        )
    )


def _energy() -> pl.Expr:
    """What is reported instead."""
    value, by, mode, usual = pl.col("energy_kwh"), pl.col("magnitude"), pl.col("mode"), pl.col("usual")
    full = 10.0 ** (by * usual).log10().ceil()
    night = pl.col("local").dt.hour().is_between(*_NIGHT, closed="left")
    straight = pl.col("held_kwh") + pl.col("place") * (pl.col("ending_kwh") - pl.col("held_kwh"))
    faults = {
        "negative": -value.abs(),
        "zero_run": 0.0 * value,
        "flatline": pl.col("held_kwh"),
        "spike": by * pl.max_horizontal(value, usual),
        "dip": by * value,
        "level_shift": by * value,
        "unit_scale": by * value,
        "meter_reset": value - by * usual,
        "rollover": value - full,
        "sentinel": by,
        "estimated_run": pl.when(mode == 0).then("elsewhere_kwh").otherwise(straight),
        "clock_shift": pl.col("elsewhere_kwh"),
        "dst_fold": pl.when(mode == 2).then("elsewhere_kwh").when(mode == 1).then(value + pl.col("elsewhere_kwh"))
        .otherwise(value),
        "night_baseload": pl.when(night).then(by * value).otherwise(value),
        "contextual": by * value,
    }  # fmt: skip
    result = value
    for kind, reported in faults.items():
        result = pl.when(pl.col("kind") == kind).then(reported).otherwise(result)
    return result.round(6)


def _gone() -> pl.Expr:
    """Readings that do not come: gaps, and the pass of the repeated hour that went missing."""
    second_pass = (pl.col("mode") == 0) | (
        (pl.col("mode") == 1) & (pl.col("interval_start_utc") >= pl.col("start_utc") + timedelta(hours=1))
    )
    return ((pl.col("kind") == "missing") | ((pl.col("kind") == "dst_fold") & second_pass)).fill_null(value=False)


def with_local(rows: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """The rows with `local`, the naive time at the meter."""
    start = pl.col("interval_start_utc")
    local: pl.Expr = pl.lit(None, dtype=pl.Datetime("us"))
    for zone in meters["timezone"].unique().sort().to_list():
        there = start.dt.convert_time_zone(zone).dt.replace_time_zone(None)
        local = pl.when(pl.col("timezone") == zone).then(there).otherwise(local)
    zones = meters.select("meter_id", "timezone")
    return rows.join(zones, on="meter_id", how="left", maintain_order="left").with_columns(local=local).drop("timezone")
