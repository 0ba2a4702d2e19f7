"""Column lineage of the dbt models, worked out once per version of the project.

Dagster derives it from the SQL with sqlglot, which takes longer than the models themselves. It depends on the project's
text alone, so it is kept in the project's target folder, for all warehouses, until the text changes.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliInvocation
from dagster_dbt.core.dbt_event_iterator import DbtEventIterator

LINEAGE = "dagster/column_lineage"


def with_columns(invocation: DbtCliInvocation, manifest: Mapping[str, Any], cache_file: Path) -> Iterator[Any]:
    """The invocation's events with row counts, column schema and column lineage."""
    version = project_version(manifest)
    known = _read(cache_file, version)
    # One thread: compiling in several at once can fail on Python 3.11, and lineage would be missing.
    invocation.postprocessing_threadpool_num_threads = 1
    wanted = {u for u, node in manifest["nodes"].items() if node["resource_type"] in ("model", "seed")}
    events = DbtEventIterator(ended(invocation.stream()), invocation).fetch_row_counts()
    derive = not wanted <= known.keys()
    if derive:
        events = events.fetch_column_metadata()
    for event in events:
        unique_id = _unique_id(event)
        if unique_id is None:
            yield event
            continue
        metadata = dict(event.metadata)
        if derive:
            known[unique_id] = _lineage_to_json(metadata.get(LINEAGE))
            _write(cache_file, version, known)
        elif known.get(unique_id):
            metadata[LINEAGE] = dg.MetadataValue.column_lineage(_lineage_from_json(known[unique_id]))
        yield event.with_metadata(metadata)


def ended(stream: Iterable[Any]) -> Iterator[Any]:
    """All events, once dbt has ended; at their end the error by which the stream ended, if it did.

    Rows are counted when dbt has let go of the file. Of a stream that goes on Dagster asks for the next event without a
    pause, which costs a core for as long as dbt runs.
    """
    events: list[Any] = []
    failure: Exception | None = None
    try:
        for event in stream:
            events.append(event)
    except Exception as error:
        failure = error

    def again() -> Iterator[Any]:
        yield from events
        if failure is not None:
            raise failure

    return again()


def project_version(manifest: Mapping[str, Any]) -> str:
    """A checksum of all that lineage depends on: the text of models and macros."""
    models = sorted((k, n["checksum"]["checksum"]) for k, n in manifest["nodes"].items() if n.get("checksum"))
    macros = sorted((k, m["macro_sql"]) for k, m in manifest["macros"].items() if m["package_name"] == "energy_assets")
    return hashlib.sha256(json.dumps([models, macros]).encode()).hexdigest()


def _unique_id(event: Any) -> str | None:
    if not isinstance(event, dg.Output):
        return None
    found = event.metadata.get("unique_id")
    return str(found.value) if found is not None else None


def _lineage_to_json(value: Any) -> dict[str, list[list[Any]]]:
    """Column -> [[asset key's path, column], …]; empty where nothing is known."""
    if value is None:
        return {}
    lineage = value.column_lineage.deps_by_column
    return {column: [[list(d.asset_key.path), d.column_name] for d in deps] for column, deps in lineage.items()}


def _lineage_from_json(stored: dict[str, list[list[Any]]]) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=dg.AssetKey(path), column_name=name) for path, name in deps]
            for column, deps in stored.items()
        }
    )


def _read(file: Path, version: str) -> dict[str, Any]:
    try:
        stored = json.loads(file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return dict(stored["models"]) if stored.get("version") == version else {}


def _write(file: Path, version: str, models: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}.part")
    partial.write_text(json.dumps({"version": version, "models": models}, sort_keys=True))
    partial.replace(file)
