"""A backtest by the command line: another hour, another window, and a daily run afterwards that knows nothing of it."""

from __future__ import annotations

from click.testing import CliRunner, Result

from energy_assets.cli import main
from tests.conftest import Built
from tests.warehouses import DAY, NOW, Folder, differences

QUESTION = (
    "--start", "2026-02-20", "--end", "2026-03-02", "--meter", "zone_01", "--issue-hour", "6", "--refit-weeks", "1",
    "--model", "seasonal_naive", "--model", "calendar_temperature",
)  # fmt: skip
OWN_HOUR = """SELECT count(*), sum(hash(f)::HUGEINT) FROM features.feat_demand_day_ahead f
WHERE hour(timezone('Europe/Paris', issued_at_utc)) = 9"""
DAILY = "SELECT * EXCLUDE (number) FROM forecasts.backtests WHERE made_for = 'daily' ORDER BY ALL"
SCORED = """SELECT count(*), sum(hash(s)::HUGEINT) FROM monitoring.backtest_scores s
WHERE backtest_id IN (SELECT backtest_id FROM forecasts.backtests WHERE made_for = 'daily')"""
BOTH = {
    "features.feat_demand_day_ahead",
    "forecasts.backtests",
    "forecasts.backtest_forecasts",
    "monitoring.backtest_scores",
}


def backtest(folder: Folder, *arguments: str) -> Result:
    with folder.environment(NOW):
        return CliRunner().invoke(main, ["backtest", "--warehouse", str(folder.path), *arguments])


def test_a_backtest_at_another_hour_stands_beside_the_daily_ones_and_moves_nothing(
    copied: Folder, next_day: Built
) -> None:
    daily = copied.rows(DAILY)
    said = backtest(copied, *QUESTION)
    assert said.exit_code == 0, said.output[-3000:]
    [(identity, kind, hour, weeks, meters)] = copied.rows(
        "SELECT backtest_id, kind, issue_hour, refit_weeks, meters FROM forecasts.backtests WHERE made_for = 'asked'"
    )
    assert (kind, hour, weeks, meters) == ("zone", 6, 1, '["zone_01"]')
    assert f"backtest_id {identity}" in said.stdout
    assert "calendar_temperature" in said.stdout
    assert "fit 2 of 2" in said.stderr
    assert (copied.path / "reports" / "backtest" / f"{identity}.html").exists()
    assert copied.rows(
        f"""SELECT DISTINCT meter_id, hour(timezone('Europe/Paris', issued_at_utc)), count(DISTINCT issued_at_utc)
        FROM forecasts.backtest_forecasts WHERE backtest_id = '{identity}' GROUP BY ALL"""
    ) == [("zone_01", 6, 11)]
    assert copied.rows(DAILY) == daily

    again = backtest(copied, *QUESTION)
    assert f"backtest_id {identity}" in again.stdout
    assert "fit 1 of" not in again.stderr

    copied.run(now=NOW + DAY)
    undisturbed = next_day.folder
    assert set(differences(undisturbed.content(), copied.content())) <= BOTH
    for own in (OWN_HOUR, DAILY, SCORED):
        assert copied.rows(own) == undisturbed.rows(own)


def test_a_question_without_an_answer_is_refused_before_anything_runs(copied: Folder) -> None:
    before = copied.content()
    for question, answer in (
        (("--meter", "nobody"), "no meter with hourly forecasts is called nobody; there are "),
        (("--model", "oracle"), "no model is called 'oracle'; there are "),
        (("--end", "2026-04-01"), "choose an earlier end"),
    ):
        said = backtest(copied, *question)
        assert said.exit_code == 1
        assert answer in said.stderr
        assert "Traceback" not in said.output
    assert differences(before, copied.content()) == {}


def test_a_window_before_all_data_is_answered(copied: Folder) -> None:
    said = backtest(copied, "--start", "2020-01-01", "--end", "2020-01-31", "--meter", "zone_01")
    assert said.exit_code == 1
    assert "zone: no meter of it was known from 2019-12-31 to 2020-01-30" in said.output + said.stderr
    assert copied.rows("SELECT count(*) FROM forecasts.backtests WHERE made_for = 'asked'") == [(0,)]


def test_a_publisher_that_copies_what_came_true_is_named_and_not_compared_with(copied: Folder) -> None:
    with copied.warehouse.transaction() as con:
        con.execute(
            """UPDATE raw.published_forecasts AS p SET energy_kwh = v.demand_kwh
            FROM intermediate.int_demand_versions v
            WHERE v.meter_id = p.meter_id AND v.interval_start_utc = p.interval_start_utc AND v.demand_kwh > 0"""
        )
    said = backtest(
        copied, "--start", "2026-02-20", "--end", "2026-03-02", "--model", "seasonal_naive", "--meter", "zone_01"
    )
    assert said.exit_code == 0, said.output[-3000:]
    assert "Simulated TSO is not compared with for zone_01: copy_of_actuals" in said.stderr
    [(identity,)] = copied.rows("SELECT backtest_id FROM forecasts.backtests WHERE made_for = 'asked'")
    assert copied.rows(
        f"SELECT meter_id, slice, metric, value > 0.9 FROM monitoring.backtest_scores WHERE backtest_id = '{identity}' "
        "AND model_name = 'publisher'"
    ) == [("zone_01", "publisher:Simulated TSO", "flag_copy_of_actuals", True)]
    models = f"SELECT DISTINCT model_name FROM forecasts.backtest_forecasts WHERE backtest_id = '{identity}'"
    assert copied.rows(models) == [("seasonal_naive",)]
    page = (copied.path / "reports" / "backtest" / f"{identity}.html").read_text()
    assert "Not compared with" in page
    assert "Simulated TSO for zone_01: copy of actuals" in page
