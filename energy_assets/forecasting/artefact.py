"""A trained model as a file, and as a row of `forecasts.model_versions`.

Belongs here: writing, reading and describing a model. Does not belong here: where artefacts lie in a warehouse.

The file is JSON with LightGBM's own text in it: readable, nothing is executed when it is read, and the same model
gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightgbm as lgb
import polars as pl

from energy_assets.forecasting.calibration import Calibration
from energy_assets.forecasting.linear import HourlyRidge
from energy_assets.forecasting.models import Params, PointModel, TrainedModel

FILE_NAME = "model.json"
FILE_FORMAT = 1


class ArtefactError(ValueError):
    """A model file cannot be read or is not what it was. The message names the file and what was expected."""


def save(model: TrainedModel, folder: Path) -> tuple[Path, str]:
    """Write the model to `folder/model.json` in one step and return its path and SHA-256.

    The folder is made where it is missing; a file that is there is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(_to_dict(model), sort_keys=True, indent=1, allow_nan=False).encode()
    path = folder / FILE_NAME
    partial = folder / f".{FILE_NAME}.{os.getpid()}"
    partial.write_bytes(content)
    partial.replace(path)
    return path, hashlib.sha256(content).hexdigest()


def load(path: Path, *, sha256: str | None = None) -> TrainedModel:
    """Read a model.

    Args:
        path: the file, or the folder it lies in.
        sha256: the checksum that it must have.

    Raises:
        ArtefactError: no such file, another checksum, or no model of this format.
    """
    path = path / FILE_NAME if path.is_dir() else path
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ArtefactError(f"{path}: no such model; train it again") from None
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise ArtefactError(f"{path}: checksum {found} found, {sha256} expected; the file was changed after training")
    try:
        values = json.loads(content)
        if values["file_format"] != FILE_FORMAT:
            raise ArtefactError(f"{path}: format {values['file_format']} found, {FILE_FORMAT} expected")
        return _from_dict(values)
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError, lgb.basic.LightGBMError) as error:
        raise ArtefactError(f"{path}: not a model file ({type(error).__name__}: {error})") from error


def version_row(
    model: TrainedModel, *, role: str, decision: str, decided_because: str, artefact: str, sha256: str
) -> pl.DataFrame:
    """One row of `forecasts.model_versions`, without `dagster_run_id`.

    Args:
        model: the model.
        role: champion, challenger or retired.
        decision: what the gate said.
        decided_because: why.
        artefact: path below the warehouse.
        sha256: checksum of the artefact.
    """
    row = {
        "model_version": model.version,
        "model_name": model.name,
        "kind": model.kind,
        "role": role,
        "trained_at_utc": model.as_of_utc.astimezone(UTC),
        "train_start_utc": model.train_start_utc,
        "train_end_utc": model.train_end_utc,
        "features": json.dumps(model.features),
        "params": json.dumps(asdict(model.params), sort_keys=True),
        "metrics": json.dumps(dict(model.metrics), sort_keys=True),
        "artefact": artefact,
        "sha256": sha256,
        "decision": decision,
        "decided_because": decided_because,
    }
    times = ("trained_at_utc", "train_start_utc", "train_end_utc")
    return pl.DataFrame([row]).with_columns(pl.col(c).cast(pl.Datetime("us", "UTC")) for c in times)


def _to_dict(model: TrainedModel) -> dict[str, Any]:
    return {
        "file_format": FILE_FORMAT,
        "name": model.name,
        "kind": model.kind,
        "version": model.version,
        "as_of_utc": model.as_of_utc.astimezone(UTC).isoformat(),
        "train_start_utc": model.train_start_utc.isoformat(),
        "train_end_utc": model.train_end_utc.isoformat(),
        "rows": model.rows,
        "needs_weather": model.needs_weather,
        "offset": model.offset,
        "features": list(model.point.names),
        "ridge": model.point.ridge.to_dict(),
        "boosted": model.point.boosted.model_to_string(),
        "direct": model.point.direct.model_to_string(),
        "reference_slope": model.point.reference_slope,
        "weights": list(model.point.weights),
        "quantile_models": {str(q): b.model_to_string() for q, b in model.quantile_models.items()},
        "calibration": model.calibration.to_dict(),
        "fallback_bands": list(model.fallback_bands),
        "params": asdict(model.params),
        "metrics": dict(model.metrics),
    }


def _from_dict(values: dict[str, Any]) -> TrainedModel:
    point = PointModel(
        names=tuple(values["features"]),
        ridge=HourlyRidge.from_dict(values["ridge"]),
        boosted=lgb.Booster(model_str=values["boosted"]),
        direct=lgb.Booster(model_str=values["direct"]),
        reference_slope=values["reference_slope"],
        weights=tuple(values["weights"]),
    )
    return TrainedModel(
        name=values["name"],
        kind=values["kind"],
        version=values["version"],
        as_of_utc=datetime.fromisoformat(values["as_of_utc"]),
        train_start_utc=datetime.fromisoformat(values["train_start_utc"]),
        train_end_utc=datetime.fromisoformat(values["train_end_utc"]),
        rows=values["rows"],
        needs_weather=values["needs_weather"],
        offset=values["offset"],
        point=point,
        quantile_models={float(q): lgb.Booster(model_str=text) for q, text in values["quantile_models"].items()},
        calibration=Calibration.from_dict(values["calibration"]),
        fallback_bands=tuple(values["fallback_bands"]),
        params=Params(**values["params"]),
        metrics=values["metrics"],
    )
