"""Trainings in MLflow: logged once where an address is set, and never in the way."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from energy_assets.forecasting import save
from energy_assets.forecasting.tracking import ADDRESS, EXPERIMENT, log_training, store
from tests.unit.forecasting.shared import zone_model

# of MLflow's own tables, said by SQLAlchemy 2.1
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning")
DECISION = {"decision": "promoted", "reason": "no champion yet"}


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    """The model's folder."""
    return save(zone_model(), tmp_path / "model")[0].parent


def logged(artefact: Path) -> tuple[str | None, list[str]]:
    said: list[str] = []
    plots = {"importance": b"a picture"}
    return log_training(zone_model(), artefact=artefact, said=said.append, plots=plots, decision=DECISION), said


@pytest.mark.parametrize("address", ["{}/tracked", "file://{}/tracked", "sqlite:///{}/tracked/mlflow.db"])
def test_a_training_is_one_run_with_all_that_made_it(
    address: str, tmp_path: Path, artefact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the optional extra 'tracking' is not installed")
    monkeypatch.setenv(ADDRESS, address.format(tmp_path))
    run_id, said = logged(artefact)
    assert said == []
    assert logged(artefact) == (run_id, [])
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/tracked/mlflow.db")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id])
    model = zone_model()
    assert run.info.run_id == run_id
    assert run.info.status == "FINISHED"
    assert run.data.params["kind"] == "zone"
    assert run.data.params["trees"] == str(model.params.trees)
    assert run.data.params["as_of_utc"] == model.as_of_utc.isoformat()
    assert run.data.metrics == pytest.approx(dict(model.metrics))
    assert run.data.tags["model_version"] == model.version
    assert run.data.tags["decision"] == "promoted"
    kept = {p.relative_to(tmp_path / "tracked").parts[-2:] for p in (tmp_path / "tracked" / "artifacts").rglob("*.*")}
    assert kept == {("model", "model.json"), ("plots", "importance.png")}
    (kept_model,) = (tmp_path / "tracked").rglob("model.json")
    assert kept_model.read_bytes() == (artefact / "model.json").read_bytes()


def test_without_an_address_nothing_is_even_imported(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert logged(artefact) == (None, [])


def test_a_missing_extra_is_said_and_nothing_stops(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    run_id, said = logged(artefact)
    assert run_id is None
    assert "pip install 'energy-assets[tracking]'" in said[0]


def test_a_server_that_is_down_is_said_and_nothing_stops(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="the optional extra 'tracking' is not installed")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv(ADDRESS, "http://127.0.0.1:1")
    run_id, said = logged(artefact)
    assert run_id is None
    assert "was not logged in MLflow at http://127.0.0.1:1: MlflowException" in said[0]


def test_a_folder_gets_an_sqlite_file(tmp_path: Path) -> None:
    uri, artefacts = store(str(tmp_path / "a" / "b"))
    assert uri == f"sqlite:///{tmp_path}/a/b/mlflow.db"
    assert artefacts == f"file://{tmp_path}/a/b/artifacts"
    assert list(tmp_path.iterdir()) == []
