"""The command line: help, queries, messages and exit codes. Runs are tested in tests/pipeline."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from energy_assets.cli import main
from tests.warehouses import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with a sources.yaml."""
    return Folder.make(tmp_path / "warehouse")


def call(folder: Folder, *arguments: str) -> Result:
    command, *rest = arguments
    with folder.environment():
        return CliRunner().invoke(main, [command, "--warehouse", str(folder.path), *rest])


def published(folder: Folder) -> Folder:
    """The folder with a publication of one table."""
    target = folder.path / ".published" / "abc"
    target.mkdir(parents=True)
    folder.serving.symlink_to(".published/abc")
    with duckdb.connect(str(target / "energy.duckdb")) as con:
        con.execute("SET TimeZone='UTC'")
        con.execute(
            "CREATE TABLE t AS SELECT 'm' AS meter_id, 1.5 AS demand_kwh, TIMESTAMPTZ '2026-03-10 08:00Z' AS at"
        )
    return folder


@pytest.mark.parametrize("command", ["run", "backtest", "rebuild", "doctor", "query", "ui"])
def test_help_names_every_command_and_each_takes_a_warehouse(command: str) -> None:
    assert f"  {command} " in CliRunner().invoke(main, ["--help"]).output
    said = CliRunner().invoke(main, [command, "-h"])
    assert said.exit_code == 0
    assert "--warehouse" in said.output


def test_query_prints_a_table_or_csv(folder: Folder) -> None:
    published(folder)
    table = call(folder, "query", "SELECT * FROM t")
    assert table.exit_code == 0
    [row] = [line for line in table.output.splitlines() if "1.5" in line]
    assert "m" in row.split("│")[1]
    csv = call(folder, "query", "SELECT meter_id, demand_kwh FROM t", "--csv")
    assert csv.output == "meter_id,demand_kwh\nm,1.5\n"


def test_query_cannot_write(folder: Folder) -> None:
    said = call(published(folder), "query", "DROP TABLE t")
    assert said.exit_code == 1
    assert "read-only" in said.stderr
    assert call(folder, "query", "SELECT count(*) AS n FROM t", "--csv").output == "n\n1\n"


def test_a_wrong_query_is_answered_by_duckdb_s_words(folder: Folder) -> None:
    said = call(published(folder), "query", "SELECT nothing FROM t")
    assert said.exit_code == 1
    assert '"nothing"' in said.stderr
    assert "Traceback" not in said.output


def test_query_before_the_first_publication_says_what_to_do(folder: Folder) -> None:
    said = call(folder, "query", "SELECT 1")
    assert said.exit_code == 1
    assert f"run `energy-assets run --warehouse {folder.path}`" in said.stderr


def test_a_wrong_sources_yaml_is_told_by_line_and_nothing_runs(folder: Folder) -> None:
    sources = folder.path / "sources.yaml"
    sources.write_text(sources.read_text().replace("households: 3", "households: many"))
    said = call(folder, "run")
    assert said.exit_code == 1
    line = next(n for n, text in enumerate(sources.read_text().splitlines(), 1) if "many" in text)
    assert f"{sources}:{line}: " in said.stderr
    assert "valid integer" in said.stderr
    assert not (folder.path / "energy.duckdb").exists()


def test_a_folder_without_sources_yaml_is_no_warehouse(tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["run", "--warehouse", str(tmp_path / "nowhere")])
    assert said.exit_code == 1
    assert "A warehouse is a folder with a sources.yaml" in said.stderr


def test_until_needs_a_beginning(folder: Folder) -> None:
    said = call(folder, "run", "--until", "2026-03-10")
    assert said.exit_code == 2
    assert "--until needs --issue-date" in said.stderr


def test_doctor_exits_with_1_and_a_remedy_when_something_is_wrong(folder: Folder) -> None:
    (folder.path / "sources.yaml").write_text("sources: []\n")
    said = call(folder, "doctor")
    assert said.exit_code == 1
    assert "FAIL  sources.yaml: " in said.output
    assert "      -> " in said.output
