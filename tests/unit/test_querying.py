"""SQL for people at a shell: answers from the published tables, and nothing else is read or written."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from energy_assets.querying import QueryError, query_published
from energy_assets.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A warehouse that has published one table."""
    serving = tmp_path / "serving"
    serving.mkdir()
    with duckdb.connect(str(serving / "energy.duckdb")) as con:
        con.execute("CREATE SCHEMA marts")
        con.execute("CREATE TABLE marts.hours AS SELECT 1.5 AS kwh, TIMESTAMPTZ '2026-01-01 00:00Z' AS since")
    return Settings(warehouse=tmp_path)


def test_a_query_is_answered_in_utc(settings: Settings) -> None:
    assert query_published(settings, "SELECT kwh, since::VARCHAR AS since FROM marts.hours", as_csv=True) == (
        "kwh,since\n1.5,2026-01-01 00:00:00+00"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO marts.hours VALUES (1, now())",
        "CREATE TABLE marts.mine AS SELECT 1",
        "DROP TABLE marts.hours",
        "COPY marts.hours TO '{folder}/out.csv'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/other.duckdb'",
        "SELECT * FROM read_csv('{folder}/secret.csv')",
        "SELECT * FROM read_text('{folder}/secret.csv')",
        "SELECT * FROM '{folder}/secret.csv'",
        "SELECT * FROM glob('{folder}/*')",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "LOAD '{folder}/out.so'",
    ],
)
def test_nothing_else_is_read_or_written(sql: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\nhush\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(QueryError) as caught:
        query_published(settings, sql.format(folder=tmp_path))
    assert "hush" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert query_published(settings, "SELECT count(*) AS n FROM marts.hours", as_csv=True) == "n\n1"


def test_its_settings_are_locked(settings: Settings) -> None:
    with pytest.raises(QueryError, match="locked"):
        query_published(settings, "SET memory_limit = '1MB'")


def test_without_a_publication_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="energy-assets run"):
        query_published(Settings(warehouse=tmp_path), "SELECT 1")
