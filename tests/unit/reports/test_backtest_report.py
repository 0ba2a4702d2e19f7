"""The table of figures and the page: what is marked, what is said, and that nothing is asked of a network."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from energy_assets.contracts import TABLES
from energy_assets.forecasting import QUANTILES, backtest_scores
from energy_assets.reports.backtest import write_report
from energy_assets.reports.figures import main_figures, scores_of
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse, append_new, ensure_tables

HOUR, DAYS = timedelta(hours=1), 12
FIRST = datetime(2022, 10, 24, 22, tzinfo=UTC)  # midnight in Paris; the clocks change within the window
INSTANT = pl.Datetime("us", "UTC")


def rows(model: str, factor: float, quantiles: tuple[float, ...] = (0.5,), seed: int = 1) -> pl.DataFrame:
    """Forecasts of twelve days around a daily shape that comes true."""
    hours = np.arange(24 * DAYS)
    chance = 1 + 0.01 * np.random.default_rng(seed).normal(size=len(hours))
    median = shape() * factor * chance
    return pl.concat(
        pl.DataFrame(
            {
                "backtest_id": "b1",
                "meter_id": "FR",
                "issued_at_utc": [FIRST + timedelta(days=int(h) // 24) - 15 * HOUR for h in hours],
                "model_name": model,
                "interval_start_utc": [FIRST + int(h) * HOUR for h in hours],
                "quantile": quantile,
                "interval_end_utc": [FIRST + int(h + 1) * HOUR for h in hours],
                "demand_kwh": median * (1 + 0.1 * (quantile - 0.5)),
                "publisher": "RTE" if model == "publisher" else None,
            },
            schema_overrides=dict(TABLES["forecasts.backtest_forecasts"].polars_schema),
        )
        for quantile in quantiles
    )


def shape() -> np.ndarray:
    return 5e7 + 1e7 * np.sin(np.arange(24 * DAYS) / 24 * 2 * np.pi)


def context(frame: pl.DataFrame) -> pl.DataFrame:
    local = pl.col("interval_start_utc").dt.convert_time_zone("Europe/Paris")
    return frame.select(
        "meter_id", "issued_at_utc", "interval_start_utc", local.dt.date().alias("local_date"),
        local.dt.hour().cast(pl.Int32).alias("local_hour"), pl.lit("working_day").alias("day_type"),
        pl.lit(12.0).alias("temperature_c"),
    ).unique()  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A warehouse with one backtest of one meter, whose second publisher was found to be a copy."""
    monkeypatch.setenv("ENERGY_WAREHOUSE", str(tmp_path))
    made = Settings()
    forecasts = pl.concat(
        [rows("demand_blend", 1.01, QUANTILES), rows("publisher", 1.04, seed=2), rows("seasonal_naive", 0.9, seed=3)]
    )
    actuals = rows("demand_blend", 1.0).select(
        "meter_id", "interval_start_utc", "interval_end_utc", demand_kwh=pl.Series(shape())
    )
    scores = backtest_scores(forecasts, actuals, {"FR": "zone"}, context(forecasts))
    flag = {
        "backtest_id": "b1", "meter_id": "FR", "model_name": "publisher", "slice": "publisher:<copy>",
        "metric": "flag_copy_of_actuals", "value": 0.97, "n": 288,
    }  # fmt: skip
    backtest = {
        "backtest_id": "b1", "kind": "zone", "made_for": "asked", "start_date": date(2022, 10, 25),
        "end_date": date(2022, 11, 5), "issue_hour": 9, "refit_weeks": 4, "training_days": 365,
        "models": '["demand_blend", "seasonal_naive"]', "meters": '["FR"]', "as_of_utc": FIRST + timedelta(days=30),
        "number": 1, "forecast_interval": "hour",
    }  # fmt: skip
    with Warehouse.of(made).transaction() as con:
        ensure_tables(con, TABLES.values())
        con.execute("INSERT INTO raw.meters BY NAME SELECT 'FR' AS meter_id, 'France' AS name, 'zone' AS kind, "
                    "'Europe/Paris' AS timezone, 60 AS interval_minutes, 'x' AS source")  # fmt: skip
        con.execute("CREATE SCHEMA intermediate")
        con.register("actuals", actuals.to_arrow())
        con.execute("CREATE TABLE intermediate.int_demand_versions AS SELECT *, interval_start_utc AS known_from_utc, "
                    "NULL::TIMESTAMPTZ AS known_to_utc FROM actuals")  # fmt: skip
        schema = TABLES["forecasts.backtests"].polars_schema
        append_new(con, TABLES["forecasts.backtests"], pl.DataFrame([backtest], schema=schema))
        append_new(con, TABLES["forecasts.backtest_forecasts"], forecasts)
        append_new(con, TABLES["monitoring.backtest_scores"], scores)
        append_new(con, TABLES["monitoring.backtest_scores"], pl.DataFrame([flag]))
    return made


