"""Small frames that tests of peaks share: one meter, a day of forecasts, what was known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from energy_assets.contracts import table
from energy_assets.flexibility import Flagged, Known, demand_charges, flag_peaks

ISSUED = datetime(2026, 3, 10, 8, tzinfo=UTC)
TARGET = datetime(2026, 3, 10, 23, tzinfo=UTC)  # midnight of 11 March in Paris
UTC_TIME = pl.Datetime("us", "UTC")
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
SPREAD = (-4.0, -3.0, -1.0, 0.0, 1.0, 3.0, 4.0)
NO_TARIFFS = table("raw.tariffs").empty()
NO_PATHS = table("forecasts.demand_scenarios").empty()
HOLIDAYS = pl.DataFrame({"country": ["FR"], "local_date": [date(2026, 3, 4)], "is_workday": [False]})


def meter(name: str = "m", **more: Any) -> dict[str, Any]:
    """A meter of an hour in Paris."""
    return {
        "meter_id": name, "timezone": "Europe/Paris", "country": "FR", "kind": "building", "parent_meter_id": None,
        "capacity_kw": None, "tariff_id": None, "interval_minutes": 60,
    } | more  # fmt: skip


def meters(*described: dict[str, Any]) -> pl.DataFrame:
    """Master data; one plain meter by default."""
    types = {"parent_meter_id": pl.String, "capacity_kw": pl.Float64, "tariff_id": pl.String}
    return pl.DataFrame(list(described) or [meter()], schema_overrides=types)


def hourly(
    start: datetime, demand: Sequence[float], *, lag_hours: int = 1, minutes: int = 60, of: str = "m"
) -> pl.DataFrame:
    """Readings known some hours after their interval."""
    step = timedelta(minutes=minutes)
    begin = pl.Series([start + step * i for i in range(len(demand))], dtype=UTC_TIME)
    rows = pl.DataFrame(
        {"meter_id": [of] * len(demand), "interval_start_utc": begin, "demand_kwh": pl.Series(demand, dtype=pl.Float64)}
    )
    local = pl.col("interval_start_utc").dt.convert_time_zone("Europe/Paris").dt.hour().cast(pl.Int32)
    return rows.with_columns(
        interval_end_utc=pl.col("interval_start_utc") + step,
        known_at_utc=pl.col("interval_start_utc") + step + timedelta(hours=lag_hours),
        local_hour=local,
    )


def forecasts(medians: Sequence[float], version: str = "v1", revision: int = 0, of: str = "m") -> pl.DataFrame:
    """Quantiles of the hours of the target day."""
    rows = [
        (of, ISSUED, version, TARGET + timedelta(hours=h), TARGET + timedelta(hours=h + 1), q, median + d, revision)
        for h, median in enumerate(medians)
        for q, d in zip(QUANTILES, SPREAD, strict=True)
    ]
    names = "meter_id issued_at_utc model_version interval_start_utc interval_end_utc quantile demand_kwh revision"
    times = dict.fromkeys(("issued_at_utc", "interval_start_utc", "interval_end_utc"), UTC_TIME)
    return pl.DataFrame(rows, schema=names.split(), orient="row").with_columns(
        pl.col(name).cast(dtype) for name, dtype in times.items()
    )


def tariff(window: str = "all", calendar: str = "all", minutes: int = 60, basis: str | None = None) -> pl.DataFrame:
    """A demand charge of the tariff `t`."""
    since = datetime(2020, 1, 1, tzinfo=UTC)
    row = {
        "tariff_id": "t", "component": "demand", "window": window, "valid_from_utc": since, "calendar": calendar,
        "price": 10.0, "unit": "kW_month", "averaging_minutes": minutes, "billing_basis": basis, "currency": "EUR",
        "known_at_utc": since, "source": "test", "load_id": 1,
    }  # fmt: skip
    return table("raw.tariffs").conform(pl.DataFrame([row], schema_overrides={"billing_basis": pl.String}))


def known(
    described: pl.DataFrame,
    history: pl.DataFrame,
    *,
    tariffs: pl.DataFrame = NO_TARIFFS,
    parts: pl.DataFrame | None = None,
    issued_at: datetime = ISSUED,
) -> Known:
    """What was known, the history being that of the month too."""
    charges = demand_charges(described, tariffs, issued_at)
    return Known(described, HOLIDAYS, charges, history, history.clear() if parts is None else parts, history)


def flag(
    said: pl.DataFrame,
    described: pl.DataFrame,
    history: pl.DataFrame | None = None,
    *,
    paths: pl.DataFrame = NO_PATHS,
    tariffs: pl.DataFrame = NO_TARIFFS,
    parts: pl.DataFrame | None = None,
) -> Flagged:
    """Peaks of the issue; without history of capacity alone."""
    before = hourly(ISSUED, [1.0]).clear() if history is None else history
    return flag_peaks(known(described, before, tariffs=tariffs, parts=parts), said, paths, ISSUED, 0.95)
