"""What a week is judged by: demand with its calendar and weather, and the quantiles that were said of it.

Belongs here: SQL that reads, as of an instant, some meters at a time, so that memory does not grow with their number.
Does not belong here: what is made of it (`drift.py`, `monitoring.drift`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import duckdb
import polars as pl

from energy_assets.defs.forecasting.backtest import OURS, newest_backtests
from energy_assets.defs.frames import AS_OF, OF_METERS
from energy_assets.warehouse import fetch

BATCH_METERS = 40
FORECAST_WEEKS = 104
QUANTILES = (0.1, 0.5, 0.9)  # of the forecasts that calibration is judged by
SILENT_DAYS = 46  # after a meter's newest day, its hours are still asked for: the day ahead of a last issue

# Asked once: the days ahead of the issues hour by hour, their calendar, and the temperatures that were known when the
# day was forecast. Meters of one zone and the same places, which the first of them stands for, share all of that.
PLACES = """
CREATE OR REPLACE TEMP TABLE drift_places AS
SELECT *, min(meter_id) OVER (PARTITION BY timezone, locations) AS place
FROM (
    SELECT meter_id, timezone, list(location_id ORDER BY location_id) AS locations
    FROM raw.meters JOIN intermediate.int_meter_locations USING (meter_id)
    WHERE kind <> 'machine' GROUP BY ALL
)"""

HOURS = """
CREATE OR REPLACE TEMP TABLE drift_hours AS
WITH zones AS (
    SELECT DISTINCT timezone, coalesce(country, 'none') AS country FROM raw.meters WHERE kind <> 'machine'
), days AS (
    SELECT z.*, i.issued_at_utc, CAST(timezone(z.timezone, i.issued_at_utc) AS DATE) + 1 AS local_date
    FROM zones z, (SELECT unnest($issues::TIMESTAMPTZ[]) AS issued_at_utc) i
), hours AS (
    SELECT d.*, CAST(isodow(d.local_date) AS INTEGER) AS day_of_week, coalesce(c.is_holiday, FALSE) AS is_holiday,
        unnest(generate_series(l.day_start_utc, l.day_end_utc - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS at_utc
    FROM days d JOIN intermediate.int_local_days l USING (timezone, local_date)
    LEFT JOIN marts.dim_dates c USING (country, local_date)
    WHERE d.local_date < $monday
)
SELECT *, CAST(hour(timezone(timezone, at_utc)) AS INTEGER) AS local_hour FROM hours"""

TEMPERATURES = """
CREATE OR REPLACE TEMP TABLE drift_temperatures AS
WITH weather AS (
    SELECT h.timezone, w.location_id, h.at_utc, w.temperature_c
    FROM (SELECT DISTINCT timezone, issued_at_utc, at_utc FROM drift_hours) h
    JOIN intermediate.int_weather_versions w ON w.valid_at_utc = h.at_utc
        AND w.known_from_utc <= h.issued_at_utc AND (w.known_to_utc IS NULL OR w.known_to_utc > h.issued_at_utc)
)
SELECT p.place, w.at_utc, CAST(avg(CAST(w.temperature_c AS DECIMAL(18, 6))) AS DOUBLE) AS temperature_c
FROM (SELECT timezone, place, unnest(locations) AS location_id FROM drift_places WHERE meter_id = place) p
JOIN weather w USING (timezone, location_id)
GROUP BY ALL"""

DEMAND = f"""
WITH asked AS (
    SELECT m.meter_id, m.kind, m.timezone, coalesce(m.country, 'none') AS country, p.place,
        min(d.first_known_utc) AS since_utc, max(d.local_date) + {SILENT_DAYS} AS last_date
    FROM raw.meters m JOIN intermediate.int_demand_days d USING (meter_id) LEFT JOIN drift_places p USING (meter_id)
    WHERE {OF_METERS} AND d.first_known_utc <= $as_of
    GROUP BY ALL
), published AS (
    SELECT meter_id, interval_start_utc AS at_utc, arg_max(energy_kwh, (known_at_utc, publisher)) AS published_kwh
    FROM intermediate.int_published_by_hour
    WHERE known_at_utc <= $as_of AND {OF_METERS}
    GROUP BY ALL
)
SELECT a.meter_id, a.kind, h.at_utc AS interval_start_utc, h.at_utc + INTERVAL 1 HOUR AS interval_end_utc, h.local_date,
    h.local_hour, h.day_of_week, h.is_holiday, t.temperature_c, v.demand_kwh, p.published_kwh
FROM asked a
JOIN drift_hours h ON h.timezone = a.timezone AND h.country = a.country AND h.issued_at_utc >= a.since_utc
    AND h.local_date <= a.last_date
LEFT JOIN (
    SELECT meter_id, interval_start_utc AS at_utc, demand_kwh FROM intermediate.int_demand_versions
    WHERE {AS_OF} AND {OF_METERS}
) v USING (meter_id, at_utc)
LEFT JOIN drift_temperatures t USING (place, at_utc)
LEFT JOIN published p USING (meter_id, at_utc)"""

SAID = f"""
WITH issued AS (
    SELECT meter_id, interval_start_utc, quantile, 1 AS turn,
        arg_max(demand_kwh, (issued_at_utc, revision)) AS demand_kwh
    FROM forecasts.demand_forecasts
    WHERE issued_at_utc >= $since AND issued_at_utc < $as_of AND quantile IN {QUANTILES} AND quality = 'primary'
        AND {OF_METERS}
    GROUP BY ALL
), backtested AS (
    SELECT meter_id, interval_start_utc, quantile, 2 AS turn, any_value(demand_kwh) AS demand_kwh
    FROM forecasts.backtest_forecasts
    WHERE list_contains($ids, backtest_id) AND model_name = '{OURS}' AND quantile IN {QUANTILES}
        AND issued_at_utc < $as_of AND {OF_METERS}
    GROUP BY ALL
)
SELECT meter_id, kind, interval_start_utc, quantile, arg_min(demand_kwh, turn) AS demand_kwh
FROM (SELECT * FROM issued UNION ALL SELECT * FROM backtested) JOIN raw.meters USING (meter_id)
GROUP BY ALL ORDER BY ALL"""


@dataclass
class Inputs:
    """What is known at an instant of the weeks before a Monday.

    Iterating gives demand and quantiles of some meters after the others, as `monitoring.drift.timeline` takes them;
    `newest` collects the demand of the newest two weeks meanwhile.
    """

    con: duckdb.DuckDBPyConnection
    as_of: datetime
    monday: date
    issues: Sequence[datetime]
    newest: list[pl.DataFrame] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Batches of whole meters, in the order of their ids."""
        query = "SELECT meter_id FROM raw.meters WHERE kind <> 'machine' ORDER BY meter_id"
        meters = [meter for (meter,) in self.con.execute(query).fetchall()]
        backtests = list(newest_backtests(self.con, self.as_of).values())
        since = self.as_of - timedelta(weeks=FORECAST_WEEKS)
        self.con.execute(PLACES)
        self.con.execute(HOURS, {"monday": self.monday, "issues": list(self.issues)})
        self.con.execute(TEMPERATURES)
        for first in range(0, max(len(meters), 1), BATCH_METERS):
            some = {"meters": meters[first : first + BATCH_METERS], "as_of": self.as_of}
            demand = fetch(self.con, DEMAND, some)
            demand = demand.sort("meter_id", "interval_start_utc")  # in DuckDB it takes more memory than it is given
            # a meter's weeks are whole from its first Monday on
            begins = pl.col("local_date").min().over("meter_id").dt.offset_by("6d").dt.truncate("1w")
            demand = demand.filter(pl.col("local_date") >= begins)
            self.newest.append(demand.filter(pl.col("local_date") >= self.monday - timedelta(weeks=2)))
            yield demand, fetch(self.con, SAID, some | {"since": since, "ids": backtests})
