"""What an operator's feedback does to forecasts and alarms of a simulated warehouse, where the truth is known.

    ENERGY_CLOCK=2026-11-21T09:30:00Z energy-assets run --warehouse BUILT
    python -m tests.bench.feedback BUILT COPY

In a copy of a warehouse that is built, three months of readings are searched for anomalies, then four weeks further.
After each a scripted operator looks at every event that was found and not yet judged: one that meets a simulated fault
is confirmed, any other is rejected. Of what lasts (shifts of level, of the quiet hours) it is confirmed that it is
there, but it stays in training: the new level is what has to be learned. Then `energy-assets feedback effect` measures
the four weeks since. Belongs here: that script. Does not belong here: any part of the measurement.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from energy_assets.cli import main as energy_assets
from energy_assets.contracts import TABLES
from energy_assets.defs.issues import RANGE_END, RANGE_START
from energy_assets.feedback import record, statement
from energy_assets.running import prepare
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse, ensure_tables
from tests.warehouses import Folder

LOOKS = ((140, 57), (56, 29))  # first and last issue day that is searched, days before the newest
LASTING = ("level_shift", "night_baseload")
OPEN = """
SELECT a.anomaly_id, a.kind, count(f.fault_id) > 0 AS is_fault
FROM monitoring.demand_anomalies a
LEFT JOIN raw.simulated_faults f
    ON f.meter_id = a.meter_id AND f.start_utc < a.end_utc AND f.end_utc > a.start_utc
WHERE a.detected_at_utc <= ? AND a.anomaly_id NOT IN (SELECT target_id FROM raw.feedback)
GROUP BY ALL ORDER BY a.anomaly_id
"""


def main(built: Path, copy: Path) -> None:
    """Searches, judges, measures."""
    folder = Folder(built).copy_to(copy)
    [(known_until,)] = folder.rows("SELECT max(known_at_utc) FROM raw.meter_readings")
    assert isinstance(known_until, datetime)
    with folder.warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
    for longest, least in LOOKS:
        first, last = (known_until.date() - timedelta(days=days) for days in (longest, least))
        noon = datetime(last.year, last.month, last.day, 12, tzinfo=UTC)
        with folder.environment(noon):
            search(first, last)
            confirmed, rejected = judge(Settings())
        print(f"{last}: {confirmed} confirmed, {rejected} rejected", flush=True)
    with folder.environment(known_until + timedelta(hours=1)):
        start = (last + timedelta(days=2)).isoformat()
        energy_assets(["feedback", "effect", "--start", start], standalone_mode=False)


def search(first: date, last: date) -> None:
    """Looks for anomalies in the readings of a range of days, with what was known at its end."""
    prepare(Settings())
    from energy_assets.definitions import definitions

    with dg.DagsterInstance.get() as instance:
        done = definitions().get_repository_def().get_job("build").execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey(["monitoring", "demand_anomalies"])],
            tags={RANGE_START: first.isoformat(), RANGE_END: last.isoformat()},
            run_config={"loggers": {"console": {}}},
        )  # fmt: skip
    assert done.success


def judge(settings: Settings) -> tuple[int, int]:
    """One look of the operator; how many events were confirmed and rejected."""
    events = Warehouse.of(settings).frame(OPEN, [settings.now()])  # the warehouse holds later events, too
    for anomaly_id, kind, is_fault in events.rows():  # one after the other, as a person does
        said = statement(
            target_type="anomaly", target_id=anomaly_id, verdict="correct" if is_fault else "incorrect",
            reason="scripted", use_for_training=not (is_fault and kind in LASTING),
        )  # fmt: skip
        record(settings, said, author="operator@example.org")
    return int(events["is_fault"].sum()), int((~events["is_fault"]).sum())


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
