"""`python -m tests.bench.stages <stage>`: one stage of the daily run on the warehouse of the environment, as JSON.

Each stage is what the product does: steps of the job `daily`, launched alone in this process, or dbt on some of its
models. Counted are the steps (for dbt: its models and tests, by its own clock), not the start of programs.
`--profile` prints where a stage's time goes instead.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from energy_assets.config import load_config
from energy_assets.defs.issues import PARTITION, Issues, default_issue_date
from energy_assets.defs.transformation.arguments import build_arguments, dbt_environment
from energy_assets.defs.transformation.built_with import BuiltWith
from energy_assets.defs.transformation.lineage import project_version
from energy_assets.running import prepare
from energy_assets.schedule import latest_issue_date
from energy_assets.settings import DBT, DBT_PROJECT_DIR, Settings
from energy_assets.warehouse import Warehouse

BEFORE = ("path:seeds", "path:models/staging", "path:models/intermediate", "path:models/marts")
AFTER_PYTHON = ("source:forecasts+", "source:flexibility+", "source:monitoring+")
LAST_WINDOW = "features of the training window"


@dataclass(frozen=True)
class Models:
    """Models of dbt; `days` of issue times, or those of the training window.

    With the last ones before Python's steps all is built and tested, as the product remembers it.
    """

    select: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    days: int | None = None
    is_last: bool = False


# In the order of a run. A tuple names steps of the job.
STAGES: dict[str, Models | tuple[str, ...]] = {
    "load to raw": ("raw_tables",),
    "staging to marts": Models(BEFORE, AFTER_PYTHON, days=1),
    "features of the next day": Models(("int_issue_days", "feat_demand_day_ahead"), days=1),
    LAST_WINDOW: Models(("int_issue_days", "path:models/features"), ("resource_type:seed",), is_last=True),
    "load profiles": ("demand_profiles",),
    "training": ("forecast_models",),
    "scoring the next day": ("demand_forecasts",),
    "forecasts by parts of the hour": ("interval_forecasts",),
    "evaluation": ("rolling_origin",),
    "scenarios": ("demand_scenarios",),
    "peaks": ("peaks", "peak_outcomes"),
    "advice": ("load_shift_advice",),
    "anomalies": ("anomalies",),
    "drift": ("drift",),
    "forecast scores": ("forecast_scores",),
    "reporting": Models(AFTER_PYTHON),
    "publishing": ("serving__energy",),
}


def run(stage: str) -> dict[str, Any]:
    """Runs a stage; its seconds and a note."""
    settings = Settings()
    what = STAGES[stage]
    return _dbt(settings, what) if isinstance(what, Models) else _steps(settings, what)


def _issues(settings: Settings) -> Issues:
    config = load_config(settings.sources_file)
    day = default_issue_date(config, Warehouse.of(settings), settings.now())
    return Issues(day, day, config.forecast.issue_hour, config.market.timezone)


def _steps(settings: Settings, steps: tuple[str, ...]) -> dict[str, Any]:
    import dagster as dg
    import lightgbm  # noqa: F401 - the start of a program, like those of other libraries, has a table of its own
    import matplotlib.figure  # noqa: F401

    from energy_assets.definitions import definitions

    config = load_config(settings.sources_file)
    loading = steps == ("raw_tables",)
    schedule = (config.forecast.issue_hour, config.market.timezone)
    day = latest_issue_date(settings.now(), *schedule) if loading else _issues(settings).last
    repository = definitions().get_repository_def()
    keys = [key for key, made in repository.assets_defs_by_key.items() if made.node_def.name in steps]
    with dg.DagsterInstance.get() as instance:
        result = repository.get_job("daily").execute_in_process(
            instance=instance, asset_selection=keys, partition_key=day.isoformat(), raise_on_error=True,
            tags={PARTITION: day.isoformat()}, run_config={"loggers": {"console": {}}},
        )  # fmt: skip
    took = [e.event_specific_data.duration_ms for e in result.all_events if e.is_step_success]
    return {"wall_s": sum(took) / 1000}


def _dbt(settings: Settings, models: Models) -> dict[str, Any]:
    config, issues = load_config(settings.sources_file), _issues(settings)
    version = project_version(json.loads((settings.dbt_target / "manifest.json").read_text()))
    built = BuiltWith.of(Warehouse.of(settings), settings.built_with, version)
    variables = dbt_environment(config, issues, settings.database, tested_load=built.tested_load)
    if models.days is not None:
        variables["ENERGY_DBT_ISSUE_FIRST_DATE"] = (issues.last - timedelta(days=models.days - 1)).isoformat()
    excluded = ["--exclude", *models.exclude] if models.exclude else []
    options = ["--project-dir", str(DBT_PROJECT_DIR), "--profiles-dir", str(DBT_PROJECT_DIR),
               "--target-path", str(settings.dbt_target), "--log-path", str(settings.dbt_target)]  # fmt: skip
    done = subprocess.run(
        [DBT, *build_arguments(), "--select", *models.select, *excluded, *options],
        env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:])
    took = {
        result["unique_id"]: result["execution_time"]
        for result in json.loads((settings.dbt_target / "run_results.json").read_text())["results"]
    }
    if models.is_last:
        built.remember()
    tests = sum(seconds for name, seconds in took.items() if name.startswith("test."))
    return {
        "wall_s": sum(took.values()),
        "note": f"of which tests {tests:.1f} s",
        "models": {name.split(".")[-1]: seconds for name, seconds in took.items() if name.startswith("model.")},
    }


def main() -> None:
    """Prints what a stage took."""
    parser = argparse.ArgumentParser(prog="tests.bench.stages", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--profile", action="store_true", help="print the forty functions that take longest")
    given = parser.parse_args()
    prepare(Settings())
    if given.profile:
        profile = cProfile.Profile()
        profile.runcall(run, given.stage)
        pstats.Stats(profile, stream=sys.stdout).sort_stats("cumulative").print_stats(40)
        return
    before, began = os.times(), time.monotonic()
    said = run(given.stage)
    after = os.times()
    said["cpu_s"] = sum(after[:4]) - sum(before[:4])
    said["whole_s"] = time.monotonic() - began
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
