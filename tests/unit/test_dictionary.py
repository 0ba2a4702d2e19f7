"""The generated pages: complete, readable, and as they are committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from energy_assets import dictionary
from energy_assets.config import sources
from energy_assets.contracts import TABLES
from energy_assets.dbt import ensure_manifest
from energy_assets.settings import PROJECT_ROOT, Settings
from tests.conftest import Built

MODEL = {
    "resource_type": "model", "schema": "marts", "name": "dim_meters", "description": "One row\nper meter",
    "original_file_path": "models/marts/dim_meters.sql", "config": {"materialized": "table"},
    "columns": {
        "meter_id": {"name": "meter_id", "data_type": "varchar", "description": "The meter"},
        "since": {"name": "since", "data_type": "timestamp with time zone", "description": "a | b"},
    },
}  # fmt: skip
KEY = {
    "resource_type": "test", "attached_node": "model.x.dim_meters",
    "test_metadata": {"name": "unique_combination", "kwargs": {"columns": ["meter_id"]}},
}  # fmt: skip


@pytest.fixture(scope="module")
def manifest(built: Built) -> dict[str, Any]:
    """dbt's manifest of the project as it is."""
    content: dict[str, Any] = json.loads(ensure_manifest(Settings(warehouse=built.folder.path)).read_text())
    return content


def test_committed_pages_are_up_to_date(manifest: dict[str, Any]) -> None:
    for path, text in dictionary.pages(PROJECT_ROOT, manifest).items():
        assert (PROJECT_ROOT / path).read_text() == text, f"{path} is out of date: run `make docs`"


def test_every_table_and_column_has_a_meaning(manifest: dict[str, Any]) -> None:
    page = dictionary.data_dictionary(manifest)
    headings = [line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")]
    models = [n for n in manifest["nodes"].values() if n["resource_type"] == "model"]
    assert set(headings) == set(TABLES) | {f"{n['schema']}.{n['name']}" for n in models}
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert all(row[-1].strip() for row in rows)


def test_a_model_shows_its_key_types_and_text() -> None:
    page = dictionary.data_dictionary({"nodes": {"model.x.dim_meters": MODEL, "test.x.key": KEY}})
    section = page.split("### marts.dim_meters")[1].split("###")[0]
    assert "One row per meter." in section
    assert "a table, made anew" in section
    assert "| **meter_id** | VARCHAR | The meter |" in section
    assert "| since | TIMESTAMPTZ | a \\| b |" in section


def test_every_type_of_source_and_every_field_is_listed() -> None:
    text = dictionary.source_fields()
    for source in get_args(sources.AnySource):
        (name,) = get_args(source.model_fields["type"].annotation)
        assert f"### `type: {name}`" in text
        for field in source.model_fields:
            assert field == "type" or f"| `{field}` |" in text
    section = text.split("### `type: uci_household`")[1].split("###")[0]
    assert "| `publication_lag_minutes` | whole number, ≥ 0 and ≤ 5270400 | `5` |" in section
    assert "`path`" not in section  # stands in the shared block
    assert "| `path` | text | *required* |" in text


def test_pages_without_marks_are_refused() -> None:
    with pytest.raises(ValueError, match="expected in the page"):
        dictionary.with_generated("no marks here", "x")


def test_main_checks_and_writes(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / dictionary.SOURCES).write_text(f"# Sources\n{dictionary.BEGIN}\n{dictionary.END}\n")
    monkeypatch.setenv("ENERGY_WAREHOUSE", str(built.folder.path))
    monkeypatch.setattr(dictionary, "PROJECT_ROOT", tmp_path)
    assert dictionary.main(["--check"]) == 1
    assert "data-dictionary.md is out of date" in capsys.readouterr().err
    assert not (tmp_path / dictionary.DICTIONARY).exists()
    assert dictionary.main([]) == 0
    assert dictionary.main(["--check"]) == 0
    assert "### raw.meter_readings" in (tmp_path / dictionary.DICTIONARY).read_text()
