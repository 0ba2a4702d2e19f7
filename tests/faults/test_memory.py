"""Too little memory: a training that cannot be had falls back and says so, the other kinds of meters do not notice."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import pytest

from energy_assets import forecasting
from energy_assets.defs.issues import PARTITION
from tests.pipeline.test_replay import forecast
from tests.warehouses import ISSUE_DATE, Folder

SHORT = {"household": lgb.basic.LightGBMError("std::bad_alloc"), "zone": MemoryError("Unable to allocate 9.9 GiB")}
FORECASTS = """
SELECT DISTINCT m.kind, f.quality, f.quality_reason FROM forecasts.demand_forecasts f JOIN raw.meters m USING (meter_id)
WHERE f.model_version = 'seasonal_naive' AND f.quality_reason = 'no_model' ORDER BY ALL"""


def test_kinds_whose_training_runs_out_of_memory_get_the_fallback_and_it_is_said(
    copied: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert copied.rows(FORECASTS) == []
    with copied.warehouse.connect() as con:
        for table in ("model_versions", "model_decisions"):
            con.execute(
                f"DELETE FROM forecasts.{table} WHERE model_name IN ('demand_blend_household', 'demand_blend_zone')"
            )
    train = forecasting.train

    def short_of_memory(frame: Any, *, kind: str, **more: Any) -> forecasting.TrainedModel:
        if kind in SHORT:
            raise SHORT[kind]
        return train(frame, kind=kind, **more)

    monkeypatch.setattr(forecasting, "train", short_of_memory)
    forecast(copied, **{PARTITION: ISSUE_DATE.isoformat()})
    said = capsys.readouterr().err
    for kind in SHORT:
        assert f"no model for {kind}: out of memory in training" in said
    assert "ENERGY_THREADS=1" in said
    assert copied.rows(FORECASTS) == [("household", "fallback", "no_model"), ("zone", "fallback", "no_model")]


def test_other_errors_of_a_library_are_not_taken_for_lack_of_memory() -> None:
    with pytest.raises(lgb.basic.LightGBMError, match="Label"), forecasting.memory_errors():
        raise lgb.basic.LightGBMError("Label should not be empty")
