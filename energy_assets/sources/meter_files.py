"""`meter_files`: any CSV or Parquet of readings, described in `sources.yaml` and not coded.

Format: a header and one row per meter and stamp (`layout: long`), or one column per meter (`layout: wide`); CSV or
Parquet, plain, zipped or gzipped. Units: `unit`, after `scale`; power is the mean over the interval. Times: with an
offset they are instants, without they are local to `timezone`; they mark the start or the end of the interval, of
which each has `interval_minutes`. Publication lag: `publication_lag_minutes` after the interval's end, unless
`columns.known_at` records the receipt; nothing is known before `known_from`. Registers: see `register`.

Repairs, by name: `midnight_belongs_to_next_day` for publishers that stamp a day's 24:00 as 00:00 of the same day, so
that rows run backwards. Such a row moves to the next day and its quality becomes `corrected`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time

import polars as pl

from energy_assets.config import MeterFiles
from energy_assets.sources.base import Batch
from energy_assets.sources.files import read_bytes
from energy_assets.sources.numbers import with_number
from energy_assets.sources.parts import table_parts
from energy_assets.sources.readings import READINGS, Reading, finish_readings, meter_tables
from energy_assets.sources.register import register_to_intervals
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.tabular import CELL, TableRows, check_cells, own_names, read_table
from energy_assets.sources.timestamps import (
    local_time,
    place_in_time,
    set_aside_bad_times,
    set_aside_nonexistent,
    with_instants,
    with_stamps,
)
from energy_assets.sources.units import to_kwh

QUALITY_WORDS = {
    **dict.fromkeys(("measured", "actual", "ok", "okay", "good", "valid"), "measured"),
    **dict.fromkeys(("estimated", "estimate", "interpolated", "substituted"), "estimated"),
    **dict.fromkeys(("corrected", "edited", "revised"), "corrected"),
    **dict.fromkeys(("missing", "invalid", "absent"), "missing"),
}


def read_meter_files(source: MeterFiles, reading: Reading) -> Batch:
    """One file of readings as raw.meter_readings, raw.meters and raw.meter_locations.

    Raises:
        SourceError: the file as a whole cannot be read (see `tabular.read_table`).
    """
    return _read(source, reading, read_table(reading.file, source.delimiter, _described(source), READINGS))


def read_meter_file_parts(source: MeterFiles, reading: Reading) -> Iterator[Batch]:
    """The same in parts of whole meters, where the file is long and has many rows; else in one.

    Raises:
        SourceError: as `read_meter_files`, possibly after some parts.
    """
    described, path = _described(source), reading.file.path
    for part in table_parts(
        read_bytes(reading.file), path, source.delimiter, described, READINGS, source.columns.meter_id
    ):
        yield _read(source, reading, part)


def _described(source: MeterFiles) -> list[str]:
    return [name for name in source.columns.model_dump().values() if name]


def _read(source: MeterFiles, reading: Reading, table: TableRows) -> Batch:
    c = source.columns
    own = {"_stamp": c.timestamp, "_meter": c.meter_id, "_value": c.value, "_quality": c.quality, "_known": c.known_at}
    if source.layout == "wide":
        check_cells(table.frame.columns, _described(source), reading.file.path)
    sieve = Sieve(own_names(table.frame, own, with_cells=source.layout == "wide"), READINGS, table.rejected)
    _name_meters(sieve, source)
    _place_in_time(sieve, source, source.timezone or reading.market.timezone)
    if source.layout == "wide":
        _one_row_per_meter(sieve, source)
    column = pl.col("cell_of") if source.layout == "wide" else c.value
    sieve.frame = with_number(sieve.frame, "_value", "number", source.null_values)
    sieve.set_aside(
        pl.col("number_bad"), reason="not_a_number", message="a finite number is expected", column=column, raw="_value"
    )
    _judge_quality(sieve, source)
    if source.values == "register":
        register_to_intervals(sieve, source, column, raw="_value")
    else:
        _interval_energy(sieve, source)
    readings = finish_readings(sieve, source, reading, source.direction, column, raw="_value")
    return Batch(
        rows=table.rows,
        tables={READINGS: readings, **meter_tables(readings, source, reading.market)},
        rejected=sieve.rejected(),
        loaded_rows=readings["file_row"] if source.layout == "long" else readings["file_row"].unique(),
        file_rows=table.file_rows,
    )


def _name_meters(sieve: Sieve, source: MeterFiles) -> None:
    if source.layout == "wide":
        return
    if source.columns.meter_id is None:
        sieve.frame = sieve.frame.with_columns(meter_id=pl.lit(source.meter_id))
        return
    given = pl.col("_meter").cast(pl.String)
    name = given.str.strip_chars()
    nobody = name.is_null() | name.is_in([n for n in source.null_values if n != "-"])
    # There are few meters and many rows: where all ids are as they should be, no row needs a look.
    if not sieve.frame.select(pl.col("_meter").unique()).select((nobody | (name != given)).any()).item():
        sieve.frame = sieve.frame.with_columns(
            meter_id=pl.lit(source.meter_id_prefix) + given if source.meter_id_prefix else given
        )
        return
    sieve.set_aside(
        nobody, reason="no_meter", message="the id of a meter is expected", column=source.columns.meter_id, raw="_meter"
    )
    sieve.frame = sieve.frame.with_columns(meter_id=pl.lit(source.meter_id_prefix) + name)


def _place_in_time(sieve: Sieve, source: MeterFiles, zone: str) -> None:
    """Adds `at` (the instant of the stamp), `repaired`, and `known_at_utc` where it is recorded."""
    column, by = source.columns.timestamp, [] if source.layout == "wide" else ["meter_id"]
    sieve.frame = with_stamps(sieve.frame, "_stamp", "at", source.datetime_format)
    set_aside_bad_times(sieve, "at", "_stamp", column, source.datetime_format)
    sieve.frame = sieve.frame.with_columns(repaired=pl.lit(value=False))
    if "midnight_belongs_to_next_day" in source.repair:
        sieve.frame = _move_midnights(sieve.frame, by)
    sieve.frame = with_instants(sieve.frame, "at", zone, by)
    set_aside_nonexistent(sieve, "at", "_stamp", column, zone)
    local = local_time(pl.col("at"), zone)
    minutes = source.interval_minutes
    off_grid = local.dt.truncate(f"{minutes}m") != local
    # The same times stand in the rows of many meters.
    if sieve.frame.select(pl.col("at").unique()).select(off_grid.any()).item():
        sieve.set_aside(
            off_grid,
            reason="off_grid",
            message=f"a multiple of {minutes} minutes past the hour is expected, as `interval_minutes` says",
            column=column,
            raw="_stamp",
        )
    if source.columns.known_at:
        place_in_time(sieve, "known_at_utc", "_known", zone, column=source.columns.known_at)


def _move_midnights(frame: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Moves 00:00 to the next day, unless the next row is of the same day: then it is where it belongs."""
    at = pl.col("at_naive")
    following = at.shift(-1).over(by) if by else at.shift(-1)
    starts_its_day = (following.dt.date() == at.dt.date()).fill_null(value=False) & (following > at)
    moves = ((at.dt.time() == time(0)) & ~starts_its_day).fill_null(value=False)
    return frame.with_columns(
        at_naive=pl.when(moves).then(at + pl.duration(days=1)).otherwise(at),
        repaired=moves,
    )


