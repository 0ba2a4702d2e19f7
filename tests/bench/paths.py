"""`python -m tests.bench.paths <warehouse>`: how hours go together, in a backtest: ours against plainer ways.

The margins are the same; the orders are ours, noise of slow decay alone (as where nothing has come true), hours by
themselves, and all hours in step. Scores are proper and lower is better: variogram score of order 1/2 (Scheuerer and
Hamill 2015, pairs weighed by their nearness), energy score, and CRPS of the day's maximum; power in means of the year.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from energy_assets import forecasting
from energy_assets.warehouse import Warehouse, fetch
from tests.bench.peaks import ACTUAL, NEWEST, SAID

WARM_UP = 65  # issue days at the backtest's start, which have no past of their own yet
WAYS = ("ours", "noise", "hours by themselves", "hours in step")


def main(folder: Path) -> None:
    """Prints a line per way."""
    with Warehouse(folder / "energy.duckdb").connect(read_only=True) as con:
        said = fetch(con, SAID, {"id": con.execute(NEWEST).fetchall()[0][0]})
        actual = fetch(con, ACTUAL)
    ranks = forecasting.past_ranks(said, actual)
    mean = float(actual["demand_kwh"].mean() or 1.0)  # type: ignore[arg-type]
    scores: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
    days = said.partition_by("issued_at_utc", "meter_id", as_dict=True, maintain_order=True)
    for (issued_at, meter), day in list(days.items())[WARM_UP:]:
        assert isinstance(issued_at, datetime)
        known = ranks.filter(pl.col("meter_id") == meter, pl.col("issued_at_utc") < issued_at - timedelta(days=1))
        truth = day.unique("interval_start_utc").join(actual, on=["meter_id", "interval_start_utc"], suffix="_true")
        if truth.height != day["interval_start_utc"].n_unique():
            continue
        observed = truth.sort("interval_start_utc")["demand_kwh_true"].to_numpy() / mean
        ours, noise = (_matrix(forecasting.demand_scenarios(day, of)) / mean for of in (known, known.clear()))
        ordered = np.sort(ours, axis=0)
        shuffled = np.random.default_rng(int(issued_at.timestamp())).permuted(ordered, axis=0)
        for way, paths in zip(WAYS, (ours, noise, shuffled, ordered), strict=True):
            scores[way].append((_variogram(paths, observed), _energy(paths, observed),
                                _crps(paths.max(axis=1), observed.max())))  # fmt: skip
    sys.stdout.write(f"{'':22}  variogram  energy x100  CRPS of maximum x1000   ({len(scores[WAYS[0]])} days)\n")
    for way, of_days in scores.items():
        variogram, energy, crps = np.mean(of_days, axis=0)
        sys.stdout.write(f"{way:22} {variogram:10.4f} {100 * energy:12.3f} {1000 * crps:16.2f}\n")


def _matrix(paths: pl.DataFrame) -> np.ndarray:
    rows = paths.sort("scenario", "interval_start_utc")
    return rows["demand_kwh"].to_numpy().reshape(rows["scenario"].n_unique(), -1)


def _variogram(paths: np.ndarray, observed: np.ndarray) -> float:
    hours = np.arange(len(observed))
    weights = 1.0 / (np.abs(hours[:, None] - hours) + 1)
    expected = np.sqrt(np.abs(paths[:, :, None] - paths[:, None, :])).mean(axis=0)
    return float((weights * (expected - np.sqrt(np.abs(observed[:, None] - observed))) ** 2).sum())


def _energy(paths: np.ndarray, observed: np.ndarray) -> float:
    apart = np.linalg.norm(paths[:, None] - paths[None], axis=2).mean()
    return float(np.linalg.norm(paths - observed, axis=1).mean() - apart / 2)


def _crps(values: np.ndarray, observed: float) -> float:
    return float(np.abs(values - observed).mean() - np.abs(values[:, None] - values).mean() / 2)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
