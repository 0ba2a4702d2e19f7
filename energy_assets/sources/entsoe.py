"""ENTSO-E Transparency Platform: the CSV export "Total Load - Day Ahead / Actual" (articles 6.1.A and 6.1.B).

Format: one row per market time unit. The first column, `Time (UTC)` or `Time (CET/CEST)` (in newer exports `MTU (…)`),
reads "dd.mm.yyyy HH:MM - dd.mm.yyyy HH:MM"; the others are "Day-ahead Total Load Forecast [MW] - BZN|XX" and "Actual
Total Load [MW] - BZN|XX". Units: MW, mean over the interval. Missing: empty, `-`, `N/A`, `n/e`.

Times: the header says the zone, whatever the country; CET/CEST is Central European local time. Its spring hour stands
there as an empty row (rejected: it does not exist), its autumn hour twice (resolved by order). The length of an
interval is that of its row: 60, 30 or 15 minutes, and may change in the middle of a file.

Publication: actuals one hour after the operating period at the latest (`publication_lag_minutes`); the day-ahead
forecast two hours before gate closure of the day-ahead market at the latest, taken as `published`, a local hour of
the meter's day.

A missing actual before the last one of the file is a reading of quality `missing`. Missing actuals at its end are not
measured yet and make no reading; with no forecast either, the row is rejected as `no_value`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from energy_assets.config import EntsoeLoad
from energy_assets.sources.base import Batch, SourceError
from energy_assets.sources.files import decode, read_bytes
from energy_assets.sources.numbers import with_number
from energy_assets.sources.published import FORECASTS, finish_forecasts
from energy_assets.sources.readings import READINGS, Reading, finish_readings, local_zone, meter_tables
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.tabular import csv_rows
from energy_assets.sources.timestamps import (
    NAIVE_TIME,
    UTC_TIME,
    local_hour_of_day,
    local_time,
    set_aside_nonexistent,
    with_instants,
)
from energy_assets.sources.units import to_kwh

ZONES = {"UTC": "UTC", "CET/CEST": "Europe/Brussels"}
TIME = re.compile(r"^(?:Time|MTU) \((UTC|CET/CEST)\)$")
ACTUAL = re.compile(r"^Actual Total Load [\[(]MW[\])]")
FORECAST = re.compile(r"^Day-ahead Total Load Forecast [\[(]MW[\])]")
LENGTHS = (60, 30, 15)
EXPECTED = ["Time (UTC) or Time (CET/CEST)", "Day-ahead Total Load Forecast [MW] - …", "Actual Total Load [MW] - …"]


def read_entsoe_load(source: EntsoeLoad, reading: Reading) -> Batch:
    """One export as raw.meter_readings (actuals), raw.published_forecasts (day-ahead) and raw.meters.

    Raises:
        SourceError: the file cannot be read, or is another export.
    """
    path = reading.file.path
    text = decode(read_bytes(reading.file), path)
    header = text.partition("\n")[0]
    rows = csv_rows(text, path, max(",;\t", key=header.count), [], READINGS)
    names = [n for n in rows.frame.columns if n != "file_row"]
    time_column, actual, forecast = _one(names, TIME, path), _one(names, ACTUAL, path), _one(names, FORECAST, path)
    found = TIME.match(time_column)
    zone = ZONES[found.group(1)] if found else "UTC"
    sieve = Sieve(
        rows.frame.select(
            "file_row",
            pl.lit(source.meter_id).alias("meter_id"),
            pl.col(time_column).alias("_stamp"),
            pl.col(actual).alias("_actual"),
            pl.col(forecast).alias("_forecast"),
        ),
        READINGS,
        rows.rejected,
    )
    _place_intervals(sieve, time_column, zone)
    sieve.frame = with_number(with_number(sieve.frame, "_actual", "actual"), "_forecast", "forecast")
    for name, column in (("actual", actual), ("forecast", forecast)):
        sieve.note(
            pl.col(f"{name}_bad"), reason="not_a_number", message="MW are expected", column=column, raw=f"_{name}"
        )
    start = pl.col("interval_start_utc")
    measured = (start <= start.filter(pl.col("actual").is_not_null()).max()).fill_null(value=False)
    sieve.frame = sieve.frame.with_columns(has_reading=measured & ~pl.col("actual_bad"))
    sieve.set_aside(
        ~pl.col("has_reading") & pl.col("forecast").is_null() & ~pl.col("actual_bad") & ~pl.col("forecast_bad"),
        reason="no_value",
        message="neither measured yet nor forecast",
        raw="_stamp",
    )
    readings, rejected = _actuals(sieve, source, reading, actual)
    forecasts, rejected_forecasts = _forecasts(sieve, source, reading, forecast)
    tables = {READINGS: readings, FORECASTS: forecasts.drop("file_row")}
    return Batch(
        rows=rows.rows,
        tables={**tables, **meter_tables(readings, source, reading.market, also=[source.meter_id])},
        rejected=pl.concat([sieve.rejected(), rejected, rejected_forecasts]).sort("file_row", maintain_order=True),
        loaded_rows=pl.concat([readings["file_row"], forecasts["file_row"]]).unique(),
    )


def _one(names: Sequence[str], pattern: re.Pattern[str], path: object) -> str:
    found = [name for name in names if pattern.match(name)]
    if len(found) == 1:
        return found[0]
    raise SourceError(
        "wrong_columns",
        f"{path}: {len(found)} columns {found} like {pattern.pattern}; the file has {list(names)}, "
        f"expected are {EXPECTED}. "
        'Export "Total Load - Day Ahead / Actual" of one bidding zone as CSV.',
    )


def _place_intervals(sieve: Sieve, column: str, zone: str) -> None:
    """Adds interval_start_utc and interval_end_utc."""
    parts = pl.col("_stamp").str.replace_all(r"\s*\((?:UTC|CET|CEST)\)", "").str.split_exact(" - ", 1)
    sieve.frame = sieve.frame.with_columns(
        at_naive=_local(parts.struct.field("field_0")),
        end_naive=_local(parts.struct.field("field_1")),
        at_instant=pl.lit(None, dtype=UTC_TIME),
    )
    message = '"dd.mm.yyyy HH:MM - dd.mm.yyyy HH:MM" over 60, 30 or 15 minutes is expected'
    nothing = pl.col("at_naive").is_null() | pl.col("end_naive").is_null()
    sieve.set_aside(nothing, reason="bad_timestamp", message=message, column=column, raw="_stamp")
    sieve.frame = with_instants(sieve.frame, "at", zone)
    set_aside_nonexistent(sieve, "at", "_stamp", column, zone)
    # The texts differ by the length, but where the clock changes within the row only its end on the clock fits.
    plain = (pl.col("end_naive") - pl.col("at_naive")).dt.total_minutes()
    by_clock = [
        pl.when(local_time(pl.col("at") + pl.duration(minutes=m), zone) == pl.col("end_naive")).then(m) for m in LENGTHS
    ]
    minutes = pl.coalesce(pl.when(plain.is_in(LENGTHS)).then(plain), *by_clock)
    sieve.frame = sieve.frame.with_columns(
        interval_start_utc=pl.col("at"), interval_end_utc=pl.col("at") + pl.duration(minutes=minutes)
    )
    sieve.set_aside(
        pl.col("interval_end_utc").is_null(), reason="bad_timestamp", message=message, column=column, raw="_stamp"
    )


def _local(text: pl.Expr) -> pl.Expr:
    text = text.str.strip_chars().str.replace_all("/", ".", literal=True)
    return pl.coalesce(
        text.str.to_datetime("%d.%m.%Y %H:%M", time_unit="us", strict=False),
        text.str.to_datetime("%d.%m.%Y %H:%M:%S", time_unit="us", strict=False),
    ).cast(NAIVE_TIME)


def _energy(column: str) -> pl.Expr:
    minutes = (pl.col("interval_end_utc") - pl.col("interval_start_utc")).dt.total_minutes()
    return to_kwh(pl.col(column), "MW", minutes)


def _actuals(sieve: Sieve, source: EntsoeLoad, reading: Reading, column: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    quality = pl.when(pl.col("actual").is_null()).then(pl.lit("missing")).otherwise(pl.lit("measured"))
    rows = sieve.frame.filter("has_reading").with_columns(energy_kwh=_energy("actual"), quality=quality)
    actuals = Sieve(rows, READINGS)
    readings = finish_readings(actuals, source, reading, "import", column, raw="_actual")
    return readings, actuals.rejected()


def _forecasts(sieve: Sieve, source: EntsoeLoad, reading: Reading, column: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    details = source.meters.get(source.meter_id)
    zone = (details.timezone if details else None) or local_zone(source, reading.market)
    known_at = local_hour_of_day(pl.col("interval_start_utc"), zone, source.published)
    rows = sieve.frame.filter(pl.col("forecast").is_not_null()).with_columns(
        energy_kwh=_energy("forecast"), known_at_utc=known_at
    )
    kept = Sieve(rows, FORECASTS)
    forecasts = finish_forecasts(kept, source.name, source.publisher, reading, column, raw="_forecast")
    return forecasts.with_columns(kept.frame["file_row"]), kept.rejected()
