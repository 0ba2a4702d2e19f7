"""Which published forecasts are fit to be compared with.

Belongs here: what makes one implausible, judged by the window of a backtest alone. Does not belong here: reading them
(`sources`), errors (`energy_assets.metrics`), tests of differences (`comparison.py`).
"""

from __future__ import annotations

import polars as pl

LEAST_HOURS = 48  # less of a forecast is not judged
EQUAL_WITHIN = 1e-4  # a forecast that is right to four digits was not one: ten times finer than any meter's class
COPIED_SHARE = 0.2  # by chance under a hundredth of the hours of a national load; one in five is no chance
WORST_WAPE = 0.5  # half of all energy is wrong
NAIVE_TIMES = 2.0  # twice as wrong as last week's values: another quantity, or another day
LEVELS = (0.67, 1.5)  # forecast over actual energy: net for gross, another zone, another unit
FLAT_SPREAD, MOVING_SPREAD = 1e-3, 1e-2  # standard deviation over mean: of a constant, and of a load that is none
FINDINGS = {
    "copy_of_actuals": "the share of hours in which it equals what came true",
    "wrong_by_half": "its error as a share of all energy",
    "worse_than_naive": "its error over that of last week's values",
    "level_too_low": "its energy over what came true",
    "level_too_high": "its energy over what came true",
    "flat": "its spread over its mean, while the load moves",
}


def implausible(said: pl.DataFrame) -> pl.DataFrame:
    """What makes published forecasts unfit to be compared with; nothing for those that are sound.

    A "forecast" that is a copy of the actuals would beat everybody, one of another zone or unit nobody: either would
    say nothing about the models beside it.

    Args:
        said: one row per meter, publisher and hour of the window: `published_kwh`, `actual_kwh`, `naive_kwh` (last
            week's value; null where unknown). Hours whose actual is null do not count.

    Returns:
        meter_id, publisher, finding (of `FINDINGS`), value, threshold, n (hours), sorted; several findings of one
        forecast are several rows. Forecasts of which fewer than `LEAST_HOURS` hours came true are not judged.
    """
    published, actual, naive = (pl.col(f"{name}_kwh") for name in ("published", "actual", "naive"))
    error, energy = (published - actual).abs().sum(), actual.abs().sum()
    with_naive = naive.is_not_null()
    naive_error = (naive - actual).abs().sum()
    level = published.sum() / actual.sum()
    spread = published.std() / published.mean().abs()
    moves = actual.std() > MOVING_SPREAD * actual.mean().abs()
    found = {
        "copy_of_actuals": (
            ((published - actual).abs() <= EQUAL_WITHIN * actual.abs()).filter(actual != 0).mean(),
            COPIED_SHARE,
        ),
        "wrong_by_half": (error / energy, WORST_WAPE),
        "worse_than_naive": (
            pl.when(naive_error > 0).then((published - actual).abs().filter(with_naive).sum() / naive_error),
            NAIVE_TIMES,
        ),
        "level_too_high": (level, LEVELS[1]),
        "level_too_low": (level, LEVELS[0]),
        "flat": (pl.when(moves).then(spread), FLAT_SPREAD),
    }
    value, threshold = pl.col("value"), pl.col("threshold")
    below = pl.col("finding").is_in(["level_too_low", "flat"])
    limits = {name: limit for name, (_, limit) in found.items()}
    return (
        said.drop_nulls(["published_kwh", "actual_kwh"])
        .group_by("meter_id", "publisher")
        .agg(pl.len().cast(pl.Int32).alias("n"), *(measured.alias(name) for name, (measured, _) in found.items()))
        .filter(pl.col("n") >= LEAST_HOURS)
        .unpivot(list(found), index=["meter_id", "publisher", "n"], variable_name="finding")
        .filter(pl.col("value").is_finite())
        .with_columns(pl.col("finding").replace_strict(limits, return_dtype=pl.Float64).alias("threshold"))
        .filter(pl.when(below).then(value < threshold).otherwise(value > threshold))
        .select("meter_id", "publisher", "finding", "value", "threshold", "n")
        .sort("meter_id", "publisher", "finding")
    )
