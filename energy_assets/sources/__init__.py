"""Readers: one per published format, from a file to frames that fit the contracts of `raw`.

Belongs here: formats. A reader knows nothing of DuckDB, Dagster or the network: it takes a file and gives a `Batch`.
What fetches files (from an API, say) stands apart from what reads them. Adding a format is a class in
`config.sources`, a module here and a line in `_read`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import polars as pl

from energy_assets.config import (
    EntsoeLoad,
    ForecastFiles,
    Market,
    MeterFiles,
    OpenMeteo,
    ShiftableLoadFiles,
    Source,
    TariffFiles,
    TelemetryFiles,
    UciHousehold,
    WeatherFiles,
)
from energy_assets.sources.base import Batch, Bounds, SourceError, SourceFile
from energy_assets.sources.entsoe import read_entsoe_load
from energy_assets.sources.files import bounds, find_files, source_file
from energy_assets.sources.forecast_files import read_forecast_files
from energy_assets.sources.meter_files import read_meter_file_parts, read_meter_files
from energy_assets.sources.open_meteo import read_open_meteo
from energy_assets.sources.readings import Reading
from energy_assets.sources.shiftable_load_files import read_shiftable_load_files
from energy_assets.sources.tariff_files import read_tariff_files
from energy_assets.sources.telemetry_files import read_telemetry_files
from energy_assets.sources.uci import read_uci_household
from energy_assets.sources.weather_files import read_weather_files

__all__ = ["Batch", "Bounds", "SourceError", "SourceFile", "bounds", "find_files", "read", "read_parts", "source_file"]


def read(source: Source, file: SourceFile, market: Market, received_at: datetime) -> Batch:
    """What a file holds, as rows of the raw tables and rejected rows.

    Args:
        source: the description from `sources.yaml`; its class chooses the reader.
        file: the file and its checksum (`source_file`).
        market: default of time zones, country and currency.
        received_at: when the file came in, with an offset; readings far beyond it are rejected as `in_the_future`.

    Returns:
        The batch; every row of the file is in a table or rejected.

    Raises:
        SourceError: the file as a whole cannot be read; `reason` is one of missing_file, empty_file, changed_file,
            unreadable_archive, unreadable_file, not_text, wrong_columns, outside_folders, too_large; or, by a fault of
            the reader, lost_rows or reader_failed.
        TypeError: the source is no source of files.
    """
    if received_at.tzinfo is None:
        raise ValueError("received_at needs an offset")
    with _faults_named(file):
        return _complete(_read(source, Reading(file, market, received_at)), file)


def read_parts(source: Source, file: SourceFile, market: Market, received_at: datetime) -> Iterator[Batch]:
    """The same as `read`, one part after another where the file is so large that its rows should not be held at once.

    The parts together are what `read` gives: no meter is in two of them.
    """
    if not isinstance(source, MeterFiles):
        yield read(source, file, market, received_at)
        return
    with _faults_named(file):
        for batch in read_meter_file_parts(source, Reading(file, market, received_at)):
            yield _complete(batch, file)


@contextmanager
def _faults_named(file: SourceFile) -> Iterator[None]:
    """Other files must not wait for one that no reader foresaw."""
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise SourceError(
            "reader_failed", f"{file.path}: {type(error).__name__} ({str(error)[:300]}): a fault of the reader"
        ) from error


def _complete(batch: Batch, file: SourceFile) -> Batch:
    lost = batch.unaccounted()
    if lost:
        raise SourceError(
            "lost_rows", f"{file.path}: rows {lost[:5]} neither loaded nor rejected: a fault of the reader"
        )
    return batch


def _read(source: Source, reading: Reading) -> Batch:
    match source:
        case EntsoeLoad():
            return read_entsoe_load(source, reading)
        case UciHousehold():
            return read_uci_household(source, reading)
        case MeterFiles():
            return read_meter_files(source, reading)
        case ForecastFiles():
            return read_forecast_files(source, reading)
        case OpenMeteo():
            return read_open_meteo(source, reading)
        case WeatherFiles():
            return read_weather_files(source, reading)
        case TelemetryFiles():
            return read_telemetry_files(source, reading)
        case TariffFiles():
            return read_tariff_files(source, reading)
        case ShiftableLoadFiles():
            return read_shiftable_load_files(source, reading)
    raise TypeError(f"source {source.name}: {type(source).__name__} has no files to read")
