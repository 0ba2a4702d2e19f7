"""Whether meters, places or the SQL itself are others than when the marts were built.

Incremental models follow new loads. A meter's zone, country, capacity or places come with no load of their own but
change its whole history, and so does another text of the models: a change of them asks for a full refresh. New meters
and the rows they bring need none. The newest load is kept beside, because only what came since has to be tested.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energy_assets.warehouse import Warehouse

METERS = """
SELECT meter_id, hash(kind, timezone, country, interval_minutes, capacity_kw,
    (SELECT list(location_id ORDER BY location_id) FROM raw.meter_locations l WHERE l.meter_id = m.meter_id))::VARCHAR
FROM raw.meters m ORDER BY 1
"""
PLACES = """
SELECT coalesce(string_agg(location_id || ':' || coalesce(country, ''), ',' ORDER BY location_id), '')
FROM raw.weather_locations
"""
# Detectors decide after the marts have been built: their load counts as tested when a later one does.
NEWEST_LOAD = "SELECT coalesce(max(load_id), -1) FROM raw.load_ledger WHERE source <> 'anomalies'"


@dataclass(frozen=True)
class BuiltWith:
    """What the marts were built with (`before`), and what stands in raw now."""

    file: Path
    before: dict[str, Any]
    now: dict[str, Any]

    @classmethod
    def of(cls, warehouse: Warehouse, file: Path, project: str) -> "BuiltWith":
        """Reads both; `file` is `Settings.built_with`, `project` a checksum of the models' text."""
        with warehouse.connect(read_only=True) as con:
            now = {
                "meters": dict(con.execute(METERS).fetchall()),
                "places": con.execute(PLACES).fetchall()[0][0],
                "project": project,
                "newest_load": con.execute(NEWEST_LOAD).fetchall()[0][0],
            }
        before = json.loads(file.read_text()) if file.exists() else {}
        return cls(file, before, now)

    @property
    def changed(self) -> bool:
        """Whether something that was built on has changed, or nothing is known of what was built on."""
        if not self.before:
            return True
        known: dict[str, str] = self.before["meters"]
        return any(self.before.get(part) != self.now[part] for part in ("places", "project")) or any(
            self.now["meters"].get(meter) != mark for meter, mark in known.items()
        )

    @property
    def tested_load(self) -> int:
        """Newest load whose rows are built and have passed their tests; -1 if all are to be tested."""
        return -1 if self.changed else int(self.before.get("newest_load", -1))

    def remember(self) -> None:
        """The marts are now built with what stands in raw, and have passed their tests."""
        partial = self.file.with_suffix(".part")
        partial.write_text(json.dumps(self.now))
        partial.replace(self.file)
