"""Small series with a daily and weekly shape, for the tests of this folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

ISSUED = datetime(2026, 4, 20, 7, tzinfo=UTC)
DAYS = 70
START = datetime(2026, 4, 20, tzinfo=UTC) - timedelta(days=DAYS)
HOURS = DAYS * 24 + 6  # until an hour before the issue time: the newest reading is known just then
UTC_TIME = pl.Datetime("us", "UTC")


def shape(hours: int = HOURS, seed: int = 1, noise: float = 0.06, start: datetime = START) -> np.ndarray:
    """kWh per hour of something like an office: a working day, a quieter weekend, multiplicative noise."""
    clock = np.arange(hours)
    day = 20 + 15 * np.exp(-(((clock % 24) - 13) ** 2) / 18)
    weekend = np.array([(start + timedelta(hours=int(i))).weekday() >= 5 for i in clock])
    rng = np.random.default_rng(seed)
    return np.where(weekend, 0.6, 1.0) * day * np.exp(rng.normal(0, noise, hours))


def hourly(values: np.ndarray, meter_id: str = "m", start: datetime = START, lag_hours: float = 1.0) -> pl.DataFrame:
    """The frame that `detect` takes; NaN is a gap."""
    times = pl.Series([start + timedelta(hours=i) for i in range(len(values))], dtype=UTC_TIME)
    reported = pl.Series(values, dtype=pl.Float64).fill_nan(None)
    frame = pl.DataFrame(
        {
            "meter_id": [meter_id] * len(values),
            "interval_start_utc": times,
            "demand_reported_kwh": reported,
            "demand_kwh": reported,
        }
    )
    start_utc = pl.col("interval_start_utc")
    return frame.with_columns(
        interval_end_utc=start_utc + timedelta(hours=1),
        local_date=start_utc.dt.date(),
        local_hour=start_utc.dt.hour().cast(pl.Int32),
        quality=pl.when(pl.col("demand_kwh").is_null()).then(pl.lit("missing")).otherwise(pl.lit("measured")),
        is_gap=pl.col("demand_kwh").is_null(),
        known_at_utc=pl.when(pl.col("demand_kwh").is_not_null()).then(start_utc + timedelta(hours=1 + lag_hours)),
    )


def meters(*ids: str, kind: str = "building", interval_minutes: int = 60) -> pl.DataFrame:
    """Master data of the meters."""
    return pl.DataFrame(
        {"meter_id": list(ids or ("m",)), "kind": kind, "interval_minutes": interval_minutes, "capacity_kw": None}
    )


def index(day_from_end: float, hour: int) -> int:
    """Row of an hour so many days before the day of the issue time."""
    return int((DAYS - day_from_end) * 24) + hour
