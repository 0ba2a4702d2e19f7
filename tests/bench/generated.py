"""`python -m tests.bench.generated <folder> --meters 1000 --years 4 [--minutes 60]`: a utility's meters, made up.

A warehouse folder: `sources.yaml`, `readings/` as a utility delivers them (Parquet, long: meter_id, at_utc,
energy_kwh; a file per quarter, by meter and time) and `weather/` of one place. Households with mornings, evenings,
weekends, heating in the cold and noise; a meter's values follow from its number and the time alone, so more meters or
years repeat those of fewer. DuckDB streams it: memory does not depend on how much is made. `--next-day 2026-03-10` adds
what comes in after that day: its readings, weather a day further, late corrections for 1 % of the meters over 30 days.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import yaml

from tests.warehouses import DAY, NOW

END = NOW.replace(hour=0)  # of the history; runs at tests.warehouses.NOW forecast the day after
FORECAST_REACH = timedelta(days=2)  # weather beyond the readings
CORRECTED_DAYS, CORRECTED_SHARE = 30, 100  # one meter of a hundred
SHAPES = """
CREATE OR REPLACE TEMP TABLE shapes AS
WITH times AS (
    SELECT at_utc, at_utc AT TIME ZONE 'Europe/Paris' AS local
    FROM generate_series($start::TIMESTAMPTZ, $until::TIMESTAMPTZ - to_minutes($minutes), to_minutes($minutes))
        t(at_utc)
), hours AS (
    SELECT *, hour(local) + minute(local) / 60 AS h, dayofyear(local) / 365.25 * 2 * pi() AS season,
        epoch(at_utc) / 86400 * 2 * pi() AS days, dayofweek(local) IN (0, 6) AS weekend
    FROM times
)
SELECT row_number() OVER (ORDER BY at_utc) - 1 AS slot, at_utc, local::DATE AS local_date,
    (exp(-(((h - 7.5) / 1.6) ** 2)) * if(weekend, 0.4, 1)) AS morning,
    (exp(-(((h - 19.5) / 2.6) ** 2)) * (1 + 0.15 * cos(season - 0.3))) AS evening,
    (exp(-(((h - 13) / 3.5) ** 2)) * if(weekend, 1, 0.3)) AS midday,
    round(12 - 8 * cos(season - 0.35) + 3.5 * sin((h - 9) / 12 * pi())
        + 2.2 * sin(days / 9.7) + 1.7 * sin(days / 5.3 + 1) + 1.2 * sin(days / 23.9 + 2), 1) AS temperature_c
FROM hours
"""
# Sums of three uniform numbers out of one hash: bounded, nearly normal, mean 0, standard deviation 1.
NOISE = """
CREATE TEMP MACRO noise(h) AS
    ((h & 2097151) + ((h >> 21) & 2097151) + ((h >> 42) & 2097151))::DOUBLE / 2097151 * 2 - 3
"""
METERS = """
CREATE TEMP TABLE meters AS
SELECT m, 'meter_' || lpad(m::VARCHAR, 5, '0') AS meter_id, exp(0.5 * noise(hash(m, 1))) AS level,
    0.3 + 0.1 * noise(hash(m, 2)) AS early, 0.8 + 0.2 * noise(hash(m, 3)) AS late,
    0.3 + 0.1 * noise(hash(m, 4)) AS noon, greatest(0.05 * noise(hash(m, 5)), 0) AS heating
FROM range($meters) t(m)
"""
# One stream of numbers, meter after meter, looked up in two small tables: the file is in order without a sort.
READINGS = """
SELECT meter_id, at_utc, round($minutes / 60 * ({correction}level
        * (0.15 + early * morning + late * evening + noon * midday)
        * exp(0.35 * noise(hash(m, at_utc)) + 0.25 * noise(hash(m, local_date)))
        + heating * greatest(15 - temperature_c, 0)), 3) AS energy_kwh
