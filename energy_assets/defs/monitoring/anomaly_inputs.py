"""What detectors look at: hours, readings, rejected rows and a year of seasons, as they were known at an instant.

Belongs here: SQL that reads, for some meters at a time, so that memory does not grow with their number. Does not belong
here: what is done about what they flag (`anomalies.py`), detectors (`monitoring.anomalies`).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import duckdb
import polars as pl

from energy_assets import monitoring
from energy_assets.defs.frames import AS_OF, OF_METERS
from energy_assets.warehouse import fetch
from energy_assets.warehouse.feedback import sensitivities

HISTORY_DAYS = 90
SEASONS_DAYS = 365  # what is out of character is judged against a year
BATCH_METERS = 250


def batches(described: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The meters, all together or, of many, some of a kind at a time: what meters of a kind do together is weather."""
    if described.height <= BATCH_METERS:
        yield described
        return
    for of_kind in described.sort("kind", "meter_id").partition_by("kind", maintain_order=True):
        yield from of_kind.iter_slices(BATCH_METERS)


def flagged_as_of(
    con: duckdb.DuckDBPyConnection, at: datetime, window: int, hourly: pl.DataFrame, described: pl.DataFrame
) -> pl.DataFrame:
    """What the detectors flag in the last `window` days, by all that was known at an issue time, feedback included.

    `hourly` is the `hourly_history` of the meters that are `described`.
    """
    since, meters = at - timedelta(days=window), _ids(described)
    return monitoring.anomalies.flagged_hours(
        hourly, described, _readings(con, at, since, meters), _rejected(con, at, since, meters),
        _seasons(con, at, since, meters), issued_at=at, window_days=window, sensitivities=sensitivities(con, at),
    )  # fmt: skip


def hourly_history(con: duckdb.DuckDBPyConnection, at: datetime, window: int, described: pl.DataFrame) -> pl.DataFrame:
    """The hours of the last `window` days and of 90 days before as they were known at an instant, with gaps as rows."""
    return fetch(
        con,
        f"""SELECT h.meter_id, h.interval_start_utc, h.interval_end_utc, h.local_date, h.local_hour,
               v.demand_reported_kwh, v.demand_kwh, coalesce(v.quality, 'missing') AS quality,
               v.meter_id IS NULL AS is_gap, v.known_from_utc AS known_at_utc, f.first_known_at_utc,
               coalesce(d.is_holiday, FALSE) AS is_holiday
        FROM marts.fct_demand_hourly h
        JOIN marts.dim_meters m ON m.meter_id = h.meter_id
        LEFT JOIN marts.dim_dates d ON d.country = m.country AND d.local_date = h.local_date
        LEFT JOIN (
            SELECT * FROM intermediate.int_demand_versions
            WHERE {AS_OF} AND interval_start_utc >= $since AND {OF_METERS}
        ) v ON v.meter_id = h.meter_id AND v.interval_start_utc = h.interval_start_utc
        LEFT JOIN (
            SELECT meter_id, interval_start_utc, min(known_from_utc) AS first_known_at_utc
            FROM intermediate.int_demand_versions
            WHERE known_from_utc <= $as_of AND interval_start_utc >= $since AND {OF_METERS} GROUP BY ALL
        ) f ON f.meter_id = h.meter_id AND f.interval_start_utc = h.interval_start_utc
        WHERE h.interval_end_utc <= $as_of AND h.interval_start_utc >= $since
            AND h.{OF_METERS}
        ORDER BY h.meter_id, h.interval_start_utc""",
        parameters={"as_of": at, "since": at - timedelta(days=HISTORY_DAYS + window), "meters": _ids(described)},
    )


def _ids(described: pl.DataFrame) -> list[str]:
    return described["meter_id"].to_list()


def _seasons(con: duckdb.DuckDBPyConnection, at: datetime, since: datetime, meters: list[str]) -> pl.DataFrame:
    """The year of hours before those that the rules see, as they were known."""
    return fetch(
        con,
        f"""SELECT h.meter_id, h.interval_start_utc, h.local_date, h.local_hour, v.demand_kwh,
               coalesce(d.is_holiday, FALSE) AS is_holiday
        FROM marts.fct_demand_hourly h
        JOIN marts.dim_meters m ON m.meter_id = h.meter_id
        LEFT JOIN marts.dim_dates d ON d.country = m.country AND d.local_date = h.local_date
        JOIN intermediate.int_demand_versions v
            ON v.meter_id = h.meter_id AND v.interval_start_utc = h.interval_start_utc
        WHERE {AS_OF} AND h.interval_start_utc >= $first AND h.interval_start_utc < $until
            AND v.interval_start_utc >= $first AND v.interval_start_utc < $until
            AND h.{OF_METERS}
        ORDER BY h.meter_id, h.interval_start_utc""",
        parameters={
            "as_of": at,
            "meters": meters,
            "first": since - timedelta(days=SEASONS_DAYS),
            "until": since - timedelta(days=HISTORY_DAYS),
        },
    )


def _readings(con: duckdb.DuckDBPyConnection, at: datetime, since: datetime, meters: list[str]) -> pl.DataFrame:
    """Every version of the window's readings that was known, with its place in its file."""
    return fetch(
        con,
        f"""SELECT meter_id, interval_start_utc, interval_end_utc, known_at_utc, energy_kwh, load_id, file_row
        FROM raw.meter_readings
        WHERE known_at_utc <= $at AND interval_start_utc >= $since AND direction = 'import'
            AND {OF_METERS}
        ORDER BY meter_id, interval_start_utc, known_at_utc""",
        parameters={"at": at, "since": since, "meters": meters},
    )


def _rejected(con: duckdb.DuckDBPyConnection, at: datetime, since: datetime, meters: list[str]) -> pl.DataFrame:
    """The window's rejected readings. They have no receipt of their own: it is that of the meter's usual reading."""
    return fetch(
        con,
        f"""WITH refused AS (
            SELECT r.meter_id, r.interval_start_utc, m.interval_minutes, r.reason, r.raw_text, r.message
            FROM raw.rejected_rows r JOIN raw.meters m ON m.meter_id = r.meter_id AND m.source = r.source
            WHERE r.table_name = 'raw.meter_readings' AND r.interval_start_utc >= $since AND r.interval_start_utc < $at
                AND r.{OF_METERS}
        ), lags AS (
            SELECT meter_id, median(epoch(known_at_utc) - epoch(interval_end_utc)) AS lag_s
            FROM raw.meter_readings
            WHERE meter_id IN (SELECT meter_id FROM refused) AND interval_start_utc >= $since AND known_at_utc <= $at
            GROUP BY meter_id
        )
        SELECT meter_id, interval_start_utc, interval_start_utc + to_minutes(interval_minutes) AS interval_end_utc,
            interval_start_utc + to_minutes(interval_minutes) + to_seconds(lag_s) AS known_at_utc,
            reason, raw_text, message
        FROM refused JOIN lags USING (meter_id) ORDER BY ALL""",
        parameters={"at": at, "since": since, "meters": meters},
    )
