"""The dbt project on a small warehouse: it builds, a repeated run changes nothing, late data mends the past, and
features know nothing of later. Rules on single rows are dbt unit tests, beside the models; the build runs them too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from energy_assets.settings import DBT_PROJECT_DIR
from tests.dbt import synthetic

START = datetime(2024, 3, 4, tzinfo=UTC)
DAYS = 40
ISSUE = datetime(2024, 4, 11, 7, tzinfo=UTC)  # 09:00 in Paris
VARS = {"issue_first_date": "2024-03-20", "issue_last_date": "2024-04-11", "machine_issue_days": 1}
CONFIG: dict[str, str | bool | int | float | list[str]] = {"storage_compatibility_version": "v1.4.0"}


@dataclass(frozen=True)
class Project:
    """dbt's artefacts of this test session. Every run sees the same path: another one would mean parsing anew."""

    target: Path

    def run(self, command: str, database: Path, *arguments: str) -> list[dict[str, str]]:
        """Result rows of one dbt invocation; fails with dbt's own words."""
        options: list[str | Path] = [
            "--project-dir",
            DBT_PROJECT_DIR,
            "--profiles-dir",
            DBT_PROJECT_DIR,
            "--target-path",
            self.target,
        ]
        options += ["--log-path", self.target / "logs", "--vars", json.dumps(VARS)]
        working = self.target / "energy.duckdb"
        shutil.move(database, working)
        program = Path(sys.executable).with_name("dbt")
        environment = {**os.environ, "ENERGY_DATABASE": str(working), "ENERGY_THREADS": "2"}
        strict = '{"error": "all", "silence": ["NoNodesForSelectionCriteria"]}'
        done = subprocess.run(
            [program, "--warn-error-options", strict, command, *options, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        shutil.move(working, database)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        results = json.loads((self.target / "run_results.json").read_text())["results"]
        return [{"name": row["unique_id"], "status": row["status"]} for row in results]


def _input() -> dict[str, pl.DataFrame]:
    frames = synthetic.fleet(START, DAYS, count=5, machines=2, telemetry_rows=24 * 360 * 2)
    return frames | synthetic.outputs(ISSUE, "m00")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("dbt_target"))


@pytest.fixture(scope="session")
def built(project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, str]]]:
    """A warehouse built once, with all data tests and unit tests, and the results."""
    path = tmp_path_factory.mktemp("warehouse") / "energy.duckdb"
    synthetic.create(path)
    synthetic.append(path, _input())
    return path, project.run("build", path)


@pytest.fixture
def connection(built: tuple[Path, list[dict[str, str]]]) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(built[0]), read_only=True) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def differences(
    left: Path, right: Path, schemas: tuple[str, ...], *, table: str = "%", where: str = "true"
) -> dict[str, int]:
    """Rows that stand in one warehouse and not in the other, per table; audit columns are no content."""
    found = {}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"ATTACH '{left}' AS l (READ_ONLY)")
        connection.execute(f"ATTACH '{right}' AS r (READ_ONLY)")
        tables = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() "
            "WHERE database_name = 'l' AND schema_name IN ? AND table_name LIKE ?",
            [schemas, table],
        ).fetchall()
        assert tables
        for schema, name in tables:
            names = connection.execute(
                "SELECT column_name FROM duckdb_columns() WHERE database_name = 'l' AND schema_name = ? "
                "AND table_name = ? AND column_name <> 'load_id'",
                [schema, name],
            ).fetchall()
            columns = ", ".join(column for (column,) in names)
            sides = [f"SELECT {columns} FROM {side}.{schema}.{name} WHERE {where}" for side in "lr"]
            only = [f"({sides[i]} EXCEPT ALL {sides[1 - i]})" for i in (0, 1)]
            query = f"SELECT count(*) FROM ({' UNION ALL '.join(only)})"
            found[f"{schema}.{name}"] = connection.execute(query).fetchall()[0][0]
    return {name: count for name, count in found.items() if count}


def test_everything_builds_and_every_test_passes(built: tuple[Path, list[dict[str, str]]]) -> None:
    results = [row for row in built[1] if not row["name"].startswith("exposure.")]
    kinds = {row["name"].split(".")[0] for row in results}
    assert kinds == {"model", "test", "unit_test"}
    # meters whose data end before the newest issue would be the only honest warning here; there are none
    assert {row["status"] for row in results} == {"success", "pass"}


