"""Forecasts at the meters' own interval, asked for in `sources.yaml`, and a backtest of them by the command line."""

from __future__ import annotations

import yaml
from click.testing import CliRunner, Result

from energy_assets.cli import main
from energy_assets.defs.issues import PARTITION
from tests.pipeline.test_replay import forecast
from tests.warehouses import ISSUE_DATE, ISSUED_AT, NOW, Folder

COUNTED = """SELECT meter_id, m.interval_minutes, count(DISTINCT i.interval_start_utc), count(DISTINCT i.quantile),
    bool_and(i.interval_end_utc = i.interval_start_utc + to_minutes(m.interval_minutes))
FROM forecasts.interval_forecasts i JOIN raw.meters m USING (meter_id) GROUP BY ALL ORDER BY 1"""
FINER = """SELECT meter_id, interval_minutes, 1440 // interval_minutes, 7, TRUE FROM raw.meters
WHERE interval_minutes < 60 AND kind <> 'machine' ORDER BY 1"""
OFF = """WITH parts AS (
    SELECT meter_id, model_version, time_bucket(INTERVAL 1 HOUR, interval_start_utc) AS interval_start_utc,
        sum(demand_kwh) AS kwh FROM forecasts.interval_forecasts WHERE quantile = 0.5 GROUP BY ALL)
SELECT count(*), max(abs(kwh - demand_kwh) / (1 + demand_kwh)) < 1e-9
FROM parts JOIN forecasts.demand_forecasts h USING (meter_id, model_version, interval_start_utc)
WHERE h.quantile = 0.5 AND h.issued_at_utc = $at"""
QUESTION = (
    "--start", "2026-03-01", "--end", "2026-03-06", "--refit-weeks", "4", "--model", "seasonal_naive", "--model",
    "calendar_temperature", "--interval", "own",
)  # fmt: skip
ASKED = """SELECT backtest_id, kind FROM forecasts.backtests WHERE forecast_interval = 'own' ORDER BY kind"""


def backtest(folder: Folder, *arguments: str) -> Result:
    with folder.environment(NOW):
        return CliRunner().invoke(main, ["backtest", "--warehouse", str(folder.path), *arguments])


def test_meters_of_sources_that_ask_are_forecast_at_their_own_interval(copied: Folder) -> None:
    assert copied.rows("SELECT count(*) FROM forecasts.interval_forecasts") == [(0,)]
    others = copied.content("features", "forecasts")
    sources = copied.path / "sources.yaml"
    asking = yaml.safe_load(sources.read_text())
    asking["forecast"]["own_interval"] = ["fleet"]
    sources.write_text(yaml.safe_dump(asking, sort_keys=False))
    result = forecast(copied, "forecasts/interval_forecasts", **{PARTITION: ISSUE_DATE.isoformat()})
    checks = {c.check_name: c.passed for c in result.get_asset_check_evaluations()}
    assert checks["parts_sum_up_to_hours"]
    assert checks["every_source_that_asks_has_one"]
    assert copied.rows(COUNTED) == copied.rows(FINER)
    assert len(copied.rows(FINER)) >= 3
    [(hours, same)] = copied.rows(OFF, at=ISSUED_AT)
    assert (hours, same) == (24 * len(copied.rows(FINER)), True)
    changed = {name for name, mark in copied.content("features", "forecasts").items() if others.get(name) != mark}
    assert changed == {"forecasts.interval_forecasts"}


def test_a_backtest_at_the_own_interval_is_of_the_meters_that_have_one(copied: Folder) -> None:
    said = backtest(copied, *QUESTION)
    assert said.exit_code == 0, said.output[-3000:]
    assert "errors in kW)" in said.stdout
    asked = copied.rows(ASKED)
    assert [kind for _, kind in asked] == ["building", "household", "industrial"]  # the zone is read by the hour
    [(identity, _), *_] = asked
    assert copied.rows(
        f"""SELECT DISTINCT model_name, count(DISTINCT interval_start_utc), max(interval_end_utc - interval_start_utc)
            = INTERVAL 15 MINUTE FROM forecasts.backtest_forecasts WHERE backtest_id = '{identity}' GROUP BY ALL
        ORDER BY 1"""
    ) == [("calendar_temperature", 6 * 96, True), ("seasonal_naive", 6 * 96, True)]
    figures = copied.rows(
        f"""SELECT max(value) FILTER (metric = 'mae_kw') / max(value) FILTER (metric = 'mae')
        FROM monitoring.backtest_scores WHERE backtest_id = '{identity}' AND slice = 'all' AND meter_id = 'all:building'
            AND model_name = 'seasonal_naive'"""
    )
    assert abs(float(str(figures[0][0])) - 4) < 1e-9
    page = (copied.path / "reports" / "backtest" / f"{identity}.html").read_text()
    assert "--interval own" in page
    assert "Errors are kW;" in page

    refused = backtest(copied, *QUESTION, "--meter", "zone_01")
    assert refused.exit_code == 1
    assert "zone: no meter of it has an interval that is finer than an hour" in refused.output + refused.stderr
