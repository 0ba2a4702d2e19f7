"""What a run or a backtest made, printed: read from the published copy, as any reader would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb
from rich.console import Console
from rich.table import Table

from energy_assets.config import load_config
from energy_assets.reports.figures import main_figures, scores_of
from energy_assets.schedule import issue_time
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse, current_manifest
from energy_assets.warehouse.publishing import SCHEMAS
from energy_assets.warehouse.standing import NEWEST_BACKTESTS, STANDING_FORECASTS


def print_summary(settings: Settings, issue_date: date) -> None:
    """Rows per layer, tomorrow's forecast, peaks and advice, accuracy, anomalies, drift, and where to look further."""
    console = Console(width=110, soft_wrap=False)
    manifest = current_manifest(settings.serving)
    assert manifest is not None, "a run that succeeded has published"
    config = load_config(settings.sources_file)
    con = duckdb.connect(str(settings.serving / "energy.duckdb"), read_only=True)
    try:
        con.execute("SET TimeZone='UTC'")
        console.rule(f"{settings.folder.name}: issue date {issue_date}, known until {manifest.known_until_utc}")
        layers = {"raw": _raw_rows(settings)} | dict.fromkeys(SCHEMAS, 0)
        for name, table in manifest.tables.items():
            layers[name.split(".")[0]] += int(str(table["rows"]))
        _show(console, "Rows per layer", ["layer", "rows"], [(k, f"{v:,}") for k, v in layers.items()])
        at = [issue_time(issue_date, config.forecast.issue_hour, config.market.timezone)]
        _show(
            console,
            "Forecast of the next day (median; 80 % band at the peak)",
            ["kind", "meters", "fallback", "energy MWh", "peak kW", "peak hour (local)", "80 % band kW"],
            con.execute(_FORECAST, {"issued_at": at[0]}).fetchall(),
        )
        _show(
            console,
            "Accuracy over the last weeks (rolling origin)",
            ["kind", "model", "WAPE %", "MAE kWh", "pinball kWh", "80 % band covers %"],
            con.execute(_ACCURACY, {"at": at[0]}).fetchall(),
        )
        _show(
            console,
            "Peaks of the next day",
            ["level (0 to 3)", "windows", "highest probability"],
            con.execute(_PEAKS, at).fetchall(),
        )
        _show(console, "Loads worth moving", ["meter", "advice"], con.execute(_ADVICE, at).fetchall())
        _show(
            console,
            "Anomalies of the last fortnight",
            ["kind", "events", "of high severity", "latest"],
            con.execute(_ANOMALIES, at).fetchall(),
        )
        _show(console, "Drift", ["meters", "decision", "because"], con.execute(_DRIFT, at).fetchall())
    finally:
        con.close()
    folder = f" --warehouse {settings.folder}" if settings.folder.name != "warehouse" else ""
    console.print("Look further:", style="bold")
    console.print(
        f'  .venv/bin/energy-assets query{folder} "SELECT * FROM reporting.next_day_demand LIMIT 24"', soft_wrap=True
    )
    console.print(f"  duckdb -readonly {settings.serving / 'energy.duckdb'}", soft_wrap=True)
    console.print(f"  make ui{f' WAREHOUSE={settings.folder}' if folder else ''}", soft_wrap=True)
    console.print(f"  reports: {settings.reports}", soft_wrap=True)


def print_backtests(settings: Settings, ids: Mapping[str, str]) -> None:
    """Models and their main figures, the id and the report of each kind's backtest."""
    console = Console(width=150, soft_wrap=False)
    with duckdb.connect(str(settings.serving / "energy.duckdb"), read_only=True) as con:
        for kind, identity in ids.items():
            figures = main_figures(scores_of(con, identity))
            rows = [[name, *(cell.text for cell in cells)] for name, cells in figures.rows]
            _show(console, f"{kind} (errors in {figures.said})", ["model", *figures.titles], rows)
            console.print(f"backtest_id {identity}")
            console.print(f"report      {settings.reports / 'backtest' / f'{identity}.html'}\n", soft_wrap=True)


