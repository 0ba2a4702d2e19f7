"""Where the published data lies that some tests use, and the mark that skips them, saying why, where it is missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

REAL_DATA = Path(os.environ.get("ENERGY_REAL_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")

Test = TypeVar("Test", bound=Callable[..., object])


def needs_real_data(test: Test) -> Test:
    """Marks a test `real_data` and skips it where the published files are absent."""
    reason = f"published data not found at {REAL_DATA}; set ENERGY_REAL_DATA to a folder that has it"
    marked: Test = pytest.mark.real_data(pytest.mark.skipif(not REAL_DATA.is_dir(), reason=reason)(test))
    return marked
