"""The report of one backtest: who was how wrong, when, and how honest the bands are.

Belongs here: reading a backtest from the working file and laying it out (`backtest.html.jinja`). One file with its
pictures inside, no address of anything else, the same bytes for the same backtest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from energy_assets import plots
from energy_assets.forecasting import MODEL_NAME
from energy_assets.forecasting.backtest import PUBLISHER
from energy_assets.forecasting.publishers import FINDINGS
from energy_assets.forecasting.scores import TEMPERATURE_BANDS
from energy_assets.reports.figures import energy, in_power, main_figures, scores_of
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse, fetch
from energy_assets.warehouse.intervals import INTERVAL_VERSIONS
from energy_assets.warehouse.writes import registered

WORST_DAYS = 5
OFF_BY = 0.05  # a band that holds so much more or less than it says is marked
PARTS = {  # slice -> title, axis
    "month": ("By month", "month"),
    "hour": ("By hour", "local hour of the day"),
    "day_type": ("By kind of day", "kind of day"),
    "temperature": ("By temperature", "temperature of the hour, °C"),
}
DAY_TYPES = ("working_day", "weekend", "holiday", "bridge_day")
HOURS = """
SELECT meter_id, interval_start_utc, interval_end_utc, demand_kwh,
    CASE WHEN known_to_utc <= $as_of THEN known_to_utc END AS known_to_utc