def test_every_table_and_column_is_described_in_the_database(connection: duckdb.DuckDBPyConnection) -> None:
    schemas = ("staging", "intermediate", "marts", "features", "reporting")
    silent = connection.execute(
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() WHERE schema_name IN ? AND comment IS NULL",
        [schemas],
    ).fetchall()
    silent += connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE schema_name IN ? AND comment IS NULL", [schemas]
    ).fetchall()
    assert silent == []


def test_target_days_have_their_own_number_of_hours(connection: duckdb.DuckDBPyConnection) -> None:
    rows = connection.execute(
        "SELECT meter_id, local_date::VARCHAR, count(*) FROM features.feat_demand_day_ahead GROUP BY ALL"
    ).fetchall()
    hours = {(meter, day): count for meter, day, count in rows}
    assert hours[("m00", "2024-03-31")] == 23
    assert hours[("m00", "2024-04-01")] == 24
    assert hours[("m01", "2024-04-07")] == 25
    assert set(hours.values()) == {23, 24, 25}


def test_reports_join_what_python_wrote(connection: duckdb.DuckDBPyConnection) -> None:
    tomorrow = connection.execute(
        "SELECT count(*), min(interval_start_local)::VARCHAR, min(p05_kwh), min(p95_kwh), min(publisher_forecast_kwh) "
        "FROM reporting.next_day_demand"
    ).fetchall()
    assert tomorrow == [(24, "2024-04-12 02:00:00", 5.05, 5.95, 5.0)]
    assert connection.execute("SELECT mae_kwh, skill_mae FROM reporting.forecast_accuracy_daily").fetchall() == [
        (0.5, 0.5)
    ]
    assert connection.execute("SELECT demand_price, level_name FROM reporting.peak_calendar").fetchall() == [
        (9.5, "possible")
    ]
    assert connection.execute("SELECT verdict FROM reporting.anomaly_log").fetchall() == [("incorrect",)]
    assert connection.execute("SELECT DISTINCT status FROM reporting.warehouse_freshness").fetchall() == [("fresh",)]


