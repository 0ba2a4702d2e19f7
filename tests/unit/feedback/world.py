"""A warehouse with one thing of each kind to speak of, and statements as rows.

Belongs here: what the tests of feedback share. Does not belong here: assertions.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from energy_assets.contracts import TABLES
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse, append_new, ensure_tables
from tests.warehouses import SMALL

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
START = datetime(2026, 3, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
ISSUED_AT = datetime(2026, 3, 8, 8, tzinfo=UTC)
FORECAST = "home@2026-03-08T08:00Z"
DEFAULTS: dict[str, Any] = {
    "DATE": START.date(),
    "VARCHAR": "-",
    "DOUBLE": 1.0,
    "BIGINT": 1,
    "INTEGER": 1,
    "BOOLEAN": True,
    "TIMESTAMPTZ": START,
}


def rows(name: str, *given: dict[str, Any]) -> pl.DataFrame:
    """Rows of a table: what is not given is null, or where it may not be, something that is allowed."""
    table = TABLES[name]
    blank = {c.name: None if c.nullable else c.allowed[0] if c.allowed else DEFAULTS.get(c.type) for c in table.columns}
    return pl.DataFrame([blank | row for row in given], schema=table.polars_schema)


def said(feedback_id: str, verdict: str, at: datetime, **more: Any) -> dict[str, Any]:
    """A statement about the first three hours of anomaly `odd`, known when it was said."""
    return {
        "feedback_id": feedback_id, "target_type": "anomaly", "target_id": "odd", "meter_id": "home",
        "interval_start_utc": START, "interval_end_utc": START + 3 * HOUR, "verdict": verdict, "author": "person_1",
        "given_at_utc": at, "known_at_utc": at, "use_for_training": True, **more,
    }  # fmt: skip


def make(folder: Path) -> Settings:
    """A warehouse in which an anomaly, a peak, an advice and a forecast of meter `home` are known."""
    settings = Settings(warehouse=folder, clock=NOW)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sources.yaml").write_text(yaml.safe_dump(SMALL))
    with Warehouse.of(settings).transaction() as con:
        ensure_tables(con, TABLES.values())
        for name, row in (
            ("raw.meters", {"meter_id": "home", "kind": "household", "timezone": "UTC"}),
            ("monitoring.demand_anomalies", {"anomaly_id": "odd", "meter_id": "home", "kind": "spike",
             "start_utc": START, "end_utc": START + 3 * HOUR}),
            ("flexibility.demand_peaks", {"peak_id": "high", "meter_id": "home", "issued_at_utc": ISSUED_AT,
             "window_start_utc": START, "window_end_utc": START + HOUR}),
            ("flexibility.load_shift_advice", {"advice_id": "later", "meter_id": "home", "local_date": START.date(),
             "from_start_utc": START, "from_end_utc": START + 2 * HOUR, "to_start_utc": START + HOUR,
             "to_end_utc": START + 3 * HOUR}),
        ):  # fmt: skip
            append_new(con, TABLES[name], rows(name, row))
        hours = [
            {"meter_id": "home", "issued_at_utc": ISSUED_AT, "quantile": 0.5, "demand_kwh": kwh, "model_version": "v",
             "interval_start_utc": START + number * HOUR, "interval_end_utc": START + (number + 1) * HOUR}
            for number, kwh in enumerate((1.0, 2.0, 1.0))
        ]  # fmt: skip
        append_new(con, TABLES["forecasts.demand_forecasts"], rows("forecasts.demand_forecasts", *hours))
    return settings
