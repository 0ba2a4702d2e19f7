"""Small warehouses for tests: made, run by the command line, copied and compared.

Belongs here: what the tests of pipeline, definitions and benchmarks share. Does not belong here: assertions.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from energy_assets.cli import main
from energy_assets.settings import PROJECT_ROOT
from energy_assets.warehouse import Warehouse, fingerprints

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
ISSUE_DATE = date(2026, 3, 10)
ISSUED_AT = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)  # 09:00 in Paris
DAY = timedelta(days=1)
SCHEMAS = ("raw", "intermediate", "marts", "features", "forecasts", "flexibility", "monitoring", "reporting")
GUARD_S = 900  # no run takes as long, however slow the machine: whoever reaches it hangs
SMALL: dict[str, Any] = {
    "market": {"timezone": "Europe/Paris", "country": "FR"},
    "forecast": {"issue_hour": 9, "training_days": 60, "evaluation_weeks": 2, "refit_weeks": 2},
    "sources": [
        {
            "name": "fleet", "type": "simulation", "seed": 1, "history_days": 60, "telemetry_days": 3, "households": 3,
            "industrial_sites": 1, "machines_per_site": 1, "buildings": 1, "zones": 1, "locations": 1,
        }
    ],
}  # fmt: skip


class RunFailed(AssertionError):  # noqa: N818
    """A run did not exit with 0; its last lines."""


@dataclass(frozen=True)
class Folder:
    """A warehouse folder."""

    path: Path

    @classmethod
    def make(cls, path: Path, sources: Mapping[str, Any] = SMALL) -> Folder:
        """A new folder with nothing but a `sources.yaml`."""
        path.mkdir(parents=True)
        (path / "sources.yaml").write_text(yaml.safe_dump(dict(sources), sort_keys=False))
        return cls(path)

    def copy_to(self, path: Path) -> Folder:
        """A warehouse of its own with the same state; links stay links."""
        shutil.copytree(self.path, path, symlinks=True)
        return Folder(path)

    @property
    def warehouse(self) -> Warehouse:
        """The working file."""
        return Warehouse(self.path / "energy.duckdb", threads=2, memory_limit="500MB")

    @property
    def serving(self) -> Path:
        """The published copy."""
        return self.path / "serving"

    @property
    def publication(self) -> str:
        """Id of what is published."""
        return self.serving.resolve().name

    def run(self, *arguments: str, now: datetime = NOW) -> str:
        """`energy-assets run` in this process; what it said on standard error."""
        with self.environment(now):
            done = CliRunner().invoke(main, ["run", "--warehouse", str(self.path), *arguments])
        if done.exit_code:
            raise RunFailed(f"exit code {done.exit_code}\n{done.output[-4000:]}") from done.exception
        return done.stderr

    def refused(self, *arguments: str, now: datetime = NOW) -> str:
        """The message of a run that cannot start."""
        with self.environment(now):
            done = CliRunner().invoke(main, ["run", "--warehouse", str(self.path), *arguments])
        assert done.exit_code == 1, done.output[-4000:]
        return done.stderr

    def spawn(self, *arguments: str, now: datetime = NOW, **more: str) -> subprocess.Popen[str]:
        """The same as a process group of its own."""
        command = [sys.executable, "-m", "energy_assets.cli", "run", "--warehouse", str(self.path), *arguments]
        variables = {**os.environ, "ENERGY_CLOCK": now.isoformat(), "PYTHONUNBUFFERED": "1", **more}
        return subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=variables, start_new_session=True, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run_apart(self, *arguments: str, now: datetime = NOW, **more: str) -> str:
        """The same, waited for."""
        process = self.spawn(*arguments, now=now, **more)
        _, said = process.communicate(timeout=GUARD_S)
        if process.returncode:
            raise RunFailed(f"exit code {process.returncode}\n{said[-4000:]}")
        return said

    def content(self, *schemas: str) -> dict[str, str]:
        """Fingerprint of every table of the schemas (default: all)."""
        with self.warehouse.connect(read_only=True) as con:
            return fingerprints(con, schemas or SCHEMAS)

    def rows(self, sql: str, **parameters: object) -> list[tuple[object, ...]]:
        """Rows of a query on the working file."""
        with self.warehouse.connect(read_only=True) as con:
            return con.execute(sql, parameters or None).fetchall()

    @contextmanager
    def environment(self, now: datetime = NOW, **more: str) -> Iterator[None]:
        """The process's environment for this warehouse, put back at the end."""
        before = dict(os.environ)
        os.environ |= {
            "ENERGY_WAREHOUSE": str(self.path), "DAGSTER_HOME": str(self.path / ".dagster"),
            "ENERGY_DATABASE": str(self.path / "energy.duckdb"), "ENERGY_CLOCK": now.isoformat(),
            "DAGSTER_DISABLE_TELEMETRY": "1", **more,
        }  # fmt: skip
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Tables whose fingerprints differ, with both."""
    return {t: (one.get(t), other.get(t)) for t in one.keys() | other.keys() if one.get(t) != other.get(t)}
