"""What an operator's feedback does to forecasts and alarms of the simulated warehouse, where the truth is known.

    python -m tests.bench.feedback FOLDER

Four weeks are run at a time. After each of the first two stretches a scripted operator looks at every event that was
found and not yet judged: one that meets a simulated fault is confirmed, any other is rejected. Of shifts of level and
of the quiet hours it is confirmed that they are there, but they stay in training: the new level is what has to be
learned. Then `energy-assets feedback effect` measures the rest. Belongs here: that script. Does not belong here: any
part of the measurement.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from energy_assets.feedback import record, statement
from energy_assets.settings import PROJECT_ROOT, Settings
from energy_assets.warehouse import Warehouse

FIRST = date(2025, 12, 16)
STRETCH, STRETCHES, JUDGED = timedelta(days=28), 3, 2
LASTING = ("level_shift", "night_baseload")
OPEN = """
SELECT a.anomaly_id, a.kind, count(f.fault_id) > 0 AS is_fault
FROM monitoring.demand_anomalies a
LEFT JOIN raw.simulated_faults f
    ON f.meter_id = a.meter_id AND f.start_utc < a.end_utc AND f.end_utc > a.start_utc
WHERE a.anomaly_id NOT IN (SELECT target_id FROM raw.feedback)
GROUP BY ALL ORDER BY a.anomaly_id
"""


def main(folder: Path) -> None:
    """Runs, judges, measures; what is there already is not run again."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = folder / "sources.yaml"
    if not sources.exists():
        sources.write_text((PROJECT_ROOT / "warehouse" / "sources.yaml").read_text())
    for number in range(STRETCHES):
        first = FIRST + number * STRETCH
        last = first + STRETCH - timedelta(days=1)
        noon = datetime(last.year, last.month, last.day, 12, tzinfo=UTC)
        _command(folder, noon, "run", "--issue-date", first.isoformat(), "--until", last.isoformat())
        if number < JUDGED:
            confirmed, rejected = judge(Settings(warehouse=folder, clock=noon))
            print(f"{last}: {confirmed} confirmed, {rejected} rejected", flush=True)
    _command(folder, noon, "feedback", "effect")


def judge(settings: Settings) -> tuple[int, int]:
    """One look of the operator; how many events were confirmed and rejected."""
    events = Warehouse.of(settings).frame(OPEN)
    for anomaly_id, kind, is_fault in events.rows():  # one after the other, as a person does
        said = statement(
            target_type="anomaly", target_id=anomaly_id, verdict="correct" if is_fault else "incorrect",
            reason="scripted", use_for_training=not (is_fault and kind in LASTING),
        )  # fmt: skip
        record(settings, said, author="operator@example.org")
    return int(events["is_fault"].sum()), int((~events["is_fault"]).sum())


def _command(folder: Path, clock: datetime, *arguments: str) -> None:
    command = [sys.executable, "-m", "energy_assets.cli", *arguments, "--warehouse", str(folder)]
    subprocess.run(command, check=True, env={**os.environ, "ENERGY_CLOCK": clock.isoformat()})


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
