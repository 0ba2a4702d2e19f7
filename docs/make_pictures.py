"""Makes the pictures of the README anew.

    make run WAREHOUSE=/path/to/france ISSUE_DATE=2022-11-20      # docs/examples/france/sources.yaml
    .venv/bin/python docs/make_pictures.py forecast /path/to/france FR docs/images/forecast_france.png
    make ui                                                        # in another terminal
    .venv/bin/python docs/make_pictures.py graph http://localhost:3000 docs/images/graph.png    # needs chromium

A forecast is drawn from the published copy: the newest issue of a meter, what the publisher said, and what came true.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
from PIL import Image

from energy_assets import plots

QUANTILES = {"p05_kwh": 0.05, "p10_kwh": 0.1, "p25_kwh": 0.25, "p50_kwh": 0.5, "p75_kwh": 0.75, "p90_kwh": 0.9,
             "p95_kwh": 0.95}  # fmt: skip


def forecast(warehouse: Path, meter_id: str, target: Path) -> None:
    """The newest forecast of a meter with its bands, the publisher's and the actual demand."""
    with duckdb.connect(str(warehouse / "serving" / "energy.duckdb"), read_only=True) as con:
        con.execute("SET TimeZone='UTC'")
        day = con.sql(
            "SELECT n.*, h.demand_kwh AS actual_kwh FROM reporting.next_day_demand n "
            "LEFT JOIN marts.fct_demand_hourly h USING (meter_id, interval_start_utc) "
            "WHERE n.meter_id = $meter ORDER BY n.interval_start_utc",
            params={"meter": meter_id},
        ).pl()
    if day.is_empty():
        sys.exit(f"no forecast of {meter_id} in {warehouse}")
    first = day.row(0, named=True)
    bands = day.unpivot(
        list(QUANTILES), index="interval_start_utc", variable_name="quantile", value_name="demand_kwh"
    ).with_columns(pl.col("quantile").replace_strict(QUANTILES))
    publisher = day.select("interval_start_utc", demand_kwh="publisher_forecast_kwh").drop_nulls()
    actual = day.select("interval_start_utc", demand_kwh="actual_kwh").drop_nulls()
    issued = first["issued_at_utc"].astimezone(ZoneInfo(first["timezone"]))
    title = f"{first['meter_name']}, {first['local_date']}: forecast of {issued:%Y-%m-%d %H:%M}"
    target.write_bytes(plots.forecast_band(bands, title, actual, publisher, timezone=first["timezone"]))


def graph(address: str, target: Path) -> None:
    """The UI's graph of all assets, as a person sees it."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        subprocess.run(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
             f"--user-data-dir={folder}/profile", "--window-size=1800,1000", "--virtual-time-budget=40000",
             f"--screenshot={shot}", f"{address}/asset-groups"],
            check=True, capture_output=True, timeout=180,
        )  # fmt: skip
        picture = Image.open(io.BytesIO(shot.read_bytes())).convert("RGB")
        picture.quantize(64).save(target, optimize=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["forecast", folder, meter, out]:
            forecast(Path(folder), meter, Path(out))
        case ["graph", url, out]:
            graph(url, Path(out))
        case _:
            sys.exit(__doc__)
