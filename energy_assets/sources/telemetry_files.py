"""`telemetry_files`: sensors of machines from CSV or Parquet, described in `sources.yaml`.

Format: one row per machine and observation. Units: degrees Celsius, m/s2, bar, W, as the columns are named. Times:
instants if they have an offset, else local to `timezone`; they are the instant of the observation. Publication lag:
`publication_lag_minutes` after it. Each machine becomes a meter of kind `machine` at a quarter of an hour, the grain
to which telemetry is aggregated.
"""

from __future__ import annotations

import polars as pl

from energy_assets.config import TelemetryFiles
from energy_assets.sources.base import Batch, SourceError
from energy_assets.sources.numbers import with_number
from energy_assets.sources.readings import Reading, shape
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.tabular import own_names, read_table
from energy_assets.sources.timestamps import place_in_time

TELEMETRY = "raw.telemetry"
GRAIN_MINUTES = 15
BOUNDS = {
    "temperature_c": (-100.0, 3000.0),
    "vibration_ms2": (0.0, 1e5),
    "pressure_bar": (-1.1, 1e4),
    "power_w": (-1e11, 1e11),
}


def read_telemetry_files(source: TelemetryFiles, reading: Reading) -> Batch:
    """One file of sensors as raw.telemetry and raw.meters.

    A cell that is no number, or beyond what such a sensor can say, is noted as rejected and null; the other sensors
    of the row stay. A row without any value is rejected as `no_value`.

    Raises:
        SourceError: the file as a whole cannot be read; `wrong_columns` also if the source names no sensor.
    """
    c = source.columns
    given = c.model_dump()
    sensors = {name: given[name] for name in BOUNDS if given[name]}
    if not sensors:
        raise SourceError(
            "wrong_columns", f"source {source.name}: `columns` names no sensor; name some of {list(BOUNDS)}"
        )
    table = read_table(reading.file, source.delimiter, [n for n in given.values() if n], TELEMETRY)
    own = {"_time": c.timestamp, "_machine": c.machine_id, **{f"_{n}": column for n, column in sensors.items()}}
    sieve = Sieve(own_names(table.frame, own), TELEMETRY, table.rejected)
    _name_machines(sieve, source)
    zone = source.timezone or reading.market.timezone
    place_in_time(
        sieve,
        "observed_at_utc",
        "_time",
        zone,
        column=c.timestamp,
        datetime_format=source.datetime_format,
        by=["machine_id"],
    )
    _take_sensors(sieve, source, sensors)
    sieve.set_aside(
        pl.col("observed_at_utc") > reading.latest,
        reason="in_the_future",
        message=f"observed after the file was received ({reading.received_at:%Y-%m-%d %H:%M} UTC); is the clock right?",
        column=c.timestamp,
        raw="_time",
    )
    sieve.set_aside_duplicates(
        ["machine_id", "observed_at_utc"], list(sensors), raw="_time", message="machine and time"
    )
    telemetry = shape(
        sieve.frame.with_columns(
            known_at_utc=pl.col("observed_at_utc") + pl.duration(minutes=source.publication_lag_minutes),
            source=pl.lit(source.name),
        ),
        TELEMETRY,
    )
    return Batch(
        rows=table.rows,
        tables={TELEMETRY: telemetry, "raw.meters": _machines(telemetry, source, reading, zone)},
        rejected=sieve.rejected(),
        loaded_rows=sieve.frame["file_row"],
    )


def _name_machines(sieve: Sieve, source: TelemetryFiles) -> None:
    if source.columns.machine_id is None:
        sieve.frame = sieve.frame.with_columns(machine_id=pl.lit(source.machine_id))
        return
    given = pl.col("_machine").cast(pl.String).str.strip_chars()
    sieve.set_aside(
        given.is_null() | (given == ""),
        reason="no_meter",
        message="the id of a machine is expected",
        column=source.columns.machine_id,
        raw="_machine",
    )
    sieve.frame = sieve.frame.with_columns(machine_id=given)


def _take_sensors(sieve: Sieve, source: TelemetryFiles, sensors: dict[str, str]) -> None:
    for name, column in sensors.items():
        low, high = BOUNDS[name]
        sieve.frame = with_number(sieve.frame, f"_{name}", name, source.null_values)
        sieve.note(
            pl.col(f"{name}_bad"),
            reason="not_a_number",
            message="a finite number is expected",
            column=column,
            raw=f"_{name}",
        )
        beyond = ~pl.col(name).is_between(low, high)
        message = f"{name} from {low:g} to {high:g} is expected"
        wrong = sieve.note(beyond, reason="absurd_value", message=message, column=column, raw=f"_{name}")
        if wrong is not None:
            sieve.frame = sieve.frame.with_columns(pl.when(~wrong).then(name).alias(name))
    sieve.set_aside(
        pl.all_horizontal(pl.col(name).is_null() for name in sensors),
        reason="no_value",
        message="no sensor of this row has a value",
        column=source.columns.timestamp,
        raw="_time",
    )


def _machines(telemetry: pl.DataFrame, source: TelemetryFiles, reading: Reading, zone: str) -> pl.DataFrame:
    return shape(
        telemetry.select(meter_id=pl.col("machine_id").unique().sort()).with_columns(
            site_id=pl.lit(source.site_id),
            name=pl.col("meter_id"),
            kind=pl.lit("machine"),
            timezone=pl.lit(zone),
            country=pl.lit(source.country or reading.market.country),
            interval_minutes=pl.lit(GRAIN_MINUTES),
            source=pl.lit(source.name),
        ),
        "raw.meters",
    )
