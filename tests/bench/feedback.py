"""What an operator's feedback does to forecasts and alarms of the simulated warehouse, where the truth is known.

    python -m tests.bench.feedback FOLDER

Readings are loaded and searched for anomalies three months, then twice four weeks further. After each of the first two
stretches a scripted operator looks at every event that was found and not yet judged: one that meets a simulated fault
is confirmed, any other is rejected. Of what lasts (shifts of level, of the quiet hours) it is confirmed that it is
there, but it stays in training: the new level is what has to be learned. Then `energy-assets feedback effect` measures
the eight weeks since. Belongs here: that script. Does not belong here: any part of the measurement.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import yaml

from energy_assets.cli import main as energy_assets
from energy_assets.defs.issues import RANGE_END, RANGE_START
from energy_assets.feedback import record, statement
from energy_assets.running import prepare
from energy_assets.settings import PROJECT_ROOT, Settings
from energy_assets.warehouse import Warehouse
from tests.warehouses import Folder

FIRST = date(2025, 10, 21)
STRETCHES = (84, 28, 28)  # days
LOADED_AND_SEARCHED = ("raw", "staging", "marts")  # groups; and the anomalies
LASTING = ("level_shift", "night_baseload")
OPEN = """
SELECT a.anomaly_id, a.kind, count(f.fault_id) > 0 AS is_fault
FROM monitoring.demand_anomalies a
LEFT JOIN raw.simulated_faults f
    ON f.meter_id = a.meter_id AND f.start_utc < a.end_utc AND f.end_utc > a.start_utc
WHERE a.anomaly_id NOT IN (SELECT target_id FROM raw.feedback)
GROUP BY ALL ORDER BY a.anomaly_id
"""


def main(path: Path) -> None:
    """Loads, searches, judges, measures."""
    folder = Folder.make(path, yaml.safe_load((PROJECT_ROOT / "warehouse" / "sources.yaml").read_text()))
    first = FIRST
    for number, days in enumerate(STRETCHES):
        last = first + timedelta(days=days - 1)
        noon = datetime(last.year, last.month, last.day, 12, tzinfo=UTC)
        with folder.environment(noon):
            search(first, last)
            if number < len(STRETCHES) - 1:
                confirmed, rejected = judge(Settings())
                print(f"{last}: {confirmed} confirmed, {rejected} rejected", flush=True)
            else:
                energy_assets(["feedback", "effect"], standalone_mode=False)
        first = last + timedelta(days=1)


def search(first: date, last: date) -> None:
    """Loads until the last day and looks for anomalies in the readings since the first."""
    prepare(Settings())
    from energy_assets.definitions import definitions

    repository = definitions().get_repository_def()
    graph = repository.asset_graph
    keys = [k for k in graph.materializable_asset_keys if graph.get(k).group_name in LOADED_AND_SEARCHED]
    with dg.DagsterInstance.get() as instance:
        done = repository.get_job("daily").execute_in_process(
            instance=instance, asset_selection=[*keys, dg.AssetKey(["monitoring", "demand_anomalies"])],
            tags={RANGE_START: first.isoformat(), RANGE_END: last.isoformat()},
            run_config={"loggers": {"console": {}}},
        )  # fmt: skip
    assert done.success


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


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
