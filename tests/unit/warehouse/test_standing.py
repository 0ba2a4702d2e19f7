"""Which of several models' words stand where an issue was forecast more than once, and which of several backtests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.backtest import newest_backtests
from energy_assets.defs.frames import issue_forecasts
from energy_assets.forecasting import version_row
from energy_assets.warehouse import Warehouse, append_new, append_revisions, ensure_tables
from tests.unit.forecasting.shared import zone_model
from tests.unit.warehouse.test_writes import START, forecast_rows

FORECASTS = TABLES["forecasts.demand_forecasts"]


def said(version: str, kwh: float, quality: str = "primary") -> pl.DataFrame:
    return forecast_rows(kwh).with_columns(model_version=pl.lit(version), quality=pl.lit(quality))


@pytest.mark.parametrize(
    ("roles", "stands"),
    [
        ({"a": "champion", "b": "retired"}, "a"),
        ({"a": "retired", "b": "champion"}, "b"),
        ({"a": "retired", "b": "challenger"}, "a"),
        ({"b": "challenger"}, "b"),  # of a nothing is known
    ],
)
def test_the_champions_words_stand(warehouse: Warehouse, roles: dict[str, str], stands: str) -> None:
    with warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
        for version, role in roles.items():
            row = version_row(
                zone_model(), role=role, decision="first", decided_because="-", artefact="m", sha256="0" * 64
            )
            named = row.with_columns(model_version=pl.lit(version), dagster_run_id=pl.lit("run"))
            append_new(con, TABLES["forecasts.model_versions"], named)
        append_revisions(con, FORECASTS, said("a", 2.0))
        append_revisions(con, FORECASTS, said("b", 3.0))
    with warehouse.connect(read_only=True) as con:
        found = issue_forecasts(con, START)
        assert issue_forecasts(con, START + timedelta(days=1)).is_empty()
    assert set(found["model_version"]) == {stands}
    assert found.height == 2


def test_a_forecast_stands_before_a_fallback_and_a_revision_before_what_it_revised(warehouse: Warehouse) -> None:
    with warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
        append_revisions(con, FORECASTS, said("fallback", 1.0, "fallback"))
        append_revisions(con, FORECASTS, said("model", 2.0))
        append_revisions(con, FORECASTS, said("model", 5.0))
    with warehouse.connect(read_only=True) as con:
        found = issue_forecasts(con, datetime(2026, 3, 1, tzinfo=UTC))
    assert found["demand_kwh"].to_list() == [1.0, 5.0]
    assert set(found["model_version"]) == {"model"}


def test_the_newest_daily_backtest_counts_whatever_was_asked_since(warehouse: Warehouse) -> None:
    at = datetime(2026, 3, 10, 8, tzinfo=UTC)
    made = [
        ("old", "daily", at - timedelta(days=1)),
        ("again", "daily", at),  # of the same issue time, after a late correction: the later one
        ("newest", "daily", at),
        ("asked", "asked", at),
        ("tomorrow", "daily", at + timedelta(days=1)),
    ]
    backtests = TABLES["forecasts.backtests"]
    rows = pl.DataFrame(
        [
            {
                "backtest_id": name, "kind": "zone", "made_for": made_for, "start_date": date(2026, 3, 1),
                "end_date": date(2026, 3, 11), "issue_hour": 9, "refit_weeks": 4, "training_days": 60, "models": "[]",
                "meters": None, "as_of_utc": as_of, "number": number, "forecast_interval": "hour",
            }
            for number, (name, made_for, as_of) in enumerate(made)
        ],
        schema=backtests.polars_schema,
    )  # fmt: skip
    with warehouse.transaction() as con:
        ensure_tables(con, [backtests])
        append_new(con, backtests, rows)
        assert newest_backtests(con, at) == {"zone": "newest"}
        assert newest_backtests(con, at - timedelta(hours=1)) == {"zone": "old"}
        assert newest_backtests(con, at - timedelta(days=2)) == {}
