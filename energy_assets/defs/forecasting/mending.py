"""Model artefacts that are not what was recorded, made again from the history that they were trained on.

Belongs here: which artefacts, training the same model again, saying what became of it. Does not belong here: training a
model of today in its place, which the next run does where the same cannot be had (`models.py`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

import duckdb

from energy_assets import forecasting
from energy_assets.config import WarehouseConfig
from energy_assets.defs.frames import training_features
from energy_assets.forecasting.models import Params
from energy_assets.warehouse import fetch
from energy_assets.warehouse.soundness import artefact_checksums, damaged_files


def mend_artefacts(
    con: duckdb.DuckDBPyConnection,
    config: WarehouseConfig,
    folder: Path,
    *,
    say: Callable[[str], None],
    roles: Collection[str] = ("champion", "challenger", "retired"),
) -> list[str]:
    """Trains models with a lost or changed artefact again, as of when they were trained and with their parameters.

    The same history and parameters make the same file, to the bit; any other is not put in its place.

    Args:
        con: the working file, to be read.
        config: of the warehouse.
        folder: of the warehouse.
        say: told what became of each.
        roles: of the models that are looked at.

    Returns:
        Versions whose artefact cannot be made again.
    """
    versions = fetch(con, "SELECT * FROM forecasts.model_versions ORDER BY trained_at_utc, model_version")
    wanted = {row["artefact"]: row for row in versions.iter_rows(named=True) if row["role"] in roles}
    recorded = {name: sha256 for name, sha256 in artefact_checksums(con).items() if name in wanted}
    lost = []
    for name, what in damaged_files(folder, recorded).items():
        row = wanted[name]
        frame = training_features(con, config, as_of=row["trained_at_utc"], kind=row["kind"])
        try:
            model = forecasting.train(
                frame, kind=row["kind"], as_of=row["trained_at_utc"], params=Params(**json.loads(row["params"]))
            )
            same = model.version == row["model_version"]
            why = f"the history and settings at hand make {model.version}"
        except (forecasting.NotEnoughHistory, MemoryError, TypeError) as error:
            same, why = False, str(error)
        if same:
            with tempfile.TemporaryDirectory(dir=folder, prefix=".mending-") as beside:
                file, sha256 = forecasting.save(model, Path(beside))
                same, why = sha256 == row["sha256"], "this program, lock or machine writes another file"
                if same:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    file.replace(folder / name)
        if same:
            say(f"{name} was {what}: trained again on the same history, the same file to the bit")
        else:
            say(f"{name} is {what} and cannot be made again ({why}); the next run trains another model in its place")
            lost.append(row["model_version"])
    return lost
