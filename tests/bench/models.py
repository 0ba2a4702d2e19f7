"""`python -m tests.bench.models` (or `make compare-models`): all models on the same backtest, as a table.

Each model is refitted and scored in a process of its own: accuracy, CPU seconds, memory. By default on the simulated
default warehouse, built for it in a temporary folder, and the table replaces the one in `docs/models.md`; with
`--warehouse` on another one, printed, or written into the named table of that page.

    make compare-models WAREHOUSE=/path/to/folder COMPARE="--first 2022-07-01 --last 2022-12-31 --refit-weeks 8"
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import psutil
import yaml

from energy_assets.config import load_config
from energy_assets.defs.frames import labelled_features, published
from energy_assets.forecasting.backtest import PUBLISHER, rolling_origin
from energy_assets.forecasting.contenders import CONTENDERS, Contender, Fitted, contender
from energy_assets.metrics import point_errors, quantile_errors
from energy_assets.settings import PROJECT_ROOT
from energy_assets.warehouse import Warehouse
from tests.bench.measuring import measure
from tests.warehouses import NOW, Folder

PAGE = PROJECT_ROOT / "docs" / "models.md"
KEYS = ("meter_id", "issued_at_utc", "interval_start_utc")
TRAINING_DAYS = 1095
DAY = timedelta(days=1)


@dataclass
class Timed:
    """A way to make a model that keeps the time: CPU seconds of each fit, and of all forecasts together."""

    model: Contender
    fits: list[float] = field(default_factory=list)
    scoring: float = 0.0

    def __call__(self, rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int) -> Fitted:
        began = time.process_time()
        fitted = self.model(rows, kind=kind, as_of=as_of, seed=seed)
        self.fits.append(time.process_time() - began)
        return TimedFit(fitted, self)


@dataclass
class TimedFit:
    """A fitted model that keeps the time."""

    fitted: Fitted
    clock: Timed

    def forecast(self, due: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
        """As the fitted model's."""
        began = time.process_time()
        said = self.fitted.forecast(due, history)
        self.clock.scoring += time.process_time() - began
        return said


def prepare(warehouse: Path, folder: Path, first: datetime | None, last: datetime | None) -> tuple[datetime, datetime]:
    """What the models need of a warehouse, as Parquet; the window is its last eight weeks if none is given."""
    config = load_config(warehouse / "sources.yaml")
    with Warehouse(warehouse / "energy.duckdb").connect(read_only=True) as con:
        newest = con.execute("SELECT max(issued_at_utc) FROM features.feat_demand_day_ahead").fetchall()[0][0]
        if newest is None:
            raise SystemExit(f"{warehouse} has no features; run `energy-assets run --warehouse {warehouse}` first")
        last = min(last or newest, newest)
        first = first or last - timedelta(weeks=8) + DAY
        known = last + 3 * DAY  # the window's own days have come true
        labelled_features(con, config, as_of=known, days=TRAINING_DAYS).write_parquet(folder / "features.parquet")
        published(con, since=first, until=known).write_parquet(folder / "published.parquet")
    return first, last


def one(name: str, folder: Path, first: datetime, last: datetime, refit_weeks: int) -> None:
    """The backtest of one model; its forecasts and times go to the folder."""
    frame = pl.read_parquet(folder / "features.parquet")
    operators = pl.read_parquet(folder / "published.parquet")
    clock, parts = Timed(contender(name)), []
    for kind in frame["kind"].unique().sort():
        said = rolling_origin(
            frame, kind=kind, first_issue=first, last_issue=last, refit_weeks=refit_weeks, models={name: clock},
            published=operators if name == "seasonal_naive" else None,
        )  # fmt: skip
        parts.append(said.with_columns(kind=pl.lit(kind)))
    pl.concat(parts).write_parquet(folder / f"{name}.parquet")
    times = {"fits": len(clock.fits), "fit_s": sum(clock.fits), "score_s": clock.scoring}
    (folder / f"{name}.json").write_text(json.dumps(times))


def accuracy(folder: Path, names: list[str]) -> pl.DataFrame:
    """WAPE, MAE and pinball loss of each model and kind, over the intervals that all models of a meter have."""
    said = pl.concat(pl.read_parquet(folder / f"{name}.parquet") for name in names)
    models = pl.col("model_name").n_unique()
    said = said.filter(models.over(KEYS) == models.over("meter_id"))
    actual = pl.read_parquet(folder / "features.parquet").select(*KEYS, actual_kwh="demand_kwh").drop_nulls()
    compared = said.join(actual, on=KEYS).sort("kind", *KEYS, "model_name", "quantile")
    by = ["kind", "model_name"]
    points = compared.filter((pl.col("quantile") - 0.5).abs() < 1e-9)
    banded = compared.filter(pl.col("quantile").n_unique().over(by) > 1)
    errors = pl.concat(
        [point_errors(points, by, predicted="demand_kwh"), quantile_errors(banded, by, predicted="demand_kwh")]
    )
    return errors.pivot("metric", index=by, values="value").join(points.group_by(by).agg(hours=pl.len()), on=by)


