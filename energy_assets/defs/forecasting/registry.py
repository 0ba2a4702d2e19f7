"""Which model speaks at an instant: rows of `forecasts.model_decisions` and `model_versions`, and the artefacts.

Belongs here: reading and keeping the standing of models. Does not belong here: deciding (`forecasting.gate`), training.

A replay uses the model that was promoted before its issue time, so that a past day is forecast as it would have been.
"""

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl

from energy_assets.contracts import TABLES
from energy_assets.forecasting import MODEL_NAME, ArtefactError, TrainedModel, load
from energy_assets.warehouse import append_new, ensure_tables, fetch, first_row

VERSIONS, DECISIONS = TABLES["forecasts.model_versions"], TABLES["forecasts.model_decisions"]
CHANGES = ("first", "promoted", "demoted")  # what puts a model in its place


class Standing(NamedTuple):
    """The champion of an instant, and how it came to be.

    `decision` of `CHANGES`, at `since`, put it where its `predecessor` was. While it is `withheld` the naive forecast
    speaks for it.
    """

    model: TrainedModel
    trained_at: datetime
    decision: str
    since: datetime
    predecessor: str | None
    withheld: bool


def model_name(kind: str) -> str:
    """The name of the model of one kind of meter."""
    return f"{MODEL_NAME}_{kind}"


def champion(con: duckdb.DuckDBPyConnection, folder: Path, model_name: str, at: datetime) -> Standing | None:
    """The model that stands after the last decision made by `at`; of one instant the last made counts.

    None where there is none, or where its artefact is lost, changed or of a format of before: it is then trained anew.
    """
    found = first_row(
        con,
        f"""WITH decided AS (
            SELECT *, rowid AS turn FROM forecasts.model_decisions WHERE model_name = $name AND decided_at_utc <= $at
        ), stands AS (  -- each decision says who stands after it
            SELECT to_version FROM decided ORDER BY decided_at_utc DESC, turn DESC LIMIT 1
        ), about AS (
            SELECT * FROM decided SEMI JOIN stands USING (to_version) WHERE decision <> 'kept'
        )
        SELECT v.artefact, v.sha256, v.trained_at_utc, d.decision, d.decided_at_utc, d.from_version,
            (SELECT arg_max(decision, (decided_at_utc, turn)) = 'withheld' FROM about)
        FROM about d JOIN forecasts.model_versions v ON v.model_version = d.to_version
        WHERE d.decision IN {CHANGES} ORDER BY d.decided_at_utc DESC, d.turn DESC LIMIT 1""",
        {"name": model_name, "at": at},
    )
    model = None if found is None else _read(folder / found[0], found[1])
    return None if found is None or model is None else Standing(model, *found[2:])


def version(con: duckdb.DuckDBPyConnection, folder: Path, model_version: str) -> TrainedModel | None:
    """A model by its version; None where its artefact cannot be read."""
    sql = "SELECT artefact, sha256 FROM forecasts.model_versions WHERE model_version = ?"
    found = first_row(con, sql, [model_version])
    return None if found is None else _read(folder / found[0], found[1])


def trained_between(
    con: duckdb.DuckDBPyConnection, folder: Path, model_name: str, after: datetime, before: datetime
) -> list[TrainedModel]:
    """The models trained after one instant and before another, oldest first; those that cannot be read are left out."""
    found = con.execute(
        """SELECT model_version FROM forecasts.model_versions
        WHERE model_name = ? AND trained_at_utc > ? AND trained_at_utc < ? ORDER BY trained_at_utc, model_version""",
        [model_name, after, before],
    ).fetchall()
    models = [version(con, folder, model_version) for (model_version,) in found]
    return [model for model in models if model is not None]


def asked_by_drift(con: duckdb.DuckDBPyConnection, at: datetime) -> list[str]:
    """Kinds whose newest decision on drift before an issue time is `retrain`, with no model trained since it was made.

    `monitoring.drift_decisions` is read without an edge from its writer: drift looks at models, so what it asks for is
    done at the next issue time.
    """
    ensure_tables(con, [TABLES["monitoring.drift_decisions"]])  # a warehouse of before has none
    found = con.execute(
        """WITH newest AS (
            SELECT kind, arg_max(decision, current_end_utc) AS decision, max(issued_at_utc) AS decided_at_utc
            FROM monitoring.drift_decisions WHERE meter_id = 'all:' || kind AND issued_at_utc < $at GROUP BY kind
        )
        SELECT kind FROM newest WHERE decision = 'retrain' AND NOT EXISTS (
            SELECT 1 FROM forecasts.model_versions v
            WHERE v.kind = newest.kind AND v.trained_at_utc > newest.decided_at_utc AND v.trained_at_utc <= $at
        ) ORDER BY kind""",
        {"at": at},
    ).fetchall()
    return [kind for (kind,) in found]


def decisions_between(con: duckdb.DuckDBPyConnection, first: datetime, last: datetime) -> pl.DataFrame:
    """Decisions made from one issue time to another; `withheld`: whether the naive forecast speaks for it at the end.

    A model about which nothing was decided has one row with nulls.
    """
    return fetch(
        con,
        """WITH standing AS (
            SELECT model_name, arg_max(decision, (decided_at_utc, rowid)) = 'withheld' AS withheld
            FROM forecasts.model_decisions WHERE decided_at_utc <= $last AND decision <> 'kept' GROUP BY model_name
        )
        SELECT s.model_name, s.withheld, d.* EXCLUDE (model_name), d.rowid AS turn
        FROM standing s LEFT JOIN forecasts.model_decisions d
            ON d.model_name = s.model_name AND d.decided_at_utc BETWEEN $first AND $last
        ORDER BY s.model_name, d.decided_at_utc, turn""",
        {"first": first, "last": last},
    )


def record(con: duckdb.DuckDBPyConnection, decisions: pl.DataFrame, versions: pl.DataFrame | None = None) -> None:
    """Writes decisions, and the versions they are about, and brings the roles in line; again, it changes nothing."""
    if versions is not None:
        append_new(con, VERSIONS, versions)
    append_new(con, DECISIONS, decisions)
    roles(con)


def roles(con: duckdb.DuckDBPyConnection) -> None:
    """Brings `role` in line with the decisions.

    Who stands after the last decision is champion, who stood before is retired, who never did is a challenger.
    """
    con.execute(
        """UPDATE forecasts.model_versions AS v SET role = CASE
            WHEN v.model_version IN (SELECT arg_max(to_version, (decided_at_utc, rowid)) FROM forecasts.model_decisions
                                     GROUP BY model_name) THEN 'champion'
            WHEN v.model_version IN (SELECT to_version FROM forecasts.model_decisions) THEN 'retired'
            ELSE 'challenger' END"""
    )


def _read(path: Path, sha256: str) -> TrainedModel | None:
    try:
        return _loaded(path, sha256, path.stat().st_mtime_ns)
    except (FileNotFoundError, ArtefactError):
        return None


@lru_cache(maxsize=32)
def _loaded(path: Path, sha256: str, changed: int) -> TrainedModel:
    """A range of days asks for the same few models again and again; a file that was `changed` is read anew."""
    return load(path, sha256=sha256)
