"""A trained model as a file, and as a row of `forecasts.model_versions`.

Belongs here: writing, reading and describing a model. Does not belong here: where artefacts lie in a warehouse.

The file is JSON with LightGBM's own text in it: readable, nothing is executed when it is read, and the same model
gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from energy_assets.forecasting.calibration import Calibration
from energy_assets.forecasting.features import feature_names
from energy_assets.forecasting.linear import HourlyRidge
from energy_assets.forecasting.machines import MachineModel
from energy_assets.forecasting.models import Params, PointModel, TrainedModel

if TYPE_CHECKING:
    import lightgbm as lgb

FILE_NAME = "model.json"
FILE_FORMAT = 4  # raise it when a file has other parts or a feature another meaning: what is older is trained anew


Model = TypeVar("Model")


class ArtefactError(ValueError):
    """A model file cannot be read or is not what it was. The message names the file and what was expected."""


AnyModel = TrainedModel | MachineModel


def save(model: AnyModel, folder: Path) -> tuple[Path, str]:
    """Write the model to `folder/model.json` in one step and return its path and SHA-256.

    The folder is made where it is missing; a file that is there is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(
        _to_dict(model) if isinstance(model, TrainedModel) else _machine_to_dict(model),
        sort_keys=True,
        indent=1,
        allow_nan=False,
    ).encode()
    path = folder / FILE_NAME
    partial = folder / f".{FILE_NAME}.{os.getpid()}"
    partial.write_bytes(content)
    partial.replace(path)
    return path, hashlib.sha256(content).hexdigest()


def load(path: Path, *, sha256: str | None = None) -> TrainedModel:
    """Read a day-ahead model.

    Args:
        path: the file, or the folder it lies in.
        sha256: the checksum that it must have.

    Raises:
        ArtefactError: no such file, another checksum, or no model of this format.
    """
    return _read(path, sha256, "day_ahead", _from_dict)


def load_machines(path: Path, *, sha256: str | None = None) -> MachineModel:
    """Read a model of machines; arguments and errors as of `load`."""
    return _read(path, sha256, "machines", _machine_from_dict)


def version_row(
    model: AnyModel, *, role: str, decision: str, decided_because: str, artefact: str, sha256: str
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


def _read(path: Path, sha256: str | None, what: str, build: Callable[[dict[str, Any]], Model]) -> Model:
    import lightgbm as lgb  # a second of import that loading the package should not cost

    path = path / FILE_NAME if path.is_dir() else path
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ArtefactError(f"{path}: no such model; train it again") from None
    checksum = hashlib.sha256(content).hexdigest()
    if sha256 is not None and checksum != sha256:
        raise ArtefactError(
            f"{path}: checksum {checksum} found, {sha256} expected; the file was changed after training"
        )
    try:
        values = json.loads(content)
        found = (values.get("file_format"), values.get("what"))
        if found != (FILE_FORMAT, what):
            raise ArtefactError(f"{path}: format {found[0]} of {found[1]} found, {FILE_FORMAT} of {what} expected")
        return build(values)
    except ArtefactError:
        raise
    # whatever a foreign file lacks: text, a key, a shape, a tree
    except (ValueError, LookupError, TypeError, AttributeError, lgb.basic.LightGBMError) as error:
        raise ArtefactError(f"{path}: not a model file of this version ({type(error).__name__}: {error})") from error


def _common(model: AnyModel) -> dict[str, Any]:
    return {
        "file_format": FILE_FORMAT,
        "name": model.name,
        "version": model.version,
        "as_of_utc": model.as_of_utc.astimezone(UTC).isoformat(),
        "train_start_utc": model.train_start_utc.isoformat(),
        "train_end_utc": model.train_end_utc.isoformat(),
        "rows": model.rows,
        "params": asdict(model.params),
        "metrics": dict(model.metrics),
    }


def _common_from(values: dict[str, Any]) -> dict[str, Any]:
    times = ("as_of_utc", "train_start_utc", "train_end_utc")
    return {
        **{key: values[key] for key in ("name", "version", "rows", "metrics")},
        **{key: datetime.fromisoformat(values[key]) for key in times},
        "params": Params(**values["params"]),
    }


def _to_dict(model: TrainedModel) -> dict[str, Any]:
    return {
        **_common(model),
        "what": "day_ahead",
        "kind": model.kind,
        "needs_weather": model.needs_weather,
        "meters_without_weather": list(model.meters_without_weather),
        "offset": model.offset,
        "features": list(model.point.names),
        "point": _point_to_dict(model.point),
        "held_out": [{"since": since.isoformat(), **_point_to_dict(point)} for since, point in model.held_out],
        "meters": list(model.meters),
        "follows": model.follows,
        "quantile_models": _texts(model.quantile_models),
        "calibration": model.calibration.to_dict(),
        "fallback_bands": list(model.fallback_bands),
    }


def _from_dict(values: dict[str, Any]) -> TrainedModel:
    gone = sorted(
        set(values["features"]) - set(feature_names(weather=True, meters=True, published=True, profiles=True))
    )
    if gone:
        raise ValueError(f"learned from features that are no more: {', '.join(gone)}")
    names = tuple(values["features"])
    return TrainedModel(
        **_common_from(values),
        kind=values["kind"],
        needs_weather=values["needs_weather"],
        meters_without_weather=tuple(values["meters_without_weather"]),
        meters=tuple(values["meters"]),
        follows=values["follows"],
        offset=values["offset"],
        point=_point_from_dict(values["point"], names),
        held_out=tuple(
            (datetime.fromisoformat(part["since"]), _point_from_dict(part, names)) for part in values["held_out"]
        ),
        quantile_models=_boosters(values["quantile_models"]),
        calibration=Calibration.from_dict(values["calibration"]),
        fallback_bands=tuple(values["fallback_bands"]),
    )


def _point_to_dict(point: PointModel) -> dict[str, Any]:
    return {
        "ridge": point.ridge.to_dict(),
        "boosted": point.boosted.model_to_string(),
        "direct": point.direct.model_to_string(),
        "reference_slope": point.reference_slope,
        "weights": list(point.weights),
        "own_ridges": {str(number): ridge.to_dict() for number, ridge in point.own.items()},
    }


def _point_from_dict(values: dict[str, Any], names: tuple[str, ...]) -> PointModel:
    return PointModel(
        names=names,
        ridge=HourlyRidge.from_dict(values["ridge"]),
        boosted=_booster(values["boosted"]),
        direct=_booster(values["direct"]),
        reference_slope=values["reference_slope"],
        weights=tuple(values["weights"]),
        own={int(number): HourlyRidge.from_dict(ridge) for number, ridge in values["own_ridges"].items()},
    )


def _machine_to_dict(model: MachineModel) -> dict[str, Any]:
    own = {"boosters": _texts(model.boosters), "shifts": list(model.shifts), "factors": list(model.factors)}
    return {**_common(model), "what": "machines", **own}


def _machine_from_dict(values: dict[str, Any]) -> MachineModel:
    return MachineModel(
        **_common_from(values),
        boosters=_boosters(values["boosters"]),
        shifts=tuple(values["shifts"]),
        factors=tuple(values["factors"]),
    )


def _booster(text: str) -> lgb.Booster:
    import lightgbm as lgb  # see above

    return lgb.Booster(model_str=text)


def _texts(boosters: Mapping[float, lgb.Booster]) -> dict[str, str]:
    return {str(q): booster.model_to_string() for q, booster in boosters.items()}


def _boosters(texts: Mapping[str, str]) -> dict[float, lgb.Booster]:
    return {float(q): _booster(text) for q, text in texts.items()}
