"""A model as a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from energy_assets.contracts import table
from energy_assets.forecasting import (
    ArtefactError,
    forecast,
    forecast_machines,
    load,
    load_machines,
    save,
    train,
    train_machines,
    version_row,
)
from tests.unit.forecasting.frames import DAY, START, machines
from tests.unit.forecasting.shared import AS_OF, QUICK, one_day, zone_frame, zone_model


def test_round_trip_to_the_bit(tmp_path: Path) -> None:
    path, checksum = save(zone_model(), tmp_path / "a")
    again = load(path, sha256=checksum)
    day = one_day(zone_frame())
    assert np.array_equal(again.predict(day), zone_model().predict(day))
    assert forecast(day, again).rows.equals(forecast(day, zone_model()).rows)
    assert again.version == zone_model().version
    assert again.params == zone_model().params
    second, same = save(again, tmp_path / "b")
    assert same == checksum
    assert second.read_bytes() == path.read_bytes()


def test_training_again_gives_the_same_file(tmp_path: Path) -> None:
    _, first = save(zone_model(), tmp_path / "a")
    _, second = save(train(zone_frame(), kind="zone", as_of=AS_OF, params=QUICK), tmp_path / "b")
    assert first == second


def test_a_changed_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    path, checksum = save(zone_model(), tmp_path)
    assert load(tmp_path).version == zone_model().version
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ArtefactError, match="changed after training"):
        load(path, sha256=checksum)
    with pytest.raises(ArtefactError, match="train it again"):
        load(tmp_path / "nothing.json")
    path.write_text("{")
    with pytest.raises(ArtefactError, match="not a model file"):
        load(path)
    path.write_text('{"file_format": 99, "what": "day_ahead"}')
    with pytest.raises(ArtefactError, match="format 99 of day_ahead found"):
        load(path)


@pytest.mark.parametrize("missing", ["features", "meters", "point", "held_out", "params", "file_format", "calibration"])
def test_a_file_that_lacks_a_part_is_refused(tmp_path: Path, missing: str) -> None:
    path, _ = save(zone_model(), tmp_path)
    values = json.loads(path.read_text())
    del values[missing]
    path.write_text(json.dumps(values))
    with pytest.raises(ArtefactError, match=r"model\.json: (not a model file|format None)"):
        load(path)


def test_a_model_of_features_that_are_no_more_is_refused(tmp_path: Path) -> None:
    path, _ = save(zone_model(), tmp_path)
    path.write_text(path.read_text().replace("heating_degrees_c", "degree_days_c"))
    with pytest.raises(ArtefactError, match="learned from features that are no more: degree_days_c"):
        load(path)


@pytest.mark.parametrize("content", ["[]", '"text"', "3", "null"])
def test_other_json_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(content)
    with pytest.raises(ArtefactError, match="not a model file"):
        load(path)


def test_machines_round_trip_and_are_not_taken_for_meters(tmp_path: Path) -> None:
    model = train_machines(machines(), as_of=START + 5 * DAY)
    path, checksum = save(model, tmp_path)
    again = load_machines(path, sha256=checksum)
    assert forecast_machines(machines(), again).rows.equals(forecast_machines(machines(), model).rows)
    with pytest.raises(ArtefactError, match="of machines found"):
        load(path)
    row = version_row(model, role="champion", decision="first", decided_because="-", artefact="m", sha256=checksum)
    conformed = table("forecasts.model_versions").conform(row.with_columns(pl.lit("run").alias("dagster_run_id")))
    assert conformed["kind"].item() == "machine"
    assert 0.6 < json.loads(conformed["metrics"].item())["coverage_80"] < 0.95


def test_version_row_fits_the_contract() -> None:
    row = version_row(
        zone_model(), role="champion", decision="first", decided_because="none before", artefact="m/x", sha256="0" * 64
    )
    conformed = table("forecasts.model_versions").conform(row.with_columns(pl.lit("run").alias("dagster_run_id")))
    assert conformed["model_name"].item() == "demand_blend_zone"
    assert json.loads(conformed["params"].item())["seed"] == 7
    assert json.loads(conformed["metrics"].item())["wape"] > 0