def _one_row_per_meter(sieve: Sieve, source: MeterFiles) -> None:
    """Wide to long. Empty cells before a meter's first and after its last value are no readings: it was not there."""
    cells = [name for name in sieve.frame.columns if name.startswith(CELL)]
    kept = [n for n in ("file_row", "at", "repaired", "_quality", "known_at_utc") if n in sieve.frame.columns]
    frame = sieve.frame
    if len({frame.schema[c] for c in cells}) > 1:
        frame = frame.with_columns(pl.col(cells).cast(pl.String))
    long = frame.unpivot(cells, index=kept, variable_name="cell_of", value_name="_value")
    probe = with_number(long, "_value", "probe", source.null_values).with_columns(
        pl.col("cell_of").str.strip_prefix(CELL), filled=pl.col("probe").is_not_null() | pl.col("probe_bad")
    )
    n = pl.int_range(pl.len())
    within = n.is_between(n.filter("filled").min(), n.filter("filled").max()).over("cell_of").fill_null(value=False)
    probe = probe.with_columns(within=within)
    empty = probe.group_by("file_row").agg(pl.col("within").any()).filter(~pl.col("within"))
    sieve.frame = empty.sort("file_row")
    sieve.set_aside(pl.lit(value=True), reason="no_value", message="no meter of this row has a value before or after")
    sieve.frame = (
        probe.filter("within")
        .with_columns(meter_id=pl.lit(source.meter_id_prefix) + pl.col("cell_of"))
        .drop("probe", "probe_bad", "filled", "within")
    )


def _judge_quality(sieve: Sieve, source: MeterFiles) -> None:
    """Adds `quality`: the file's own word where it has one, else the source's; `missing` where there is no value."""
    column = source.columns.quality
    quality = pl.lit(source.quality)
    if column:
        word = pl.col("_quality").cast(pl.String).str.strip_chars().str.to_lowercase()
        known = word.replace_strict(QUALITY_WORDS, default=None, return_dtype=pl.String)
        unsaid = word.is_null() | word.is_in([n.lower() for n in source.null_values])
        sieve.set_aside(
            known.is_null() & ~unsaid,
            reason="unknown_quality",
            message=f"one of {', '.join(sorted(QUALITY_WORDS))} is expected",
            column=column,
            raw="_quality",
        )
        quality = pl.coalesce(known, quality)
    sieve.frame = sieve.frame.with_columns(quality=quality)
    sieve.note(
        (pl.col("quality") == "missing") & pl.col("number").is_not_null(),
        reason="value_marked_missing",
        message="the file itself calls this value missing; the reading is kept without it",
        column=column,
        raw="_value",
    )
    sieve.frame = sieve.frame.with_columns(
        number=pl.when(pl.col("quality") != "missing").then("number"),
        quality=pl.when(pl.col("number").is_null())
        .then(pl.lit("missing"))
        .when("repaired")
        .then(pl.lit("corrected"))
        .otherwise("quality"),
    )


def _interval_energy(sieve: Sieve, source: MeterFiles) -> None:
    length = pl.duration(minutes=source.interval_minutes)
    start = pl.col("at") if source.timestamp_marks == "start" else pl.col("at") - length
    sieve.frame = sieve.frame.with_columns(
        interval_start_utc=start,
        interval_end_utc=start + length,
        energy_kwh=to_kwh(pl.col("number"), source.unit, source.interval_minutes, source.scale),
    )
