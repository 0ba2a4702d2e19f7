"""Where this process works and how much of the machine it may take.

Belongs here: paths derived from the warehouse folder, limits, the clock. Does not belong here: what a warehouse
loads (`config.py`) or what its tables look like (`contracts`). Nothing is read at import; call `Settings()`.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DBT_PROJECT_DIR = PROJECT_ROOT / "dbt_project"
# The dbt of this environment, whether it is on PATH or not.
DBT = str(Path(sys.executable).with_name("dbt"))


class Settings(BaseSettings):
    """Environment of one process. Every field can be set as `ENERGY_<NAME>`.

    `clock` freezes "now" (an ISO instant with offset): it makes replays and tests repeatable to the bit.
    """

    model_config = SettingsConfigDict(env_prefix="ENERGY_", extra="ignore", hide_input_in_errors=True)

    warehouse: Path = PROJECT_ROOT / "warehouse"
    threads: int = Field(default_factory=lambda: min(os.cpu_count() or 1, 8), ge=1)
    memory_limit: str = "1GB"
    clock: datetime | None = None
    webhook_url: SecretStr | None = None  # whoever knows it may post: it is never printed
    executor: str = Field(default="in_process", pattern="^(in_process|multiprocess)$")

    @property
    def folder(self) -> Path:
        """The warehouse folder, absolute."""
        return self.warehouse.expanduser().resolve()

    @property
    def sources_file(self) -> Path:
        """What this warehouse loads."""
        return self.folder / "sources.yaml"

    @property
    def database(self) -> Path:
        """The working DuckDB file: one writer, never opened by BI."""
        return self.folder / "energy.duckdb"

    @property
    def serving(self) -> Path:
        """The link that BI tools read through."""
        return self.folder / "serving"

    @property
    def models(self) -> Path:
        """Model artefacts, `<model>/<version>/`."""
        return self.folder / "models"

    @property
    def reports(self) -> Path:
        """HTML reports."""
        return self.folder / "reports"

    @property
    def landing(self) -> Path:
        """Files dropped here are picked up."""
        return self.folder / "landing"

    @property
    def dbt_target(self) -> Path:
        """What dbt makes of its project for this warehouse: the manifest, compiled SQL, logs."""
        return self.folder / ".dbt"

    @property
    def built_with(self) -> Path:
        """What the marts were built with (`defs.transformation.built_with`): it belongs to the working file."""
        return self.dbt_target / "built_with.json"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage: one per warehouse."""
        return self.folder / ".dagster"

    def now(self) -> datetime:
        """The current instant in UTC, or the frozen clock."""
        if self.clock is None:
            return datetime.now(UTC)
        if self.clock.tzinfo is None:
            raise ValueError(
                f"ENERGY_CLOCK={self.clock.isoformat()} has no UTC offset; write e.g. 2026-03-01T08:00:00Z"
            )
        return self.clock.astimezone(UTC)
