"""Trainings in MLflow, where its tracking address is set: the optional extra `tracking`.

Belongs here: what of a training is logged, and where a local folder keeps it. Does not belong here: what is promoted
(`gate.py`, `forecasts.model_decisions`): MLflow is told, never asked.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from energy_assets.forecasting.artefact import AnyModel

ADDRESS = "MLFLOW_TRACKING_URI"
EXPERIMENT = "energy-assets"
NOTHING: Mapping[str, Any] = MappingProxyType({})
# nothing calls home, and a server that is down costs a training seconds, not the minutes of MLflow's own patience
MANNERS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def log_training(
    model: AnyModel,
    *,
    artefact: Path,
    said: Callable[[str], None],
    plots: Mapping[str, bytes] = NOTHING,
    decision: Mapping[str, Any] = NOTHING,
) -> str | None:
    """One run of the experiment `energy-assets` per model: parameters, metrics, pictures, the model file.

    `MLFLOW_TRACKING_URI` says where: a folder (an SQLite file and the artefacts are made in it), `sqlite:///…` or a
    server. Nothing happens where it is not set, and nothing that fails here stops a training: it is said instead.

    Args:
        model: as trained. The same version is logged once.
        artefact: the file or folder that `save` wrote.
        said: told what went wrong.
        plots: PNG bytes by name.
        decision: what the gate said, such as `decision` and `reason`; logged as tags.

    Returns:
        The id of the run, or None where nothing was logged.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    for name, value in MANNERS.items():
        os.environ.setdefault(name, value)
    try:
        import mlflow  # noqa: F401 - seconds that only those pay who track
    except ImportError:
        said(f"{ADDRESS} is set but MLflow is not installed: pip install 'energy-assets[tracking]'; nothing was logged")
        return None
    try:
        return _log(address, model, artefact, plots, decision)
    except Exception as error:  # whatever a server, a disk or a library may raise
        said(
            without_passwords(
                f"{model.name} {model.version} was not logged in MLflow at {address}: {type(error).__name__}: {error}"
            )
        )
        return None


def store(address: str) -> tuple[str, str | None]:
    """MLflow's own address, and where its artefacts lie if that is ours to say.

    MLflow no longer develops its store of plain files, so a folder gets an SQLite file.

    >>> store("sqlite:////tmp/tracked/mlflow.db")
    ('sqlite:////tmp/tracked/mlflow.db', 'file:///tmp/tracked/artifacts')
    >>> store("http://127.0.0.1:5000")
    ('http://127.0.0.1:5000', None)
    """
    if address.startswith("sqlite:///"):
        folder = Path(address.removeprefix("sqlite:///")).absolute().parent
    elif "://" in address and not address.startswith("file:"):
        return address, None
    else:
        folder = Path(address.removeprefix("file://").removeprefix("file:")).expanduser().absolute()
        address = f"sqlite:///{folder / 'mlflow.db'}"
    return address, (folder / "artifacts").as_uri()


def without_passwords(text: str) -> str:
    """Text in which no address tells a user's name and password."""
    return re.sub(r"://[^/@\s]+@", "://…@", text)


def _log(address: str, model: AnyModel, artefact: Path, plots: Mapping[str, bytes], decision: Mapping[str, Any]) -> str:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    uri, artefacts = store(address)
    if artefacts:
        Path(artefacts.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=uri)
    known = client.get_experiment_by_name(EXPERIMENT)
    experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT, artifact_location=artefacts)
    found = client.search_runs([experiment], f"tags.model_version = '{model.version}' and status = 'FINISHED'")
    if found:
        return str(found[0].info.run_id)
    at = int(model.as_of_utc.timestamp() * 1000)
    run = client.create_run(experiment, run_name=f"{model.name} {model.version}").info.run_id
    described = {
        "kind": model.kind,
        "as_of_utc": model.as_of_utc.isoformat(),
        "train_start_utc": model.train_start_utc.isoformat(),
        "train_end_utc": model.train_end_utc.isoformat(),
        "rows": model.rows,
        "features": len(model.features),
        **asdict(model.params),
    }
    tags = {"model_name": model.name, "model_version": model.version, **decision}
    client.log_batch(
        run,
        metrics=[Metric(name, float(value), at, 0) for name, value in model.metrics.items()],
        params=[Param(name, str(value)) for name, value in described.items()],
        tags=[RunTag(name, str(value)) for name, value in tags.items()],
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, png in plots.items():
            (Path(folder) / f"{name}.png").write_bytes(png)
        client.log_artifacts(run, folder, "plots")
    if artefact.is_dir():
        client.log_artifacts(run, str(artefact), "model")
    else:
        client.log_artifact(run, str(artefact), "model")
    client.set_terminated(run)
    return str(run)
