"""Which model speaks at an instant, also where a file is lost or of another format."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from energy_assets.defs.forecasting.registry import champion, roles
from energy_assets.forecasting import save
from tests.unit.forecasting.shared import zone_model

NOW = datetime(2022, 6, 1, tzinfo=UTC)


def _warehouse(*rows: tuple[str, str, str, str]) -> duckdb.DuckDBPyConnection:
    """Decisions: version, artefact, time and outcome."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.execute("CREATE SCHEMA forecasts")
    con.execute(
        "CREATE TABLE forecasts.model_versions"
        " (model_version TEXT, artefact TEXT, trained_at_utc TIMESTAMPTZ, role TEXT)"
    )
    con.execute(
        "CREATE TABLE forecasts.model_decisions"
        " (model_name TEXT, to_version TEXT, decided_at_utc TIMESTAMPTZ, decision TEXT)"
    )
    for version, artefact, decided_at, decision in rows:
        con.execute(
            "INSERT INTO forecasts.model_versions VALUES (?, ?, ?, 'challenger')", [version, artefact, decided_at]
        )
        con.execute("INSERT INTO forecasts.model_decisions VALUES ('x', ?, ?, ?)", [version, decided_at, decision])
    return con


def test_the_last_promoted_before_the_instant_speaks(tmp_path: Path) -> None:
    save(zone_model(), tmp_path / "a")
    with _warehouse(("a", "a/model.json", "2022-05-01", "first"), ("b", "b/model.json", "2022-07-01", "first")) as con:
        found = champion(con, tmp_path, "x", NOW)
        assert found is not None
        assert found[0].version == zone_model().version
        assert champion(con, tmp_path, "x", datetime(2022, 4, 1, tzinfo=UTC)) is None
        assert champion(con, tmp_path, "x", datetime(2022, 8, 1, tzinfo=UTC)) is None  # its file is lost


def test_an_artefact_of_an_older_format_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"file_format": 1, "what": "day_ahead", "name": "x"}')
    old = ("old", "old.json", "2022-05-01", "first")
    with _warehouse(old) as con:
        assert champion(con, tmp_path, "x", NOW) is None
    save(zone_model(), tmp_path / "new")
    with _warehouse(old, ("new", "new/model.json", "2022-05-01", "first")) as con:
        found = champion(con, tmp_path, "x", NOW)
        assert found is not None
        assert found[0].version == zone_model().version


def test_of_two_decisions_of_one_instant_the_last_made_counts(tmp_path: Path) -> None:
    save(zone_model(), tmp_path / "a")
    same = [(version, "a/model.json", "2022-05-01", "first") for version in ("z", "b")]
    with _warehouse(("y", "a/model.json", "2022-04-01", "first"), *same) as con:
        con.execute("INSERT INTO forecasts.model_versions VALUES ('c', 'c', '2022-05-01', 'champion')")
        roles(con)
        found = dict(con.execute("SELECT model_version, role FROM forecasts.model_versions").fetchall())
    assert found == {"y": "retired", "z": "retired", "b": "champion", "c": "challenger"}
