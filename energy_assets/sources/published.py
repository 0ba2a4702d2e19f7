"""What every source of published forecasts ends in: rows of raw.published_forecasts.

Belongs here: when a forecast was known, what cannot be, duplicates. Does not belong here: the formats.
"""

from __future__ import annotations

import polars as pl

from energy_assets.sources.readings import Reading, shape
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.units import is_absurd

FORECASTS = "raw.published_forecasts"


def finish_forecasts(
    sieve: Sieve, source_name: str, publisher: str, reading: Reading, column: str | pl.Expr | None, raw: str
) -> pl.DataFrame:
    """The rows of raw.published_forecasts out of rows that have interval, energy and known_at_utc.

    Sets aside what no zone can draw (`absurd_value`), forecasts published after the file was received
    (`in_the_future`) and repeated intervals (`duplicate_identical`, `duplicate_disagrees`; the first row is kept).
    """
    minutes = (pl.col("interval_end_utc") - pl.col("interval_start_utc")).dt.total_minutes()
    sieve.set_aside(
        is_absurd(pl.col("energy_kwh"), minutes, "zone"),
        reason="absurd_value",
        message="beyond what a zone can draw; is `unit` or `scale` right?",
        column=column,
        raw=raw,
    )
    sieve.set_aside(
        pl.col("known_at_utc") > reading.latest,
        reason="in_the_future",
        message=f"published after the file came in ({reading.received_at:%Y-%m-%d %H:%M} UTC); is the clock right?",
        raw=pl.col("interval_end_utc").dt.to_string("iso:strict"),
    )
    sieve.set_aside_duplicates(
        ["meter_id", "interval_start_utc", "known_at_utc"],
        ["interval_end_utc", "energy_kwh"],
        raw=raw,
        message="meter and interval",
    )
    return shape(sieve.frame.with_columns(publisher=pl.lit(publisher), source=pl.lit(source_name)), FORECASTS)
