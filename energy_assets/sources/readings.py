"""What every source of meter readings ends in: rows of raw.meter_readings, raw.meters and raw.meter_locations.

Belongs here: the rules that hold whatever the format: absurd values, the future, when a reading was known, duplicates,
master data. Does not belong here: the formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from energy_assets.config import EntsoeLoad, Market, MeterFiles, UciHousehold
from energy_assets.config.sources import MeterDetails
from energy_assets.contracts import table
from energy_assets.sources.base import SourceFile
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.timestamps import UTC_TIME
from energy_assets.sources.units import is_absurd

READINGS = "raw.meter_readings"
MeterSource = EntsoeLoad | UciHousehold | MeterFiles


@dataclass(frozen=True)
class Reading:
    """What a reader is given besides its source."""

    file: SourceFile
    market: Market
    received_at: datetime

    @property
    def latest(self) -> datetime:
        """Nothing measured can be later: a day of tolerance for clocks and zones that are off."""
        return self.received_at + timedelta(days=1)


def local_zone(source: MeterSource, market: Market) -> str:
    """Zone of the local day of a source's meters, if they do not name their own."""
    return source.meter_timezone or source.timezone or market.timezone


def shape(frame: pl.DataFrame, qualified: str) -> pl.DataFrame:
    """The columns of a contract in order and type, without those that the loader adds; absent ones are null."""
    wanted = {c.name: c.polars_type for c in table(qualified).columns if c.name not in ("load_id", "loaded_at_utc")}
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in wanted.items()
    )


def finish_readings(
    sieve: Sieve, source: MeterSource, reading: Reading, direction: str, column: str | pl.Expr | None, raw: str
) -> pl.DataFrame:
    """The rows of raw.meter_readings out of rows that have their interval, energy and quality.

    Sets aside what no meter can have measured (`absurd_value`), what lies in the future (`in_the_future`) and repeated
    intervals (`duplicate_identical`, `duplicate_disagrees`; the first row of the file is kept).

    Args:
        sieve: rows with file_row, meter_id, interval_start_utc, interval_end_utc, energy_kwh, quality and, where it was
            recorded, known_at_utc (null: end of interval plus the source's publication lag). A recorded time before the
            end of the interval is a clock fault: the end counts.
        source: whose meters they are.
        reading: file and time of receipt.
        direction: import or export.
        column: the file's name of the value's column, for rejected rows.
        raw: the frame's column of the value's raw text.
    """
    start, end = pl.col("interval_start_utc"), pl.col("interval_end_utc")
    minutes = (end - start).dt.total_minutes()
    sieve.set_aside(
        is_absurd(pl.col("energy_kwh"), minutes, source.kind),
        reason="absurd_value",
        message=f"beyond what a {source.kind} can draw; is `unit` or `scale` right?",
        column=column,
        raw=raw,
    )
    recorded = pl.col("known_at_utc") if "known_at_utc" in sieve.frame.columns else pl.lit(None, dtype=UTC_TIME)
    late = (end > reading.latest) | (recorded > reading.latest).fill_null(value=False)
    sieve.set_aside(
        late,
        reason="in_the_future",
        message=f"measured after the file was received ({reading.received_at:%Y-%m-%d %H:%M} UTC); is the clock right?",
        raw=pl.col("interval_end_utc").dt.to_string("iso:strict"),
    )
    known_at = [pl.coalesce(recorded, end + pl.duration(minutes=source.publication_lag_minutes)), end]
    if isinstance(source, MeterFiles) and source.known_from is not None:
        known_at.append(pl.lit(source.known_from.astimezone(UTC)).cast(UTC_TIME))
    sieve.frame = sieve.frame.with_columns(known_at_utc=pl.max_horizontal(known_at))
    sieve.set_aside_duplicates(
        ["meter_id", "interval_start_utc", "known_at_utc"],
        ["interval_end_utc", "energy_kwh", "quality"],
        raw=raw,
        message="meter and interval",
    )
    return shape(
        sieve.frame.with_columns(
            direction=pl.lit(direction), source=pl.lit(source.name), file_sha256=pl.lit(reading.file.sha256)
        ),
        READINGS,
    )


def meter_tables(
    readings: pl.DataFrame, source: MeterSource, market: Market, also: Sequence[str] = ()
) -> dict[str, pl.DataFrame]:
    """`raw.meters` for the meters of these readings, and `raw.meter_locations` for those that name places.

    Args:
        readings: rows of raw.meter_readings.
        source: its fields describe all meters, its `meters` single ones.
        market: the default of zone and country.
        also: meters without readings.
    """
    length = (pl.col("interval_end_utc") - pl.col("interval_start_utc")).min()
    lengths = readings.group_by("meter_id").agg(length.alias("length"))
    shortest = dict(lengths.select("meter_id", pl.col("length").dt.total_minutes()).iter_rows())
    details = {m: source.meters.get(m, MeterDetails()) for m in sorted({*shortest, *also})}
    rows: list[dict[str, Any]] = [
        {
            "meter_id": meter_id,
            "site_id": d.site_id or source.site_id,
            "parent_meter_id": d.parent_meter_id,
            "name": d.name or meter_id,
            "kind": d.kind or source.kind,
            "timezone": d.timezone or local_zone(source, market),
            "country": d.country or source.country or market.country,
            "latitude": d.latitude,
            "longitude": d.longitude,
            "interval_minutes": shortest.get(meter_id, 60),
            "capacity_kw": d.capacity_kw or source.capacity_kw,
            "tariff_id": d.tariff_id,
            "source": source.name,
        }
        for meter_id, d in details.items()
    ]
    places = [
        {"meter_id": meter_id, "location_id": place}
        for meter_id, d in details.items()
        for place in (d.locations if d.locations is not None else source.locations or [])
    ]
    tables = {"raw.meters": shape(pl.DataFrame(rows, infer_schema_length=None), "raw.meters") if rows else None}
    tables["raw.meter_locations"] = (
        shape(pl.DataFrame(places), "raw.meter_locations").unique(maintain_order=True) if places else None
    )
    return {name: frame for name, frame in tables.items() if frame is not None}