FROM intermediate.int_demand_versions WHERE known_from_utc <= $as_of AND demand_kwh IS NOT NULL
"""
COMPARED = """
CREATE OR REPLACE TEMP TABLE compared AS
WITH of_backtest AS (
    SELECT *, epoch(interval_end_utc - interval_start_utc) / 3600 AS hours
    FROM forecasts.backtest_forecasts WHERE backtest_id = $id
)
SELECT f.* REPLACE (f.demand_kwh / hours AS demand_kwh), known.demand_kwh / hours AS actual_kwh
FROM of_backtest f JOIN known USING (meter_id, interval_start_utc, interval_end_utc)
"""  # mean power: of an hour it is the same number as its energy


def write_report(settings: Settings, backtest_id: str) -> Path:
    """Writes `reports/backtest/<backtest_id>.html` of the warehouse, whole or not at all; returns its path.

    Raises:
        LookupError: there is no such backtest.
    """
    with Warehouse.of(settings).connect(read_only=True) as con:
        page = _page(con, backtest_id, settings.folder)
    target = settings.reports / "backtest" / f"{backtest_id}.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".part")
    partial.write_text(_render(page), encoding="utf-8")
    partial.replace(target)
    return target


def _render(page: Mapping[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only a run that reports pays for it

    templates = Environment(
        loader=PackageLoader("energy_assets", "reports"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return templates.get_template("backtest.html.jinja").render(page)


def _page(con: duckdb.DuckDBPyConnection, backtest_id: str, folder: Path) -> dict[str, Any]:
    found = fetch(con, "SELECT * FROM forecasts.backtests WHERE backtest_id = $id", parameters={"id": backtest_id})
    if found.is_empty():
        raise LookupError(f"no backtest {backtest_id} in {folder}: SELECT * FROM forecasts.backtests lists them")
    about = found.row(0, named=True)
    scores = scores_of(con, backtest_id)
    figures = main_figures(scores)
    scores = in_power(scores)
    names = [name for name, _ in figures.rows]
    shown = _shown(scores, json.loads(about["models"]))
    colours = plots.model_colours(names, ours=shown)
    _compare(con, about)
    return {
        "about": about,
        "models": json.loads(about["models"]),
        "meters": _meters(con, backtest_id),
        "figures": figures,
        "hours": scores.filter(slice="all", metric="mae", model_name=shown)["n"].sum(),
        "publishers": _publishers(con, backtest_id),
        "colours": {name: colours[name] for name in names if name in colours},
        "shown": shown,
        "skills": _skills(scores, names),
        "flags": _flags(con, backtest_id),
        "parts": _parts(scores, colours),
        "quarters": _quarters(scores, shown, figures.factor),
        "reliability": _reliability(con),
        "worst": _worst(con, shown),
        "command": _command(about, folder),
    }


def _compare(con: duckdb.DuckDBPyConnection, about: Mapping[str, Any]) -> None:
    """Puts the forecasts beside what had come true, as a table of this connection."""
    identity = {"id": about["backtest_id"]}
    known, parameters = HOURS, {"as_of": about["as_of_utc"]}
    if about["forecast_interval"] == "own":
        known = INTERVAL_VERSIONS
        window = """SELECT list(DISTINCT meter_id) AS meters, min(interval_start_utc) AS since,
            max(interval_end_utc) AS until FROM forecasts.backtest_forecasts WHERE backtest_id = $id"""
        parameters |= fetch(con, window, parameters=identity).row(0, named=True)
    newest = fetch(con, known, parameters=parameters).filter(pl.col("known_to_utc").is_null())
    with registered(con, newest, "known"):
        con.execute(COMPARED, identity)


def _shown(scores: pl.DataFrame, models: list[str]) -> str:
    """The model whose bands and days are shown: ours, else the best of those with bands, else the best."""
    if MODEL_NAME in models:
        return MODEL_NAME
    banded = scores.filter(slice="all", metric="pinball").sort("value", "model_name")["model_name"].to_list()
    ranked = scores.filter(pl.col("model_name").is_in(models), slice="all", metric="mae").sort("value", "model_name")
    return str([*banded, *ranked["model_name"].to_list(), *models][0])


def _meters(con: duckdb.DuckDBPyConnection, backtest_id: str) -> list[str]:
    rows = con.execute(
        """SELECT coalesce(name, meter_id) FROM raw.meters SEMI JOIN
            (SELECT meter_id FROM forecasts.backtest_forecasts WHERE backtest_id = ?) USING (meter_id) ORDER BY 1""",
        [backtest_id],
    ).fetchall()
    return [str(name) for (name,) in rows]


def _publishers(con: duckdb.DuckDBPyConnection, backtest_id: str) -> list[str]:
    rows = con.execute(
        """SELECT DISTINCT publisher FROM forecasts.backtest_forecasts
        WHERE backtest_id = ? AND publisher IS NOT NULL ORDER BY 1""",
        [backtest_id],
    ).fetchall()
    return [str(name) for (name,) in rows]


def _skills(scores: pl.DataFrame, names: list[str]) -> list[tuple[str, list[str]]]:
    """Skill of each model (row) against each other (column), in percent."""
    values = {
        (model, metric): value
        for model, metric, value in scores.filter(pl.col("slice") == "all")
        .select("model_name", "metric", "value")
        .rows()
    }

    def cell(model: str, other: str) -> str:
        value = values.get((model, f"skill_{other}"))
        return "" if value is None else f"{100 * value:+.1f}"

    return [(model, [cell(model, other) for other in names]) for model in names]


def _flags(con: duckdb.DuckDBPyConnection, backtest_id: str) -> list[dict[str, Any]]:
    """Publishers that were left out, each with the reasons."""
    found = fetch(
        con,
        """SELECT meter_id, slice[11:] AS publisher, metric[6:] AS finding, value, n FROM monitoring.backtest_scores
        WHERE backtest_id = $id AND metric LIKE 'flag_%' ORDER BY ALL""",
        parameters={"id": backtest_id},
    )
    return [row | {"meaning": FINDINGS[row["finding"]], "value": f"{row['value']:.3g}"} for row in found.to_dicts()]


def _parts(scores: pl.DataFrame, colours: Mapping[str, str]) -> list[str]:
    """WAPE by month, hour, kind of day and temperature, as pictures."""
    pictures = []
    for name, (title, label) in PARTS.items():
        part = pl.col("slice").str.split_exact(":", 1).struct.field("field_1")
        of_slice = scores.filter(pl.col("slice").str.starts_with(f"{name}:"), pl.col("metric") == "wape")
        frame = of_slice.select(part.alias("part"), "model_name", pl.col("value") * 100)
        known = {"temperature": TEMPERATURE_BANDS, "day_type": DAY_TYPES}.get(name)
        order = known or frame["part"].unique().sort().to_list()
        rank = pl.col("part").replace_strict({p: i for i, p in enumerate(order)}, default=len(order))
        frame = frame.sort(rank, "model_name").with_columns(pl.col("part").str.replace_all("_", " "))
        if frame.height:
            picture = plots.errors_by(frame, title, unit="WAPE, %", label=label, colours=colours)
            pictures.append(plots.as_data_uri(picture))
    return pictures


def _quarters(scores: pl.DataFrame, shown: str, factor: float) -> list[dict[str, Any]]:
    """Coverage and width of the bands per quarter; empty for a model without bands."""
    of_model = scores.filter(pl.col("slice").str.starts_with("quarter:"), pl.col("model_name") == shown)
    wide = of_model.with_columns(pl.col("n").max().over("slice").alias("hours")).pivot(
        "metric", index=["slice", "hours"], values="value"
    )
    if "coverage_90" not in wide.columns:
        return []
    return [
        {
            "name": row["slice"].removeprefix("quarter:"),
            "hours": f"{row['hours']:,}",
            "wape": f"{100 * row['wape']:.2f}" if row["wape"] is not None else "",
            "bands": [
                (f"{100 * row[f'coverage_{band}']:.1f}", abs(row[f"coverage_{band}"] - band / 100) > OFF_BY)
                for band in (50, 80, 90)
            ],
            "widths": [energy(row[f"width_{band}"] * factor) for band in (80, 90)],
        }
        for row in wide.drop_nulls([f"coverage_{band}" for band in (50, 80, 90)]).sort("slice").iter_rows(named=True)
    ]


def _reliability(con: duckdb.DuckDBPyConnection) -> str | None:
    """How often what came true stayed at or below each quantile, of all models with bands."""
    observed = fetch(
        con,
        """SELECT model_name, quantile, avg((actual_kwh <= demand_kwh)::INTEGER) AS observed
        FROM compared GROUP BY model_name, quantile QUALIFY count(*) OVER (PARTITION BY model_name) > 1 ORDER BY ALL""",
    )
    return plots.as_data_uri(plots.calibration(observed, "Reliability of the quantiles")) if observed.height else None


def _worst(con: duckdb.DuckDBPyConnection, shown: str) -> list[dict[str, str]]:
    """The days on which the shown model was furthest off, in energy, with what it said and what came true."""
    worst = f"""WITH days AS (
        SELECT meter_id, issued_at_utc, avg(abs(demand_kwh - actual_kwh)) AS mae FROM compared
        WHERE model_name = $shown AND round(quantile, 3) = 0.5 GROUP BY ALL HAVING sum(hours) >= 20
    ), worst AS (SELECT * FROM days ORDER BY mae DESC, meter_id, issued_at_utc LIMIT {WORST_DAYS})"""
    hours = fetch(
        con,
        f"""{worst} SELECT worst.mae, c.*, coalesce(m.name, m.meter_id) AS name, m.timezone
        FROM worst JOIN compared c USING (meter_id, issued_at_utc) JOIN raw.meters m USING (meter_id)
        WHERE c.model_name IN ($shown, '{PUBLISHER}')
        ORDER BY worst.mae DESC, meter_id, issued_at_utc, interval_start_utc, quantile""",
        parameters={"shown": shown},
    )
    return [_day(day, shown) for day in hours.partition_by("meter_id", "issued_at_utc", maintain_order=True)]


def _day(day: pl.DataFrame, shown: str) -> dict[str, str]:
    ours, theirs = (day.filter(pl.col("model_name") == name) for name in (shown, PUBLISHER))
    median = ours.filter((pl.col("quantile") - 0.5).abs() < 1e-9)
    name, timezone = day.row(0, named=True)["name"], day.row(0, named=True)["timezone"]
    date = f"{median['interval_start_utc'].dt.convert_time_zone(timezone)[12]:%A %-d %B %Y}"
    actual = median.select("interval_start_utc", demand_kwh="actual_kwh")
    columns = ["interval_start_utc", "demand_kwh"]
    others = theirs.select(columns) if theirs.height else None
    picture = plots.forecast_band(
        ours.select(*columns, "quantile"), f"{name}, {date}", actual, others, timezone=timezone
    )
    return {
        "said": f"{shown} {_wape(median)}" + (f"; publisher {_wape(theirs)}" if theirs.height else ""),
        "picture": plots.as_data_uri(picture),
    }


def _wape(day: pl.DataFrame) -> str:
    error = day["demand_kwh"].to_numpy() - day["actual_kwh"].to_numpy()
    share = 100 * abs(error).sum() / abs(day["actual_kwh"].to_numpy()).sum()
    return f"{share:.1f} % off, mostly too {'high' if error.sum() > 0 else 'low'}"


def _command(about: Mapping[str, Any], folder: Path) -> str:
    """The command that makes it again."""
    words = ["energy-assets backtest --warehouse", str(folder)]
    if about["made_for"] == "asked":
        words += [f"--start {about['start_date']} --end {about['end_date']}"]
        words += [f"--meter {meter}" for meter in json.loads(about["meters"] or "[]")]
        words += [f"--issue-hour {about['issue_hour']} --refit-weeks {about['refit_weeks']}"]
        words += [f"--model {model}" for model in json.loads(about["models"])]
        words += ["--interval own"] if about["forecast_interval"] == "own" else []
    return " ".join(words)
