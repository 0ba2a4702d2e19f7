"""The public graph as JSON, committed, so that a change of it is a reviewed diff.

`python -m tests.defs.snapshot` writes it anew after a wanted change.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import dagster as dg

from tests.warehouses import Folder

FILE = Path(__file__).with_name("graph.json")


def graph(definitions: dg.Definitions) -> dict[str, Any]:
    """Assets by key with what people rely on, and the names of what runs them."""
    assets: dict[str, Any] = {}
    for definition in definitions.assets or []:
        assert isinstance(definition, dg.AssetsDefinition)
        for spec in definition.specs:
            assets[spec.key.to_user_string()] = {
                "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
                "group": spec.group_name,
                "kinds": sorted(spec.kinds),
                "owners": sorted(spec.owners),
                "partitioned": spec.partitions_def is not None,
                "freshness": None if spec.freshness_policy is None else type(spec.freshness_policy).__name__,
                "checks": {},
            }
    for definition in [*(definitions.assets or []), *(definitions.asset_checks or [])]:
        assert isinstance(definition, dg.AssetsDefinition)
        for check in definition.check_specs:
            key = check.asset_key.to_user_string()
            assets[key]["checks"][check.name] = "blocking" if check.blocking else "warning"
    return {
        "assets": dict(sorted(assets.items())),
        "jobs": sorted(job.name for job in definitions.jobs or []),
        "schedules": {s.name: s.cron_schedule for s in definitions.schedules or []},  # type: ignore[union-attr]
        "sensors": sorted(sensor.name for sensor in definitions.sensors or []),
    }


def load(folder: Folder) -> dg.Definitions:
    """The definitions of a warehouse, from its `sources.yaml` alone."""
    from energy_assets.definitions import definitions

    with folder.environment():
        return definitions()


def as_text(content: dict[str, Any]) -> str:
    """The file's text."""
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def main() -> None:
    """Writes the file."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Folder.make(Path(directory) / "warehouse")
        FILE.write_text(as_text(graph(load(folder))))
    sys.stdout.write(f"{FILE} written; look at its diff\n")


if __name__ == "__main__":
    main()