def table(errors: pl.DataFrame, costs: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown: a row per model, best first by the mean of its WAPE over the kinds; MAE and pinball of one kind.

    Who does not speak of every kind comes last.
    """
    kinds = errors["kind"].unique().sort().to_list()
    wape = pl.col("wape") * 100
    columns = (
        errors.with_columns(wape).pivot("kind", index="model_name", values="wape", sort_columns=True)
        if len(kinds) > 1
        else errors.select(
            "model_name", wape.alias(kinds[0]), *(pl.col(c).alias(f"{c} kWh") for c in ("mae", "pinball"))
        )
    )
    spent = pl.DataFrame(
        {
            "model_name": list(costs),
            "fit CPU s": [cost["fit_s"] for cost in costs.values()],
            "score CPU s": [cost["score_s"] for cost in costs.values()],
            "memory MB": [round(cost["peak_mb"]) for cost in costs.values()],
        }
    )
    shown = (
        columns.sort(pl.sum_horizontal(kinds, ignore_nulls=False), nulls_last=True)
        .join(spent, on="model_name", how="left", maintain_order="left")
        .rename({"model_name": "model", **{kind: f"{kind}, WAPE %" for kind in kinds}})
    )
    lines = [shown.columns, ["---"] * shown.width, *shown.iter_rows()]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: object) -> str:
    """Two digits after the point where they count."""
    if isinstance(value, float):
        return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
    return "" if value is None else str(value)


def put(page: str, name: str, text: str) -> str:
    """The page with the text between the markers of a table.

    Raises:
        ValueError: the page has no such table.
    """
    begin, end = f"<!-- compared: {name} -->", "<!-- /compared -->"
    if begin not in page or end not in page.split(begin)[1]:
        raise ValueError(f"docs/models.md has no lines {begin} and {end}; add them where the table should stand")
    before, rest = page.split(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}"


def compare(warehouse: Path, first: datetime | None, last: datetime | None, refit_weeks: int, said: str) -> str:
    """The table of all models that are installed, and what it is of."""
    with tempfile.TemporaryDirectory(prefix="energy-models-") as directory:
        folder = Path(directory)
        first, last = prepare(warehouse, folder, first, last)
        costs: dict[str, dict[str, float]] = {}
        missing = []
        for name in CONTENDERS:
            try:
                contender(name)
            except ImportError:
                missing.append(name)
                continue
            sys.stderr.write(f"{name}\n")
            window = [first.isoformat(), last.isoformat(), str(refit_weeks)]
            command = ["-m", "tests.bench.models", "--one", name, str(folder), *window]
            measured = measure(name, command, folder, NOW)
            costs[name] = {**json.loads((folder / f"{name}.json").read_text()), "peak_mb": measured.peak_mb}
        errors = accuracy(folder, list(costs))
    fits = int(max(cost["fits"] for cost in costs.values()))
    hours = errors.filter(pl.col("model_name") != PUBLISHER).group_by("kind").agg(pl.col("hours").max()).sort("kind")
    counts = ", ".join(f"{n:,} of {kind}" for kind, n in hours.iter_rows())
    about = (
        f"{said}; issue days {first:%Y-%m-%d} to {last:%Y-%m-%d}, a fit of each kind every {refit_weeks} weeks, {fits} "
        f"in all, whose seconds are summed. Hours compared: {counts}. {_machine()}."
    )
    left_out = f" Not installed here and left out: {', '.join(missing)}." if missing else ""
    return f"{table(errors, costs)}\n\n{about}{left_out}"


def _machine() -> str:
    memory = round(psutil.virtual_memory().total / 2**30)
    return f"{psutil.cpu_count()} cores, {memory} GB, {platform.system()} {platform.machine()}, one thread per model"


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def main() -> None:
    """See the module."""
    if sys.argv[1:2] == ["--one"]:
        name, folder, first, last, weeks = sys.argv[2:]
        one(name, Path(folder), datetime.fromisoformat(first), datetime.fromisoformat(last), int(weeks))
        return
    parser = argparse.ArgumentParser(prog="tests.bench.models", description=__doc__)
    parser.add_argument("--warehouse", type=Path, help="a built warehouse; default: the simulated one, built anew")
    parser.add_argument("--first", type=_day, help="first issue day; default: eight weeks before the last")
    parser.add_argument("--last", type=_day, help="last issue day; default: the newest")
    parser.add_argument("--refit-weeks", type=int, default=8)
    parser.add_argument("--table", help="table of docs/models.md to replace; default: simulated, else none")
    options = parser.parse_args()
    last = options.last and options.last + DAY - timedelta(seconds=1)
    into, window = options.table, (options.first, last, options.refit_weeks)
    if options.warehouse is None:
        with tempfile.TemporaryDirectory(prefix="energy-simulated-") as directory:
            sources = yaml.safe_load((PROJECT_ROOT / "warehouse" / "sources.yaml").read_text())
            simulated = Folder.make(Path(directory) / "warehouse", sources)
            sys.stderr.write("building the simulated warehouse\n")
            simulated.run()
            text = compare(simulated.path, *window, "`make compare-models`: the simulated default warehouse")
        into = into or "simulated"
    else:
        days = (
            f"--first {options.first:%Y-%m-%d} --last {options.last:%Y-%m-%d}" if options.first and options.last else ""
        )
        command = f"make compare-models WAREHOUSE={options.warehouse.name}" + f' COMPARE="{days}"' * bool(days)
        text = compare(options.warehouse, *window, f"`{command}`")
    sys.stdout.write(text + "\n")
    if into:
        PAGE.write_text(put(PAGE.read_text(), into, text))


if __name__ == "__main__":
    main()
