"""What a warehouse may say about anomalies."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from energy_assets.config import WarehouseConfig

SOURCES = [{"name": "works", "type": "simulation", "seed": 1}]


def test_the_policy_stands_unless_said_otherwise() -> None:
    assert WarehouseConfig.model_validate({"sources": SOURCES}).anomalies.actions == {}
    chosen = {"anomalies": {"actions": {"spike": "none"}}, "sources": SOURCES}
    assert WarehouseConfig.model_validate(chosen).anomalies.actions == {"spike": "none"}


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        ({"spikes": "none"}, "no kind is called spikes; there are missing"),
        ({"spike": "drop"}, "drop is none of none, "),
    ],
)
def test_a_typo_is_named(actions: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        WarehouseConfig.model_validate({"anomalies": {"actions": actions}, "sources": SOURCES})
