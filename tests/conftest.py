"""What tests share: a frozen clock, empty warehouses, and one small simulated warehouse built once per session."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from energy_assets.warehouse import Warehouse

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    """The frozen present."""
    return NOW


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """An empty warehouse that waits only shortly for a lock."""
    return Warehouse(tmp_path / "energy.duckdb", threads=1, memory_limit="500MB", patience_s=0.5)
