"""What peaks and charges are made of, fetched as it was known at an issue time.

Belongs here: SQL that reads for this group. Does not belong here: the frames of several groups (`defs/frames.py`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import duckdb
import polars as pl

from energy_assets import flexibility
from energy_assets.defs.frames import AS_OF, interval_versions, meters
from energy_assets.warehouse import fetch

MONTH = timedelta(days=33)  # the running month in every zone
TWELVE_MONTHS = timedelta(days=400)
YEAR = timedelta(days=370)  # and a few days
HOURS = f"""
SELECT meter_id, interval_start_utc, interval_end_utc, demand_kwh, known_from_utc AS known_at_utc, local_hour
FROM intermediate.int_demand_versions
WHERE {AS_OF} AND demand_kwh IS NOT NULL AND interval_start_utc >= $since AND interval_end_utc <= $as_of
"""
OF_SEASON = """
AND least(abs(dayofyear(interval_start_utc) - dayofyear($as_of)), 365 - abs(dayofyear(interval_start_utc)
    - dayofyear($as_of))) <= 48
"""  # a few days more than the season: the target lies a day or two after the issue
BILLED_BY_QUARTERS = """
SELECT DISTINCT meter_id FROM raw.meters JOIN raw.tariffs USING (tariff_id)
WHERE component = 'demand' AND averaging_minutes < 60 ORDER BY 1
"""
WORKDAYS = "SELECT country, local_date, NOT is_weekend AND NOT is_holiday AS is_workday FROM marts.dim_dates"


def known_of_peaks(con: duckdb.DuckDBPyConnection, issued_at: datetime) -> flexibility.Known:
    """What peaks of an issue time are held against: the month's readings (of charges that bill twelve months, theirs),
    and the season's.
    """
    described = meters(con).filter(pl.col("kind") != "machine")
    tariffs = fetch(con, "SELECT * FROM raw.tariffs WHERE component = 'demand' ORDER BY ALL")
    charges = flexibility.demand_charges(described, tariffs, issued_at)
    long = charges.filter(pl.col("billing_basis") == flexibility.TWELVE)["meter_id"].unique().to_list()
    quarters = charges.filter(pl.col("averaging_minutes") < 60)["meter_id"].unique().to_list()
    parts = [
        _parts(con, issued_at, MONTH, [m for m in quarters if m not in long]),
        _parts(con, issued_at, TWELVE_MONTHS, [m for m in quarters if m in long]),
    ]
    billed = {"as_of": issued_at, "since": issued_at - TWELVE_MONTHS, "month": issued_at - MONTH, "long": long}
    return flexibility.Known(
        meters=described,
        days=fetch(con, WORKDAYS),
        charges=charges,
        hourly=fetch(con, f"{HOURS} AND (interval_start_utc >= $month OR list_contains($long, meter_id))", billed),
        parts=pl.concat(parts),
        history=fetch(con, f"{HOURS} {OF_SEASON}", {"as_of": issued_at, "since": issued_at - YEAR}),
    )


def actual_power(con: duckdb.DuckDBPyConnection, *, since: datetime, as_of: datetime) -> pl.DataFrame:
    """The power of hours, and of the quarter hours of meters that are billed by them, as known at `as_of`."""
    hourly = fetch(con, HOURS, {"as_of": as_of, "since": since})
    billed = con.execute(BILLED_BY_QUARTERS).fetchall()
    parts = _parts(con, as_of, as_of - since, [meter for (meter,) in billed])
    return flexibility.hourly_power(hourly, parts, as_of)


def _parts(con: duckdb.DuckDBPyConnection, at: datetime, reach: timedelta, meter_ids: Sequence[str]) -> pl.DataFrame:
    """Parts of hours in force at the issue time."""
    rows = interval_versions(con, as_of=at, since=at - reach, until=at, meter_ids=meter_ids)
    in_force = rows.filter(pl.col("known_to_utc").is_null())
    return in_force.drop("known_to_utc").rename({"known_from_utc": "known_at_utc"})
