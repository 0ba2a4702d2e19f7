"""The same day by processes of their own for the steps."""

from __future__ import annotations

from tests.conftest import Built
from tests.warehouses import DAY, NOW, Folder, differences


def test_the_multiprocess_executor_makes_the_same_content(next_day: Built, copied: Folder) -> None:
    said = copied.run_apart(now=NOW + DAY, ENERGY_EXECUTOR="multiprocess")
    assert "  + serving__energy" in said
    assert differences(next_day.folder.content(), copied.content()) == {}
    assert copied.publication == next_day.folder.publication
