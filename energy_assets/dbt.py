"""dbt's manifest, from which Dagster learns the models: made where it is missing or older than the project.

One per warehouse, because dbt takes up an earlier parse only for the same profile, and the profile names the file.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from energy_assets.settings import DBT, DBT_PROJECT_DIR, Settings

TEXT = {".sql", ".yml", ".md", ".csv"}


class DbtError(RuntimeError):
    """dbt does not accept its project; the message is dbt's own."""


def ensure_manifest(settings: Settings) -> Path:
    """Path of a manifest that is not older than the project.

    Raises:
        DbtError: `dbt parse` failed.
    """
    manifest = settings.dbt_target / "manifest.json"
    newest = max(f.stat().st_mtime for f in DBT_PROJECT_DIR.rglob("*") if f.suffix in TEXT and "target" not in f.parts)
    if manifest.exists() and manifest.stat().st_mtime >= newest and _is_whole(manifest):
        return manifest
    command = [DBT, "parse", "--quiet", "--project-dir", str(DBT_PROJECT_DIR), "--profiles-dir", str(DBT_PROJECT_DIR),
               "--target-path", str(settings.dbt_target), "--log-path", str(settings.dbt_target)]  # fmt: skip
    environment = {**os.environ, "ENERGY_DATABASE": str(settings.database), "DO_NOT_TRACK": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise DbtError(f"dbt parse failed:\n{done.stdout}{done.stderr}")
    manifest.touch()  # dbt leaves an unchanged manifest as it was
    return manifest


def _is_whole(manifest: Path) -> bool:
    """Whether it can be read: dbt writes it in place, and a call of dbt that was killed leaves half of it."""
    try:
        json.loads(manifest.read_bytes())
    except ValueError:
        return False
    return True
