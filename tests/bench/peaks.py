"""`python -m tests.bench.peaks <warehouse> [<shift>]`: peaks replayed over a backtest's forecasts, and scored.

Each issue day of the newest backtest that was asked for is flagged anew by what was known then; the season and the
paths too. Nothing is written. Prints, per lead time, the Brier score of hourly probabilities and its skill over the
season's frequencies, reliability by tenths, the same of six-hour windows and of the day, and how warnings fared.
`shift` is put in the place of `energy_assets.flexibility.highs.SHIFT`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from energy_assets import flexibility, forecasting
from energy_assets.defs.flexibility.frames import actual_power, known_of_peaks
from energy_assets.flexibility import highs
from energy_assets.flexibility.peaks import SEASONAL, joint_probability, normal_scores
from energy_assets.metrics import lead_bucket
from energy_assets.warehouse import Warehouse, fetch

WELL_FILLED = 50  # hours of a tenth: by chance alone the frequency of fewer is off by more than 0.07
NEWEST = "SELECT arg_max(backtest_id, number) FROM forecasts.backtests WHERE made_for = 'asked'"
SAID = f"""
SELECT meter_id, issued_at_utc, model_name AS model_version, interval_start_utc, interval_end_utc, quantile, demand_kwh
FROM forecasts.backtest_forecasts WHERE backtest_id = $id AND model_name = '{forecasting.MODEL_NAME}'
"""
ACTUAL = """
SELECT meter_id, interval_start_utc, demand_kwh, known_at_utc FROM marts.fct_demand_hourly WHERE demand_kwh IS NOT NULL
"""


@dataclass(frozen=True)
class Replay:
    """What was flagged over the days of a backtest, and what came true."""

    hours: pl.DataFrame
    windows: pl.DataFrame
    blocks: pl.DataFrame
    power: pl.DataFrame


def replay(con: duckdb.DuckDBPyConnection, backtest: str, quantile: float) -> Replay:
    """Flags each issue day by what was known then."""
    said, actual = fetch(con, SAID, {"id": backtest}), fetch(con, ACTUAL)
    ranks = forecasting.past_ranks(said, actual).join(
        actual.drop("demand_kwh"), on=["meter_id", "interval_start_utc"], how="left"
    )
    hours, windows, blocks = [], [], []
    for (issued_at,), day in said.partition_by("issued_at_utc", as_dict=True, maintain_order=True).items():
        assert isinstance(issued_at, datetime)
        known = ranks.filter(
            pl.col("known_at_utc") <= issued_at, pl.col("issued_at_utc") >= issued_at - timedelta(days=60)
        )
        paths = forecasting.demand_scenarios(day, known.drop("known_at_utc"))
        flagged = flexibility.flag_peaks(known_of_peaks(con, issued_at), day, paths, issued_at, quantile)
        seasonal = flagged.hours.filter(pl.col("threshold_basis") == SEASONAL)
        hours.append(flagged.hours)
        windows.append(flagged.windows)
        six_hours = lead_bucket(pl.col("lead_minutes"))
        blocks += [_joint(seasonal.with_columns(window=of), paths) for of in (six_hours, pl.lit("day"))]
    since, until = said["issued_at_utc"].min(), said["interval_end_utc"].max()
    assert isinstance(since, datetime)
    assert isinstance(until, datetime)
    power = actual_power(con, since=since, as_of=until + timedelta(days=14))
    return Replay(pl.concat(hours), pl.concat(windows), pl.concat(blocks), power)


def main(folder: Path, shift: float) -> None:
    """Replays and prints."""
    highs.SHIFT = shift
    with Warehouse(folder / "energy.duckdb").connect(read_only=True) as con:
        done = replay(con, con.execute(NEWEST).fetchall()[0][0], 0.95)
    console = Console(width=120)
    scores = flexibility.peak_scores(done.hours, done.power).filter(pl.col("threshold_basis") == SEASONAL)
    both = pl.concat([scores, scores.with_columns(lead_bucket=pl.lit("all"))])
    _show(console, "Hours by lead time", _brier(both, "lead_bucket"))
    _show(console, "Hours by tenth", _reliability(scores))
    judged = done.blocks.join(_actual_windows(done), on=["meter_id", "issued_at_utc", "window"])
    of_blocks = judged.with_columns(
        lead_bucket="window",
        probability_bin=(pl.col("probability") * 10).floor().clip(0, 9).cast(pl.Int32),
        hours=pl.lit(1),
        exceeded_hours=pl.col("exceeded").cast(pl.Int32),
        probability_sum="probability",
        squared_error_sum=(pl.col("probability") - pl.col("exceeded")) ** 2,
        climatology_error_sum=pl.lit(0.0),
    )
    of_windows = _brier(of_blocks, "window").drop("climatology", "skill")
    _show(console, "Windows of six hours and of the day", of_windows)
    _show(console, "Windows of six hours by tenth", _reliability(of_blocks.filter(pl.col("window") != "day")))
    _show(console, "Warnings", _events(flexibility.peak_outcomes(done.windows, done.hours, done.power)))


def _joint(hours: pl.DataFrame, paths: pl.DataFrame) -> pl.DataFrame:
    """The joint probability of the hours of each `window` of one issue."""
    of_hour = paths.sort("scenario").group_by("meter_id", "interval_start_utc").agg(paths="demand_kwh")
    rows = hours.join(of_hour, on=["meter_id", "interval_start_utc"]).sort("meter_id", "window", "interval_start_utc")
    if rows.is_empty():
        return pl.DataFrame()
    scores = normal_scores(np.array(rows["paths"].to_list()))
    starts = rows.select(pl.struct("meter_id", "window").rle_id().diff().fill_null(1) > 0).to_series().arg_true()
    joint = joint_probability(rows["probability"].to_numpy(), scores, starts.to_numpy())
    first = rows[starts].select("meter_id", "issued_at_utc", "window")
    return first.with_columns(probability=pl.Series(joint))


def _actual_windows(done: Replay) -> pl.DataFrame:
    hours = done.hours.filter(pl.col("threshold_basis") == SEASONAL)
    outcome = hours.join(done.power, on=["meter_id", "interval_start_utc", "averaging_minutes"]).with_columns(
        window=lead_bucket(pl.col("lead_minutes")), exceeded=pl.col("power_kw") > pl.col("threshold_kw")
    )
    both = pl.concat([outcome, outcome.with_columns(window=pl.lit("day"))])
    return both.group_by("meter_id", "issued_at_utc", "window").agg(pl.col("exceeded").any())


def _brier(scores: pl.DataFrame, by: str) -> pl.DataFrame:
    n = pl.col("hours").sum()
    return (
        scores.group_by(by)
        .agg(
            n=n,
            exceeded=pl.col("exceeded_hours").sum(),
            mean_probability=pl.col("probability_sum").sum() / n,
            brier=pl.col("squared_error_sum").sum() / n,
            climatology=pl.col("climatology_error_sum").sum() / n,
        )
        .with_columns(skill=1 - pl.when(pl.col("climatology") > 0).then(pl.col("brier") / pl.col("climatology")))
        .sort(by)
    )


def _reliability(scores: pl.DataFrame) -> pl.DataFrame:
    n = pl.col("hours").sum()
    return (
        scores.group_by("probability_bin")
        .agg(n=n, said=pl.col("probability_sum").sum() / n, came=pl.col("exceeded_hours").sum() / n)
        .with_columns(off=pl.col("came") - pl.col("said"), well_filled=pl.col("n") >= WELL_FILLED)
        .sort("probability_bin")
    )


def _events(outcomes: pl.DataFrame) -> pl.DataFrame:
    count = {name: (pl.col("outcome") == name).sum() for name in ("hit", "false_alarm", "miss", "correct_rejection")}
    hit, false_alarm, miss = pl.col("hit"), pl.col("false_alarm"), pl.col("miss")
    errors = pl.col("size_error_kw").abs().filter(pl.col("outcome") == "hit").mean()
    return (
        outcomes.group_by("threshold_basis", "lead_bucket")
        .agg(
            **count,
            size_error_mw=errors / 1e3,
            hour_error=pl.col("hour_error").abs().filter(pl.col("outcome") == "hit").mean(),
        )
        .with_columns(
            precision=hit / (hit + false_alarm),
            recall=hit / (hit + miss),
            f2=5 * hit / (5 * hit + 4 * miss + false_alarm),
        )
        .sort("threshold_basis", "lead_bucket")
    )


def _show(console: Console, title: str, frame: pl.DataFrame) -> None:
    shown = Table(*frame.columns, title=title, title_justify="left")
    for row in frame.rows():
        shown.add_row(*(f"{v:.4f}" if isinstance(v, float) else str(v) for v in row))
    console.print(shown)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder, *shift] if len(shift) < 2:
            main(Path(folder), float(shift[0]) if shift else highs.SHIFT)
        case _:
            sys.exit(__doc__)
