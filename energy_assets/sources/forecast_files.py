"""`forecast_files`: forecasts that others published, as CSV or Parquet described in `sources.yaml`.

Format: one row per meter and stamp (`layout: long`) or one column per meter (`layout: wide`). Units: `unit` after
`scale`, power being the mean over the interval. Times: instants if they have an offset, else local to `timezone`;
they mark the start or the end of an interval of `interval_minutes`. Known: at `columns.known_at` where it is
recorded, else at `published`, a local hour (`meter_timezone`) relative to the local day that is forecast. A row
without a value is rejected as `no_value`: a forecast that was not made is no forecast.
"""

from __future__ import annotations

import polars as pl

from energy_assets.config import ForecastFiles
from energy_assets.sources.base import Batch
from energy_assets.sources.numbers import with_number
from energy_assets.sources.published import FORECASTS, finish_forecasts
from energy_assets.sources.readings import Reading
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.tabular import CELL, check_cells, own_names, read_table
from energy_assets.sources.timestamps import local_hour_of_day, local_time, place_in_time
from energy_assets.sources.units import to_kwh


def read_forecast_files(source: ForecastFiles, reading: Reading) -> Batch:
    """One file of forecasts as raw.published_forecasts.

    Raises:
        SourceError: the file as a whole cannot be read (see `tabular.read_table`).
    """
    c = source.columns
    zone = source.timezone or reading.market.timezone
    wide = source.layout == "wide"
    described = [name for name in c.model_dump().values() if name]
    table = read_table(reading.file, source.delimiter, described, FORECASTS)
    if wide:
        check_cells(table.frame.columns, described, reading.file.path)
    own = {"_stamp": c.timestamp, "_meter": c.meter_id, "_value": c.value, "_known": c.known_at}
    sieve = Sieve(own_names(table.frame, own, with_cells=wide), FORECASTS, table.rejected)
    _name_meters(sieve, source)
    by = [] if wide else ["meter_id"]
    place_in_time(sieve, "at", "_stamp", zone, column=c.timestamp, datetime_format=source.datetime_format, by=by)
    local = local_time(pl.col("at"), zone)
    sieve.set_aside(
        local.dt.truncate(f"{source.interval_minutes}m") != local,
        reason="off_grid",
        message=f"a multiple of {source.interval_minutes} minutes past the hour is expected",
        column=c.timestamp,
        raw="_stamp",
    )
    length = pl.duration(minutes=source.interval_minutes)
    start = pl.col("at") if source.timestamp_marks == "start" else pl.col("at") - length
    sieve.frame = sieve.frame.with_columns(interval_start_utc=start, interval_end_utc=start + length)
    if c.known_at:
        place_in_time(sieve, "known_at_utc", "_known", zone, column=c.known_at)
    else:
        there = source.meter_timezone or zone
        known_at = local_hour_of_day(pl.col("interval_start_utc"), there, source.published)
        sieve.frame = sieve.frame.with_columns(known_at_utc=known_at)
    column = pl.col("cell_of") if wide else c.value
    if wide:
        _one_row_per_meter(sieve, source)
    _take_values(sieve, source, column)
    forecasts = finish_forecasts(sieve, source.name, source.publisher, reading, column, raw="_value")
    return Batch(
        rows=table.rows,
        tables={FORECASTS: forecasts},
        rejected=sieve.rejected(),
        loaded_rows=sieve.frame["file_row"].unique(),
    )


def _name_meters(sieve: Sieve, source: ForecastFiles) -> None:
    if source.layout == "wide":
        return
    if source.columns.meter_id is None:
        sieve.frame = sieve.frame.with_columns(meter_id=pl.lit(source.meter_id))
        return
    given = pl.col("_meter").cast(pl.String).str.strip_chars()
    sieve.set_aside(
        given.is_null() | (given == ""),
        reason="no_meter",
        message="the id of a meter is expected",
        column=source.columns.meter_id,
        raw="_meter",
    )
    sieve.frame = sieve.frame.with_columns(meter_id=pl.lit(source.meter_id_prefix) + given)


def _one_row_per_meter(sieve: Sieve, source: ForecastFiles) -> None:
    cells = [name for name in sieve.frame.columns if name.startswith(CELL)]
    kept = ["file_row", "interval_start_utc", "interval_end_utc", "known_at_utc"]
    frame = sieve.frame
    if len({frame.schema[c] for c in cells}) > 1:
        frame = frame.with_columns(pl.col(cells).cast(pl.String))
    long = frame.unpivot(cells, index=kept, variable_name="cell_of", value_name="_value")
    name = pl.col("cell_of").str.strip_prefix(CELL)
    sieve.frame = long.with_columns(cell_of=name, meter_id=pl.lit(source.meter_id_prefix) + name)


def _take_values(sieve: Sieve, source: ForecastFiles, column: str | pl.Expr | None) -> None:
    sieve.frame = with_number(sieve.frame, "_value", "number", source.null_values)
    sieve.set_aside(
        pl.col("number_bad"), reason="not_a_number", message="a finite number is expected", column=column, raw="_value"
    )
    sieve.set_aside(
        pl.col("number").is_null(), reason="no_value", message="no forecast was made", column=column, raw="_value"
    )
    sieve.frame = sieve.frame.with_columns(
        energy_kwh=to_kwh(pl.col("number"), source.unit, source.interval_minutes, source.scale)
    )