def test_the_best_of_each_column_is_marked_and_large_errors_are_mwh(settings: Settings) -> None:
    with Warehouse.of(settings).connect(read_only=True) as con:
        figures = main_figures(scores_of(con, "b1"))
    assert figures.unit == "MWh"
    assert [name for name, _ in figures.rows] == ["demand_blend", "publisher", "seasonal_naive"]
    table = {name: dict(zip(figures.titles, cells, strict=True)) for name, cells in figures.rows}
    assert table["demand_blend"]["WAPE %"].best
    assert not table["publisher"]["WAPE %"].best
    assert 3.5 < float(table["publisher"]["WAPE %"].text) < 4.5
    assert table["publisher"]["pinball"].text == ""
    assert not any(cell.best for cell in (table["demand_blend"]["pinball"], table["publisher"]["DM p"]))
    assert table["demand_blend"]["DM p"].text == "< 0.001"
    assert float(table["seasonal_naive"]["bias"].text.replace(",", "")) < -4000


def test_small_errors_are_kwh_and_a_hit_share_is_best_when_high() -> None:
    scores = pl.DataFrame(
        {
            "model_name": ["a", "b", "a", "b", "a", "b", "a", "b"],
            "slice": "all",
            "metric": ["mae"] * 2 + ["peak_hour_hit"] * 2 + ["coverage_80"] * 2 + ["wape"] * 2,
            "value": [1.0, 2.0, 0.5, 0.75, 0.95, 0.78, 0.1, 0.2],
            "n": 1,
        }
    )
    figures = main_figures(scores)
    assert figures.unit == "kWh"
    best = {t: [n for n, cells in figures.rows if cells[i].best] for i, t in enumerate(figures.titles)}
    assert (best["MAE"], best["peak hour %"], best["in 80 % band"], best["RMSE"]) == (["a"], ["b"], ["b"], [])


def test_the_report_is_one_file_that_asks_nobody(settings: Settings) -> None:
    path = write_report(settings, "b1")
    assert path == settings.reports / "backtest" / "b1.html"
    page = path.read_text(encoding="utf-8")
    assert re.findall(r"(?:src|href)=\"(?!data:image/png;base64,)", page) == []
    assert "http" not in re.sub(r"base64,[^\"]+", "", page)
    assert page.count("data:image/png;base64,") == 4 + 1 + 5  # parts, reliability, worst days
    assert "The publisher is RTE." in page
    assert "copy of actuals" in page
    assert "&lt;copy&gt;" in page  # names of other people's making are text, not markup
    assert "2022Q4" in page
    assert (
        f"energy-assets backtest --warehouse {settings.folder} --start 2022-10-25 --end 2022-11-05 --meter FR "
        "--issue-hour 9 --refit-weeks 4 --model demand_blend --model seasonal_naive" in page
    )
    assert "France, " not in page.split("<h2>The worst days")[0]
    assert not list(path.parent.glob("*.part"))


def test_the_same_backtest_gives_the_same_page(settings: Settings) -> None:
    first = write_report(settings, "b1").read_bytes()
    assert write_report(settings, "b1").read_bytes() == first


def test_a_backtest_of_point_forecasts_has_a_page_without_bands(settings: Settings) -> None:
    with Warehouse.of(settings).transaction() as con:
        con.execute("DELETE FROM forecasts.backtest_forecasts WHERE model_name <> 'seasonal_naive'")
        con.execute("DELETE FROM monitoring.backtest_scores WHERE model_name <> 'seasonal_naive'")
        con.execute("UPDATE forecasts.backtests SET models = '[\"seasonal_naive\"]', meters = NULL")
    page = write_report(settings, "b1").read_text()
    assert "How honest the bands are" not in page
    assert "The worst days of seasonal_naive" in page
    assert "The publisher is" not in page


def test_a_backtest_that_is_not_there_is_named(settings: Settings) -> None:
    with pytest.raises(LookupError, match=r"no backtest b2 in .*forecasts\.backtests lists them"):
        write_report(settings, "b2")
    assert not (settings.reports / "backtest").exists()
