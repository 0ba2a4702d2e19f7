"""What registers leave behind in energies per interval, and numbers that stand for no value.

Belongs here: rules that know how counters and file formats fail. Does not belong here: reading registers; what a reader
set aside comes as a rejected row.
"""

from __future__ import annotations

import polars as pl

from energy_assets.monitoring.anomalies.events import flags
from energy_assets.monitoring.anomalies.rules.parts import METER, before, out_of_character

BEYOND = 20.0  # times the highest usual power: no load is that far off in a single hour
FULL = 0.9  # share of a full register from which a fall to near zero is a turn
# Digits of the numbers that formats and devices write for "no value", and how often they have to stand there.
_SURE = (9.999, 9.9999, 9.99999, 9.999999, 9.9999999, 9.99999999, 6.5535, 3.2767, 6.5534, 2.147483647, 4.294967295)
_IF_REPEATED = (9.99, 9.9, 9.0, 1.0, 7.777, 8.888, 7.7777, 8.8888)


def register_fall(hours: pl.DataFrame, rejected: pl.DataFrame | None) -> pl.DataFrame:
    """A register that was reset, changed or ran over.

    In energies per interval: one reading below zero by more than twenty times the highest usual power is the
    difference over a fall. If adding a power of ten makes it a usual reading, the register ran over, and that is the
    repaired value; else it was reset. One hour that far above, alone, is a register that was changed for a fuller one.
    Among rejected rows: `register_went_back`, a rollover if the register stood nearly full and is nearly empty.
    """
    limit = BEYOND * pl.col("high")
    fell = (pl.col("high") > 0) & (pl.col("least_kwh") < -limit * pl.col("part_hours"))
    full = 10.0 ** (-pl.col("least_kwh")).log10().ceil()
    rest = full + pl.col("least_kwh")
    ran_over = (rest >= 0) & (rest <= 1.5 * pl.col("high") * pl.col("part_hours"))
    far_above = (pl.col("greatest_kwh") > limit * pl.col("part_hours")).fill_null(value=False)
    settled = before(pl.col("demand_reported_kwh"), -1).is_not_null()  # the hour after is known: it is alone
    alone = far_above & ~before(far_above).fill_null(value=False) & ~before(far_above, -1).fill_null(value=True)
    rows = hours.with_columns(fell=fell.fill_null(value=False), ran_over=ran_over, jumped=alone & settled, full=full)
    over = rows.filter(pl.col("fell") & pl.col("ran_over"))
    reset = rows.filter((pl.col("fell") & ~pl.col("ran_over")) | pl.col("jumped"))
    by = pl.max_horizontal(pl.col("least_kwh").abs(), "greatest_kwh") / (pl.col("high") * pl.col("part_hours"))
    found = [
        flags(over, "rollover", "rule", by, BEYOND, repaired=pl.col("demand_reported_kwh") + pl.col("full")),
        flags(reset, "meter_reset", "rule", by, BEYOND),
    ]
    if rejected is not None:
        found += _from_rejected(hours, rejected)
    return pl.concat(found).unique([METER, "interval_start_utc"], keep="first", maintain_order=True)


def _from_rejected(hours: pl.DataFrame, rejected: pl.DataFrame) -> list[pl.DataFrame]:
    number = r"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    fallen = (
        rejected.filter(pl.col("reason") == "register_went_back")
        .with_columns(
            stood=pl.col("message").str.extract(f"reading before was {number}").cast(pl.Float64, strict=False),
            stands=pl.col("raw_text").str.extract(number).cast(pl.Float64, strict=False),
            interval_start_utc=pl.col("interval_start_utc").dt.truncate("1h"),
        )
        .unique([METER, "interval_start_utc"], keep="first", maintain_order=True)
        .select(METER, "interval_start_utc", "stood", "stands")
    )
    rows = hours.join(fallen, on=[METER, "interval_start_utc"], maintain_order="left")
    full = 10.0 ** pl.col("stood").log10().ceil()
    turned = ((pl.col("stood") >= FULL * full) & (pl.col("stands") <= (1 - FULL) * full)).fill_null(value=False)
    return [
        flags(rows.filter(turned), "rollover", "rejected_row", pl.lit(1.0), 1.0),
        flags(rows.filter(~turned), "meter_reset", "rejected_row", pl.lit(1.0), 1.0),
    ]


def sentinel(hours: pl.DataFrame) -> pl.DataFrame:
    """A number that stands for no value (9999, 65535, -1 and the like), far from what was to be expected.

    The digits count, whatever the unit; those of round numbers only if the very value stands there more than once.
    Both are looked for in the energy of a reading and in its mean power, as files give the one or the other.
    """
    found = [_sentinels(hours, column) for column in ("greatest_kwh", "least_kwh")]
    return pl.concat(found).unique([METER, "interval_start_utc"], keep="first", maintain_order=True)


def _sentinels(hours: pl.DataFrame, column: str) -> pl.DataFrame:
    value = pl.col(column)
    power = value / pl.col("part_hours")
    rows = hours.filter(value.is_not_null() & (value != 0) & out_of_character(power)).with_columns(
        times=pl.len().over(METER, column)
    )
    sure = _has_digits(value, _SURE) | _has_digits(power, _SURE)
    repeated = (_has_digits(value, _IF_REPEATED) | _has_digits(power, _IF_REPEATED)) & (pl.col("times") >= 2)
    # 1 and 9 are common digits: only below zero do they say something
    plain = _has_digits(value, (1.0, 9.0, 9.9)) | _has_digits(power, (1.0, 9.0, 9.9))
    return flags(rows.filter(sure | (repeated & (~plain | (value < 0)))), "sentinel", "rule", pl.col("times"), 1.0)


def _has_digits(value: pl.Expr, mantissas: tuple[float, ...]) -> pl.Expr:
    size = value.abs()
    exponent = (size.log10() + 1e-9).floor()
    mantissa = size / 10.0**exponent
    return pl.any_horizontal((mantissa - m).abs() <= 1e-7 * m for m in mantissas).fill_null(value=False)
