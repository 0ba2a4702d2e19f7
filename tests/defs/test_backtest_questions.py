"""What a backtest may be asked, what is taken from `sources.yaml`, and what is wrong with the rest."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from energy_assets.cli import main
from energy_assets.config import load_config
from energy_assets.config.models import WarehouseConfig
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.evaluation import BacktestConfig, Evaluation, WrongQuestion
from energy_assets.defs.frames import issue_times
from energy_assets.defs.issues import Issues
from energy_assets.forecasting.contenders import DEFAULT
from energy_assets.warehouse import ensure_tables
from tests.warehouses import Folder

RUN = Issues(date(2026, 3, 10), date(2026, 3, 10), 9, "Europe/Paris")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A warehouse that knows two meters and a machine."""
    made = Folder.make(tmp_path / "warehouse")
    with made.warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
        con.execute(
            "INSERT INTO raw.meters BY NAME SELECT unnest(['FR', 'home', 'M1']) AS meter_id, 'UTC' AS timezone, "
            "'x' AS name, unnest(['zone', 'household', 'machine']) AS kind, 60 AS interval_minutes, 'x' AS source"
        )
    return made


def config(folder: Folder) -> WarehouseConfig:
    return load_config(folder.path / "sources.yaml")


def asked(folder: Folder, **question: object) -> Evaluation:
    return Evaluation.of(BacktestConfig.model_validate(question), config(folder), folder.warehouse, RUN)


def test_without_a_question_it_is_the_last_weeks_of_every_day(folder: Folder) -> None:
    found = asked(folder)
    assert found.made_for == "daily"
    assert (found.issues.first, found.issues.last) == (date(2026, 2, 25), date(2026, 3, 10))  # two weeks
    assert (found.issues.issue_hour, found.refit_weeks, found.models, found.meters) == (9, 2, DEFAULT, ())
    assert found.as_of == RUN.last_time
    assert asked(folder, report=True) == found


def test_days_are_those_that_are_forecast_and_issued_the_day_before(folder: Folder) -> None:
    found = asked(
        folder, start="2026-01-01", end="2026-01-31", issue_hour=6, meters=["FR", "FR"], models=["seasonal_naive"]
    )
    assert found.made_for == "asked"
    assert (found.issues.first, found.issues.last) == (date(2025, 12, 31), date(2026, 1, 30))
    assert found.issues.first_time == datetime(2025, 12, 31, 5, tzinfo=UTC)
    assert (found.meters, found.models) == (("FR",), ("seasonal_naive",))
    assert found.settings["start_date"] == date(2026, 1, 1)
    assert found.learned_from[0] == datetime(2025, 11, 1, 5, tzinfo=UTC)  # sixty training days
    assert found.learned_from[-1] == found.issues.last_time


def test_an_end_alone_has_the_usual_length(folder: Folder) -> None:
    found = asked(folder, end="2026-01-31")
    assert (found.settings["start_date"], found.settings["end_date"]) == (date(2026, 1, 18), date(2026, 1, 31))


def test_a_window_over_a_clock_change_is_issued_at_the_local_hour(folder: Folder) -> None:
    found = asked(folder, start="2025-10-25", end="2025-10-28")
    assert [at.hour for at in found.issues.times] == [7, 7, 8, 8]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"start": "2026-02-01", "end": "2026-01-31"}, "begins on 2026-02-01 and ends on 2026-01-31"),
        ({"start": "1.2.2026"}, "start: '1.2.2026' is no day; write it like 2023-12-31"),
        (
            {"end": "2026-03-12"},
            "2026-03-12 is forecast on 2026-03-11 at 9:00, which is after the run's own issue time",
        ),
        ({"end": "2026-03-11", "issue_hour": 10}, "choose an earlier end"),
        ({"meters": ["FR", "ES"]}, "no meter with hourly forecasts is called ES; there are FR, home"),
        ({"meters": ["M1"]}, "is called M1"),
        ({"models": ["seasonal_naive", "oracle"]}, "no model is called 'oracle'; there are "),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(folder: Folder, question: dict[str, object], said: str) -> None:
    with pytest.raises(WrongQuestion) as error:
        asked(folder, **question)
    assert said in str(error.value)


def test_before_anything_is_loaded_there_is_nothing_to_ask(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "empty")
    with pytest.raises(WrongQuestion, match="nothing is loaded yet: `energy-assets run` loads and builds"):
        asked(folder)
    assert not folder.warehouse.database.exists()


def test_the_warehouse_s_own_issue_times_are_those_of_its_hour(folder: Folder) -> None:
    as_of = datetime(2025, 10, 28, 8, tzinfo=UTC)  # two days after the clocks went back
    before = [datetime(2025, 10, day, hour, tzinfo=UTC) for day, hour in ((24, 7), (25, 7), (26, 8), (27, 8))]
    assert issue_times(config(folder), as_of=as_of, days=2) == before[2:]
    assert issue_times(config(folder), as_of=as_of, days=5)[-4:] == before


def test_what_is_only_loaded_has_to_be_built_first(folder: Folder) -> None:
    with folder.environment():
        said = CliRunner().invoke(main, ["backtest", "--warehouse", str(folder.path)])
    assert said.exit_code == 1
    assert "marts and features are not built yet" in said.output + said.stderr
