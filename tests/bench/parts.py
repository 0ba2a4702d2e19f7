"""Single parts of a run on a warehouse that stands, each measured without Dagster and its start-up.

`python -m tests.bench.parts <part>` works on the warehouse of the environment and prints JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from energy_assets import forecasting
from energy_assets.config import load_config
from energy_assets.dbt import ensure_manifest
from energy_assets.defs.forecasting.registry import champion, model_name
from energy_assets.defs.frames import features_at, kinds_of_meters, labelled_features
from energy_assets.defs.issues import Issues, default_issue_date
from energy_assets.defs.transformation.arguments import build_arguments, dbt_environment
from energy_assets.schedule import issue_time, latest_issue_date
from energy_assets.settings import DBT, DBT_PROJECT_DIR, Settings
from energy_assets.warehouse import Warehouse, load_sources, publish


class Part:
    """What parts need of a warehouse."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.config = load_config(self.settings.sources_file)
        self.warehouse = Warehouse.of(self.settings)
        schedule = (self.config.forecast.issue_hour, self.config.market.timezone)
        day = default_issue_date(self.config, self.warehouse, self.settings.now())
        self.newest = latest_issue_date(self.settings.now(), *schedule)
        self.issues = Issues(day, day, *schedule)
        self.at = self.issues.last_time

    def load(self) -> str:
        """The simulated sources into a new working file."""
        with tempfile.TemporaryDirectory(dir=self.settings.folder) as directory:
            until = issue_time(self.newest, self.config.forecast.issue_hour, self.config.market.timezone)
            report = load_sources(
                Warehouse(Path(directory) / "energy.duckdb", self.settings.threads), self.config, self.settings.folder,
                received_at=self.settings.now(), known_until=until,
            )  # fmt: skip
        return f"{int(report.frame()['rows_new'].sum()):,} rows"

    def dbt(self) -> str:
        """All models anew with their tests, in a copy."""
        with tempfile.TemporaryDirectory(dir=self.settings.folder) as directory:
            database = Path(directory) / "energy.duckdb"
            shutil.copy(self.settings.database, database)
            ensure_manifest(self.settings)
            variables = {**os.environ, **dbt_environment(self.config, self.issues, database)}
            project = str(DBT_PROJECT_DIR)
            options = ["--project-dir", project, "--profiles-dir", project, "--target-path", directory]
            done = subprocess.run(
                [DBT, *build_arguments(full_refresh=True), *options], env=variables, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stdout[-3000:])
        return str(done.stdout).rpartition("Done. ")[2].splitlines()[0]

    def training(self) -> str:
        """A model for every kind of meter."""
        with self.warehouse.connect(read_only=True) as con:
            kinds = kinds_of_meters(con)
            frame = labelled_features(con, self.config, as_of=self.at, days=self.config.forecast.training_days)
        for kind in kinds:
            of_kind = frame.filter(frame["kind"] == kind)
            forecasting.train(of_kind, kind=kind, as_of=self.at, seed=self.config.forecast.seed)
        return f"{len(kinds)} models, {frame.height:,} rows"

    def scoring(self) -> str:
        """The next day of every meter."""
        rows = 0
        with self.warehouse.connect(read_only=True) as con:
            frame = features_at(con, self.at)
            for kind in kinds_of_meters(con):
                standing = champion(con, self.settings.folder, model_name(kind), self.at)
                rows += forecasting.forecast(frame.filter(frame["kind"] == kind), standing and standing[0]).rows.height
        return f"{rows:,} rows"

    def publishing(self) -> str:
        """A first publication elsewhere."""
        with tempfile.TemporaryDirectory(dir=self.settings.folder) as directory:
            manifest = publish(self.warehouse, Path(directory) / "serving", now=self.settings.now() + timedelta(days=1))
        return f"{sum(int(str(t['rows'])) for t in manifest.tables.values()):,} rows"


def main(name: str) -> None:
    """Runs one part and prints what it took."""
    part: Callable[[], str] = getattr(Part(), name)
    before, began = os.times(), time.monotonic()
    note = part()
    wall, after = time.monotonic() - began, os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    sys.stdout.write(json.dumps({"wall_s": wall, "cpu_s": cpu, "note": note}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
