"""Which sources ask for forecasts at their own interval."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from energy_assets.config import WarehouseConfig

SOURCES = [{"name": "works", "type": "simulation", "seed": 1}]


def test_nobody_asks_unless_named() -> None:
    assert WarehouseConfig.model_validate({"sources": SOURCES}).forecast.own_interval == []
    asking = {"forecast": {"own_interval": ["works"]}, "sources": SOURCES}
    assert WarehouseConfig.model_validate(asking).forecast.own_interval == ["works"]


def test_a_name_that_is_no_source_is_told_those_that_are() -> None:
    with pytest.raises(ValidationError, match="own_interval: no source is called mill; there are works"):
        WarehouseConfig.model_validate({"forecast": {"own_interval": ["mill"]}, "sources": SOURCES})
