"""What tests share: a frozen clock, empty warehouses, and small simulated ones built once per session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock

from energy_assets.warehouse import Warehouse
from tests.warehouses import DAY, NOW, Folder


class Built(NamedTuple):
    """A warehouse that a run has made, to be read or copied, and what the run said."""

    folder: Folder
    said: str


@pytest.fixture(scope="session", autouse=True)
def plain_environment() -> Iterator[None]:
    """No settings of the caller's reach the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("ENERGY_", "DAGSTER_"))]:
            if name not in ("ENERGY_REAL_DATA", "ENERGY_SOAK_KILLS"):
                patch.delenv(name)
        patch.setenv("DO_NOT_TRACK", "1")
        yield


@pytest.fixture
def now() -> datetime:
    """The frozen present."""
    return NOW


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """An empty warehouse that waits only shortly for a lock."""
    return Warehouse(tmp_path / "energy.duckdb", threads=1, memory_limit="500MB", patience_s=0.5)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One folder for all processes of this test session."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def built(shared: Path) -> Built:
    """The small simulated warehouse as of `NOW`. Read it, or copy it: never change it."""
    return _once(shared / "built", lambda path: Folder.make(path).run())


@pytest.fixture(scope="session")
def next_day(built: Built, shared: Path) -> Built:
    """The same a day later, by one undisturbed run. Read it, or copy it: never change it."""
    return _once(shared / "next_day", lambda path: built.folder.copy_to(path).run(now=NOW + DAY))


def _once(path: Path, make: Callable[[Path], str]) -> Built:
    """Made by the first process that asks; the others wait for it."""
    said = path.with_suffix(".said")
    with FileLock(path.with_suffix(".lock")):
        if not said.exists():
            said.write_text(make(path))
    return Built(Folder(path), said.read_text())


@pytest.fixture
def copied(built: Built, tmp_path: Path) -> Folder:
    """A copy of the small warehouse that a test may change."""
    return built.folder.copy_to(tmp_path / "warehouse")
