"""Which model speaks at an instant: rows of `forecasts.model_decisions` and `model_versions`, and the artefacts.

A replay uses the model that was promoted before its issue time, so that a past day is forecast as it would have been.
"""

from datetime import datetime
from pathlib import Path

import duckdb

from energy_assets.forecasting import MODEL_NAME, ArtefactError, TrainedModel, load


def model_name(kind: str) -> str:
    """The name of the model of one kind of meter."""
    return f"{MODEL_NAME}_{kind}"


def champion(
    con: duckdb.DuckDBPyConnection, folder: Path, model_name: str, at: datetime
) -> tuple[TrainedModel, datetime] | None:
    """The model promoted last before `at`, with when it was trained.

    None where none was, or where its artefact is lost or of a format of before: it is then trained anew, and of two
    decisions of one instant the last one whose artefact can be read counts.
    """
    rows = con.execute(
        """SELECT v.artefact, v.trained_at_utc
        FROM forecasts.model_decisions d JOIN forecasts.model_versions v ON v.model_version = d.to_version
        WHERE d.model_name = ? AND d.decided_at_utc <= ?
        QUALIFY d.decided_at_utc = max(d.decided_at_utc) OVER ()
        ORDER BY d.rowid DESC""",
        [model_name, at],
    ).fetchall()
    for artefact, trained_at in rows:
        try:
            return load(folder / artefact), trained_at
        except ArtefactError:
            continue
    return None


def roles(con: duckdb.DuckDBPyConnection) -> None:
    """Brings `role` in line with the decisions: the last promoted is champion, its predecessors are retired."""
    con.execute(
        """UPDATE forecasts.model_versions AS v SET role = CASE
            WHEN v.model_version IN (SELECT arg_max(to_version, (decided_at_utc, rowid)) FROM forecasts.model_decisions
                                     GROUP BY model_name) THEN 'champion'
            WHEN v.model_version IN (SELECT to_version FROM forecasts.model_decisions) THEN 'retired'
            ELSE 'challenger' END"""
    )