def _show(console: Console, title: str, columns: list[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=i == 0)
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    if rows:
        console.print(table)
    else:
        console.print(f"[bold]{title}[/bold]\nnone")
    console.print()


def _raw_rows(settings: Settings) -> int:
    """Raw tables are not published; the ledger knows how many rows came in."""
    return int(Warehouse.of(settings).frame("SELECT coalesce(sum(rows_new), 0) AS n FROM raw.load_ledger")["n"][0])


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"
    return str(value)


_FORECAST = f"""
WITH newest AS (
    SELECT f.*, m.kind, m.timezone
    FROM ({STANDING_FORECASTS}) f JOIN marts.dim_meters m USING (meter_id)
    WHERE m.kind <> 'machine'
), hours AS (
    SELECT kind, meter_id, interval_start_utc, timezone(any_value(timezone), interval_start_utc) AS local_time,
           bool_or(quality = 'fallback') AS fallback,
           max(demand_kwh) FILTER (quantile = 0.1) AS p10, max(demand_kwh) FILTER (quantile = 0.5) AS p50,
           max(demand_kwh) FILTER (quantile = 0.9) AS p90
    FROM newest GROUP BY kind, meter_id, interval_start_utc
), by_meter AS (
    SELECT kind, meter_id, bool_or(fallback) AS fallback, sum(p50) AS kwh, max(p50) AS peak_kw,
           arg_max(local_time, p50) AS peak_time, arg_max(p10, p50) AS low, arg_max(p90, p50) AS high
    FROM hours GROUP BY kind, meter_id
)
SELECT kind, count(*), count(*) FILTER (fallback), (sum(kwh) / 1000)::DOUBLE, sum(peak_kw)::DOUBLE,
       arg_max(strftime(peak_time, '%H:%M'), peak_kw), format('{{:,.1f}} - {{:,.1f}}', sum(low), sum(high))
FROM by_meter GROUP BY kind ORDER BY kind
"""

_ACCURACY = f"""
WITH newest AS ({NEWEST_BACKTESTS})
SELECT kind, model_name,
       (100 * max(value) FILTER (metric = 'wape'))::DOUBLE, (max(value) FILTER (metric = 'mae'))::DOUBLE,
       (max(value) FILTER (metric = 'pinball'))::DOUBLE, (100 * max(value) FILTER (metric = 'coverage_80'))::DOUBLE
FROM monitoring.backtest_scores JOIN newest USING (backtest_id)
WHERE slice = 'all' AND meter_id = 'all:' || kind
GROUP BY kind, model_name ORDER BY kind, 3
"""

_PEAKS = """
SELECT level, count(*), max(probability)::DOUBLE FROM flexibility.demand_peaks
WHERE issued_at_utc = ? GROUP BY level ORDER BY level DESC
"""

_ADVICE = """
SELECT meter_id, sentence FROM flexibility.load_shift_advice
WHERE issued_at_utc = ? AND status <> 'none'
ORDER BY saving_energy + saving_demand DESC, meter_id, advice_id LIMIT 5
"""

_ANOMALIES = """
SELECT kind, count(*), count(*) FILTER (severity = 'high'), strftime(max(start_utc), '%Y-%m-%d %H:%M')
FROM monitoring.demand_anomalies
WHERE detected_at_utc <= $1 AND end_utc BETWEEN $1::TIMESTAMPTZ - INTERVAL 14 DAY AND $1
GROUP BY kind ORDER BY 2 DESC, 1
"""

_DRIFT = """
SELECT replace(meter_id, 'all:', 'all of kind '), decision, because FROM monitoring.drift_decisions
WHERE issued_at_utc = (SELECT max(issued_at_utc) FROM monitoring.drift_decisions WHERE issued_at_utc <= ?)
    AND (meter_id LIKE 'all:%' OR decision <> 'nothing')
ORDER BY meter_id
"""