FROM (SELECT i // $slots AS m, i % $slots AS slot FROM range($meters * $slots) numbers(i))
LEFT JOIN meters USING (m) LEFT JOIN shapes USING (slot)
"""


@dataclass(frozen=True)
class Utility:
    """What is made: so many meters, of so many minutes an interval."""

    folder: Path
    meters: int
    minutes: int = 60

    def history(self, years: int, months_per_file: int = 3) -> None:
        """Readings of so many years before `END` and their weather."""
        start, months = END.replace(year=END.year - years), 12 * years
        begins = [_months_later(start, n) for n in range(0, months, months_per_file)]
        with self._connection() as con:
            for begin, until in zip(begins, [*begins[1:], END], strict=True):
                self._readings(con, begin, until, f"{begin:%Y-%m-%d}")
            self._weather(con, start, END + FORECAST_REACH, f"{start:%Y-%m-%d}")
        self._sources(start.date())

    def next_day(self, day: date) -> None:
        """What comes in after a day: readings, weather, corrections."""
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        ahead = start + FORECAST_REACH
        with self._connection() as con:
            self._readings(con, start, start + DAY, f"{day}")
            self._readings(con, start - CORRECTED_DAYS * DAY, start, f"{day}_corrections", corrected=True)
            self._weather(con, ahead, ahead + DAY, f"{day}")

    def _connection(self) -> duckdb.DuckDBPyConnection:
        for name in ("readings", "weather"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        con = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})
        con.execute("SET TimeZone='UTC'")
        con.execute(NOISE)
        con.execute(METERS, {"meters": self.meters})
        return con

    def _readings(
        self, con: duckdb.DuckDBPyConnection, start: datetime, until: datetime, name: str, *, corrected: bool = False
    ) -> None:
        con.execute(SHAPES, {"start": start, "until": until, "minutes": self.minutes})
        slots = con.execute("SELECT count(*) FROM shapes").fetchall()[0][0]
        select = READINGS.format(correction="1.05 * " if corrected else "")
        if corrected:
            select += f"WHERE m % {CORRECTED_SHARE} = {until.toordinal() % CORRECTED_SHARE}"
        self._copy(con, select, f"readings/{name}", {"meters": self.meters, "slots": slots, "minutes": self.minutes})

    def _weather(self, con: duckdb.DuckDBPyConnection, start: datetime, until: datetime, name: str) -> None:
        con.execute(SHAPES, {"start": start, "until": until, "minutes": 60})
        self._copy(con, "SELECT at_utc, temperature_c FROM shapes ORDER BY slot", f"weather/{name}", {})

    def _copy(self, con: duckdb.DuckDBPyConnection, select: str, name: str, parameters: dict[str, int]) -> None:
        target = self.folder / f"{name}.parquet"
        con.execute(f"COPY ({select}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)", parameters)

    def _sources(self, history_start: date) -> None:
        content = {
            "market": {"timezone": "Europe/Paris", "country": "FR", "history_start": history_start},
            "forecast": {"issue_hour": 9},
            "sources": [
                {"name": "utility", "type": "meter_files", "path": "readings/*.parquet", "kind": "household",
                 "columns": {"meter_id": "meter_id", "timestamp": "at_utc", "value": "energy_kwh"},
                 "interval_minutes": self.minutes},
                {"name": "weather", "type": "weather_files", "path": "weather/*.parquet", "location_id": "paris",
                 "content": "forecast", "columns": {"timestamp": "at_utc", "temperature_c": "temperature_c"}},
            ],
        }  # fmt: skip
        (self.folder / "sources.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def _months_later(start: datetime, months: int) -> datetime:
    years, month = divmod(start.month - 1 + months, 12)
    return start.replace(year=start.year + years, month=month + 1)


def main() -> None:
    """Makes a folder, or adds a day to it."""
    parser = argparse.ArgumentParser(prog="tests.bench.generated", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--meters", type=int, required=True)
    parser.add_argument("--years", type=int, default=4)
    parser.add_argument("--minutes", type=int, default=60, choices=(15, 30, 60))
    parser.add_argument("--months-per-file", type=int, default=3, help="48: four years in one file")
    parser.add_argument("--next-day", type=date.fromisoformat, help="add this day to what was made before")
    given = parser.parse_args()
    utility = Utility(given.folder, given.meters, given.minutes)
    if given.next_day:
        utility.next_day(given.next_day)
    else:
        utility.history(given.years, given.months_per_file)


if __name__ == "__main__":
    main()
