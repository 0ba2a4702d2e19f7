"""What a run built, printed: read from the published copy, as any reader would."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import duckdb
from rich.console import Console
from rich.table import Table

from energy_assets.settings import Settings
from energy_assets.warehouse import current_manifest


def print_summary(settings: Settings, issue_date: date) -> None:
    """Rows per layer, tomorrow's forecast and peak per kind, accuracy, anomalies, drift, and where to look further."""
    console = Console(width=110, soft_wrap=False)
    manifest = current_manifest(settings.serving)
    assert manifest is not None, "a run that succeeded has published"
    con = duckdb.connect(str(settings.serving / "energy.duckdb"), read_only=True)
    try:
        con.execute("SET TimeZone='UTC'")
        console.rule(f"{settings.folder.name}: issue date {issue_date}, known until {manifest.known_until_utc}")
        layers: dict[str, int] = {}
        for name, table in manifest.tables.items():
            layers[name.split(".")[0]] = layers.get(name.split(".")[0], 0) + int(str(table["rows"]))
        _show(console, "Rows per layer", ["layer", "rows"], [(k, f"{v:,}") for k, v in layers.items()])
        _show(
            console,
            "Forecast of the next day (median; 80 % band at the peak)",
            ["kind", "meters", "fallback", "energy MWh", "peak kW", "peak hour (local)", "80 % band kW"],
            con.execute(_FORECAST).fetchall(),
        )
        _show(
            console,
            "Accuracy over the last weeks (rolling origin, WAPE %)",
            ["kind", "model", "WAPE %", "MAE kWh", "pinball kWh", "80 % band covers %"],
            con.execute(_ACCURACY).fetchall(),
        )
        _show(
            console, "Peaks flagged for the next day", ["level", "windows", "highest probability"],
            con.execute(_PEAKS).fetchall(),
        )  # fmt: skip
        _show(
            console, "Anomalies", ["kind", "events", "high severity", "latest"],
            con.execute(_ANOMALIES).fetchall(),
        )  # fmt: skip
        _show(console, "Drift", ["kind", "verdict"], con.execute(_DRIFT).fetchall())
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


def _show(console: Console, title: str, columns: list[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*("" if v is None else f"{v:,.1f}" if isinstance(v, float) else str(v) for v in row))
    if rows:
        console.print(table)
    else:
        console.print(f"[bold]{title}[/bold]\nnone")
    console.print()


_FORECAST = """
WITH latest AS (
    SELECT * FROM reporting.next_day_demand
    QUALIFY issued_at_utc = max(issued_at_utc) OVER ()
), by_meter AS (
    SELECT kind, meter_id, bool_or(quality = 'fallback') AS fallback, sum(p50_kwh) AS kwh,
           max(p50_kwh) AS peak_kw, arg_max(interval_start_local, p50_kwh) AS peak_time,
           arg_max(p10_kwh, p50_kwh) AS low, arg_max(p90_kwh, p50_kwh) AS high
    FROM latest GROUP BY ALL
)
SELECT kind, count(*), count(*) FILTER (fallback), (sum(kwh) / 1000)::DOUBLE, sum(peak_kw)::DOUBLE,
       arg_max(strftime(peak_time, '%H:%M'), peak_kw), format('{:,.1f} - {:,.1f}', sum(low), sum(high))
FROM by_meter GROUP BY kind ORDER BY kind
"""

_ACCURACY = """
WITH newest AS (
    SELECT arg_max(backtest_id, issued_at_utc) AS backtest_id, kind
    FROM forecasts.backtest_forecasts JOIN marts.dim_meters USING (meter_id) GROUP BY kind
)
SELECT kind, model_name,
       (100 * max(value) FILTER (metric = 'wape'))::DOUBLE, (max(value) FILTER (metric = 'mae'))::DOUBLE,
       (max(value) FILTER (metric = 'pinball'))::DOUBLE, (100 * max(value) FILTER (metric = 'coverage_80'))::DOUBLE
FROM monitoring.backtest_scores JOIN newest USING (backtest_id)
WHERE slice = 'all' AND meter_id = 'all:' || kind
GROUP BY kind, model_name ORDER BY kind, 3
"""

_PEAKS = """
SELECT level, count(*), max(probability)::DOUBLE FROM flexibility.demand_peaks
WHERE issued_at_utc = (SELECT max(issued_at_utc) FROM flexibility.demand_peaks)
GROUP BY level ORDER BY level DESC
"""

_ANOMALIES = """
SELECT kind, count(*), count(*) FILTER (severity = 'high'), strftime(max(start_utc), '%Y-%m-%d %H:%M')
FROM monitoring.demand_anomalies GROUP BY kind ORDER BY 2 DESC
"""

_DRIFT = """
SELECT meter_id, CASE WHEN bool_or(drifted) FILTER (role = 'decides') THEN 'drifted'
                      WHEN bool_or(drifted) THEN 'stable; features have moved' ELSE 'stable' END
FROM monitoring.drift_scores
WHERE current_end_utc = (SELECT max(current_end_utc) FROM monitoring.drift_scores)
GROUP BY meter_id ORDER BY meter_id
"""
