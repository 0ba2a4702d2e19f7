"""The definitions of a small warehouse, loaded once."""

from __future__ import annotations

import dagster as dg
import pytest

from tests.defs import snapshot
from tests.warehouses import Folder


@pytest.fixture(scope="session")
def definitions_folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder with nothing but `sources.yaml`: definitions need no more."""
    return Folder.make(tmp_path_factory.mktemp("definitions") / "warehouse")


@pytest.fixture(scope="session")
def definitions(definitions_folder: Folder) -> dg.Definitions:
    """The graph as Dagster loads it. Warnings are errors here, so nothing deprecated or superseded is used."""
    return snapshot.load(definitions_folder)
