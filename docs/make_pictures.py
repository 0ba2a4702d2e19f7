"""Makes the pictures of the README anew.

    make run WAREHOUSE=/path/to/france ISSUE_DATE=2022-12-31      # docs/examples/france/sources.yaml
    .venv/bin/energy-assets backtest --warehouse /path/to/france --start 2023-01-01 --end 2023-12-31
    .venv/bin/python docs/make_pictures.py week /path/to/france FR docs/images/forecast_france.png
    make run WAREHOUSE=/path/to/december ISSUE_DATE=2022-12-08     # the same sources, elsewhere
    .venv/bin/python docs/make_pictures.py peaks /path/to/december FR docs/images/peaks_france.png
    .venv/bin/python docs/make_pictures.py drift docs/images/drift_finland.png     # needs the files at ENERGY_REAL_DATA
    make ui                                                        # in another terminal
    .venv/bin/python docs/make_pictures.py graph http://localhost:3000 docs/images/graph.png    # needs chromium

All but the drift is read from the published copy.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
from PIL import Image

from energy_assets import monitoring, plots
from energy_assets.settings import PROJECT_ROOT

GRAPH_PX = (550, 190, 2350, 830)  # of the window: the graph without the UI's menus
WEEK = """
WITH hours AS (
    SELECT b.interval_start_utc, b.quantile, b.demand_kwh, h.demand_kwh AS actual_kwh, p.demand_kwh AS publisher_kwh,
           m.name, m.timezone, date_trunc('week', h.local_date) AS week
    FROM forecasts.backtest_forecasts b
    JOIN marts.dim_meters m USING (meter_id)
    JOIN marts.fct_demand_hourly h USING (meter_id, interval_start_utc)
    LEFT JOIN forecasts.backtest_forecasts p
        ON p.backtest_id = b.backtest_id AND p.meter_id = b.meter_id AND p.interval_start_utc = b.interval_start_utc
        AND p.publisher IS NOT NULL
    WHERE b.meter_id = $meter AND b.model_name = 'demand_blend'
        AND b.backtest_id = (
            SELECT arg_max(r.backtest_id, r.number)
            FROM forecasts.backtests r JOIN marts.dim_meters USING (kind) WHERE meter_id = $meter
        )
),
weeks AS (
    SELECT week, sum(abs(demand_kwh - actual_kwh)) / sum(actual_kwh) AS error
    FROM hours WHERE quantile = 0.5
    GROUP BY week
    HAVING count(actual_kwh) >= 167
)
SELECT * EXCLUDE (week) FROM hours
WHERE week = (SELECT week FROM weeks WHERE error = (SELECT quantile_disc(error, 0.5) FROM weeks))
ORDER BY interval_start_utc, quantile
"""

NEWEST = "meter_id = $meter AND issued_at_utc = (SELECT max(issued_at_utc) FROM flexibility.peak_probabilities)"
PEAKS = (
    f"SELECT interval_start_utc, quantile, arg_max(demand_kwh, revision) AS demand_kwh FROM forecasts.demand_forecasts "
    f"WHERE {NEWEST} GROUP BY ALL",
    f"SELECT * FROM flexibility.peak_probabilities WHERE {NEWEST}",
    f"SELECT * FROM flexibility.demand_peaks WHERE {NEWEST}",
    f"SELECT h.interval_start_utc, h.demand_kwh FROM marts.fct_demand_hourly h "
    f"SEMI JOIN (SELECT * FROM flexibility.peak_probabilities WHERE {NEWEST}) p "
    f"ON p.meter_id = h.meter_id AND p.interval_start_utc = h.interval_start_utc WHERE h.demand_kwh IS NOT NULL",
)


def week(warehouse: Path, meter_id: str, target: Path) -> None:
    """The week of median error of the newest backtest: bands, the publisher's forecast, and what came true."""
    with duckdb.connect(str(warehouse / "serving" / "energy.duckdb"), read_only=True) as con:
        con.execute("SET TimeZone='UTC'")
        hours = con.sql(WEEK, params={"meter": meter_id}).pl()
    if hours.is_empty():
        sys.exit(f"no evaluated forecast of {meter_id} in {warehouse}")
    name, timezone = hours.row(0, named=True)["name"], hours.row(0, named=True)["timezone"]
    each = hours.unique("interval_start_utc").sort("interval_start_utc")
    target.write_bytes(
        plots.forecast_band(
            hours.select("interval_start_utc", "quantile", "demand_kwh"),
            f"{name}: the week of median error, each day forecast on the morning before",
            each.select("interval_start_utc", demand_kwh="actual_kwh").drop_nulls(),
            each.select("interval_start_utc", demand_kwh="publisher_kwh").drop_nulls(),
            timezone=timezone,
        )
    )


def peaks(warehouse: Path, meter_id: str, target: Path) -> None:
    """The newest issue's day against its thresholds, with what came true."""
    with duckdb.connect(str(warehouse / "serving" / "energy.duckdb"), read_only=True) as con:
        con.execute("SET TimeZone='UTC'")
        said, hours, windows, actual = (con.sql(sql, params={"meter": meter_id}).pl() for sql in PEAKS)
        described = con.execute("SELECT name, timezone FROM marts.dim_meters WHERE meter_id = ?", [meter_id]).fetchall()
    if hours.is_empty():
        sys.exit(f"no peaks of {meter_id} in {warehouse}")
    [(name, timezone)] = described
    day = hours["interval_start_utc"].max()
    title = f"{name}, {day:%d %B %Y}, forecast the morning before"
    target.write_bytes(plots.peak_day(said, hours, windows, title, actual, timezone=timezone))


def drift(target: Path) -> None:
    """Finland with 8 % more demand from a Monday of 2018 on: what the watch on drift makes of it."""
    sys.path.insert(0, str(PROJECT_ROOT))
    from tests.bench.drift import DRIFTS, drifting, finland, heating

    begins = date(2018, 1, 15)
    whole = finland().filter(pl.col("local_date") < date(2018, 7, 2))
    keys = ["meter_id", "interval_start_utc"]
    known = whole.join(heating(whole), on=keys).with_columns(mean_kwh=pl.col("demand_kwh").mean())
    weeks = monitoring.drift.timeline(drifting(known, DRIFTS[0], begins), pl.DataFrame())
    weeks = weeks.filter(pl.col("meter_id") == "FI", pl.col("week") >= date(2017, 1, 2))
    title = "Finland with 8 % more demand from 15 January 2018 on"
    target.write_bytes(plots.drift_timeline(weeks, title, begins))


def graph(address: str, target: Path) -> None:
    """The UI's graph of the asset groups, as a person sees it."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        subprocess.run(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
             f"--user-data-dir={folder}/profile", "--window-size=2400,1150", "--virtual-time-budget=40000",
             f"--screenshot={shot}", f"{address}/asset-groups"],
            check=True, capture_output=True, timeout=180,
        )  # fmt: skip
        whole = Image.open(shot).convert("RGB")
        whole.crop(GRAPH_PX).quantize(64).save(target, optimize=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["peaks", folder, meter, out]:
            peaks(Path(folder), meter, Path(out))
        case ["week", folder, meter, out]:
            week(Path(folder), meter, Path(out))
        case ["drift", out]:
            drift(Path(out))
        case ["graph", address, out]:
            graph(address, Path(out))
        case _:
            sys.exit(__doc__)