@pytest.fixture(scope="session")
def repeated(
    built: tuple[Path, list[dict[str, str]]], project: Project, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The built warehouse, run once more with nothing new."""
    path = tmp_path_factory.mktemp("repeated") / "energy.duckdb"
    shutil.copy(built[0], path)
    project.run("run", path)
    return path


def test_running_again_changes_nothing(built: tuple[Path, list[dict[str, str]]], repeated: Path) -> None:
    assert differences(built[0], repeated, ("intermediate", "marts", "features", "reporting")) == {}


def _late_data() -> dict[str, pl.DataFrame]:
    """Everything that may come after a first run: two new days, a correction, a part, older history, decisions."""
    fleet = synthetic.meters(5)
    known = synthetic.readings(fleet, START, DAYS)
    correction = known.filter(
        pl.col("meter_id") == "m00", pl.col("interval_start_utc").dt.ordinal_day() == 80
    ).with_columns(
        energy_kwh=pl.col("energy_kwh") * 2,
        quality=pl.lit("corrected"),
        known_at_utc=pl.lit(datetime(2024, 4, 2, tzinfo=UTC)),
    )
    older = synthetic.readings(fleet.filter(pl.col("meter_id") == "m01"), START - timedelta(days=5), 3)
    newer = synthetic.readings(fleet, START + timedelta(days=DAYS, hours=5), 2, seed=2)
    # a load that stopped in the middle of an hour
    newer = newer.filter(pl.col("interval_end_utc") <= START + timedelta(days=DAYS + 1, hours=3, minutes=30))
    decisions = pl.DataFrame(
        {
            "meter_id": ["m01", "m02", "m00"],
            "start_utc": [START + timedelta(days=d) for d in (20, 22, 17)],
            "end_utc": [START + timedelta(days=d, hours=5) for d in (20, 22, 17)],
            "decided_at_utc": [START + timedelta(days=d) for d in (25, 30, 35)],
            "action": ["exclude", "impute", "quarantine"],
            "value_kwh": [None, 4.2, None],
            "reason": ["flatline", "operator", "spike"],
            "load_id": 3,
        }
    )
    weather = synthetic.weather(START + timedelta(days=10), 2, load_id=2).with_columns(
        known_at_utc=pl.col("known_at_utc").dt.offset_by("30m"), temperature_c=pl.col("temperature_c") + 3
    )
    telemetry = synthetic.telemetry(["machine0"], START + timedelta(days=DAYS - 3), 3000, load_id=2)
    return {
        "raw.meter_readings": pl.concat([correction, older, newer]).with_columns(load_id=pl.lit(2, pl.Int64)),
        "raw.demand_exclusions": decisions,
        "raw.weather": weather,
        "raw.telemetry": telemetry,
    }


def test_late_data_mend_the_past_as_if_they_had_always_been_there(
    repeated: Path, project: Project, tmp_path: Path
) -> None:
    late, mended, fresh = _late_data(), tmp_path / "mended.duckdb", tmp_path / "fresh.duckdb"
    shutil.copy(repeated, mended)
    synthetic.append(mended, late)
    project.run("run", mended)
    synthetic.create(fresh)
    synthetic.append(fresh, _input())
    synthetic.append(fresh, late)
    project.run("run", fresh)
    assert differences(mended, fresh, ("intermediate", "marts", "features", "reporting")) == {}
    # the comparison would pass on a run that ignored the late rows on both sides
    changed = differences(repeated, mended, ("intermediate", "marts", "features"))
    assert {"intermediate.int_demand_replayed", "marts.fct_demand_hourly", "marts.fct_demand_interval"} <= set(changed)
    assert {"marts.fct_demand_daily", "marts.fct_telemetry_15min", "features.feat_demand_day_ahead"} <= set(changed)


def test_poisoning_what_was_known_later_moves_no_feature(
    built: tuple[Path, list[dict[str, str]]], project: Project, tmp_path: Path
) -> None:
    poisoned = tmp_path / "energy.duckdb"
    synthetic.create(poisoned)
    synthetic.append(poisoned, _input())
    until = {"meters": "TIMESTAMPTZ '2024-04-03 07:00:00+00'", "machines": "TIMESTAMPTZ '2024-04-11 05:00:00+00'"}
    poison = [
        # other values, for demand and weather alike
        "UPDATE raw.meter_readings SET energy_kwh = 1e9 - energy_kwh WHERE known_at_utc > {meters}",
        "UPDATE raw.weather SET temperature_c = 45, issue_basis = 'assumed' WHERE known_at_utc > {meters}",
        "UPDATE raw.telemetry SET power_w = 1e6 WHERE known_at_utc > {machines}",
        # corrections of all that was known before
        "INSERT INTO raw.meter_readings SELECT * REPLACE (known_at_utc + INTERVAL 35 DAY AS known_at_utc, "
        "-5 AS energy_kwh) FROM raw.meter_readings WHERE known_at_utc + INTERVAL 35 DAY > {meters}",
        "INSERT INTO raw.telemetry SELECT * REPLACE ({machines} + INTERVAL 1 SECOND AS known_at_utc, "
        "observed_at_utc + INTERVAL 1 SECOND AS observed_at_utc) FROM raw.telemetry WHERE known_at_utc <= {machines}",
        # decisions about all of it
        "INSERT INTO raw.demand_exclusions SELECT meter_id, min(interval_start_utc), max(interval_end_utc), "
        "{meters} + INTERVAL 1 SECOND, 'exclude', NULL, 'poison', 9 FROM raw.meter_readings GROUP BY meter_id",
        # and holes
        "DELETE FROM raw.meter_readings WHERE known_at_utc > {meters} AND minute(interval_start_utc) = 15",
        "DELETE FROM raw.weather WHERE known_at_utc > {meters} AND location_id = 'paris'",
    ]
    with duckdb.connect(str(poisoned), config=CONFIG) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for statement in poison:
            connection.execute(statement.format(**until))
    project.run("run", poisoned, "--select", "+feat_demand_day_ahead", "+feat_machine_15min")
    for table, group in (("feat_demand_day_ahead", "meters"), ("feat_machine_15min", "machines")):
        before = f"issued_at_utc <= {until[group]}"
        assert differences(built[0], poisoned, ("features",), table=table, where=before) == {}
        assert differences(built[0], poisoned, ("features",), table=table) != {}, "the poison reached nothing"


def test_a_daily_run_tests_what_newer_loads_changed(
    repeated: Path, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubled = tmp_path / "energy.duckdb"
    shutil.copy(repeated, doubled)
    selected = ("--select", "unique_combination_fct_demand_hourly_meter_id__interval_start_utc")
    monkeypatch.setenv("ENERGY_DBT_TESTED_LOAD", "1")
    again = "INSERT INTO marts.fct_demand_hourly SELECT * REPLACE ({} AS load_id) FROM marts.fct_demand_hourly LIMIT 1"
    with duckdb.connect(str(doubled), config=CONFIG) as connection:
        connection.execute(again.format(1))
    assert project.run("test", doubled, *selected)[0]["status"] == "pass", "an old load's row was looked at"
    with duckdb.connect(str(doubled), config=CONFIG) as connection:
        connection.execute(again.format(2))
    with pytest.raises(AssertionError, match="FAIL 1"):
        project.run("test", doubled, *selected)
