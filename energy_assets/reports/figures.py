"""The main figures of a backtest, side by side: the same columns on the console and in the report.

Belongs here: which figures are shown, in which unit, and which of several models has the best one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from energy_assets.warehouse import fetch

LARGE_KWH = 1e4  # errors from here on are said in MWh


@dataclass(frozen=True)
class Column:
    """One figure. `target` is the best value there is; None: no value is better than another."""

    title: str
    metric: str
    is_share: bool
    target: float | None


COLUMNS = (
    Column("WAPE %", "wape", True, 0.0),
    Column("MAPE %", "mape", True, 0.0),
    Column("MAE", "mae", False, 0.0),
    Column("RMSE", "rmse", False, 0.0),
    Column("bias", "bias", False, 0.0),
    Column("pinball", "pinball", False, 0.0),
    Column("CRPS %", "crps_share", True, 0.0),
    Column("in 80 % band", "coverage_80", True, 0.8),
    Column("in 90 % band", "coverage_90", True, 0.9),
    Column("peak error", "peak_error", False, 0.0),
    Column("peak hour %", "peak_hour_hit", True, 1.0),
    Column("DM p", "dm_p_value", False, None),
)


@dataclass(frozen=True)
class Cell:
    """A figure as text, and whether it is the best of its column."""

    text: str
    best: bool


@dataclass(frozen=True)
class Figures:
    """The table: a row of cells per model, the best WAPE first. `unit` is that of figures without a sign.

    Errors are energy per hour, or mean power (`is_power`) where intervals are not all of one hour.
    """

    unit: str
    is_power: bool
    factor: float
    titles: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]

    @property
    def said(self) -> str:
        """The unit in words."""
        return self.unit if self.is_power else f"{self.unit} per hour"


def scores_of(con: duckdb.DuckDBPyConnection, backtest_id: str) -> pl.DataFrame:
    """Scores of a backtest over all its meters: model_name, slice, metric, value, n."""
    return fetch(
        con,
        """SELECT model_name, slice, metric, value, n FROM monitoring.backtest_scores
        WHERE backtest_id = $id AND meter_id LIKE 'all:%' ORDER BY ALL""",
        parameters={"id": backtest_id},
    )


def main_figures(scores: pl.DataFrame) -> Figures:
    """The table of the slice `all` of `scores_of`; figures that a model does not have are empty."""
    by_model = in_power(scores).filter(pl.col("slice") == "all").pivot("metric", index="model_name", values="value")
    absent = [c.metric for c in COLUMNS if c.metric not in by_model.columns]
    wide = by_model.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in absent)
    wide = wide.sort("wape", "model_name", nulls_last=True)
    mae: Any = wide["mae"].max()
    unit, factor = ("MWh", 1e-3) if (mae or 0.0) >= LARGE_KWH else ("kWh", 1.0)
    is_power = (scores["metric"] == "mae_kw").any()
    best = {c.metric: _best(wide[c.metric], c.target) for c in COLUMNS}
    rows = [
        (str(row["model_name"]), [_cell(c, row[c.metric], factor, best[c.metric]) for c in COLUMNS])
        for row in wide.iter_rows(named=True)
    ]
    return Figures(unit.removesuffix("h") if is_power else unit, is_power, factor, [c.title for c in COLUMNS], rows)


def in_power(scores: pl.DataFrame) -> pl.DataFrame:
    """Scores with errors as mean power (`mae_kw`) in the place of those of energy, where there are any."""
    is_power = pl.col("metric").str.ends_with("_kw")
    power = scores.filter(is_power).with_columns(pl.col("metric").str.strip_suffix("_kw"))
    both = pl.concat([scores.filter(~is_power), power])
    return both.unique(["model_name", "slice", "metric"], keep="last", maintain_order=True)


def _best(values: pl.Series, target: float | None) -> float | None:
    known = values.drop_nulls()
    if target is None or known.len() < 2:
        return None
    return float(known[int((known - target).abs().arg_min() or 0)])


def _cell(column: Column, value: float | None, factor: float, best: float | None) -> Cell:
    return Cell(_text(column, value, factor), best is not None and value == best)


def _text(column: Column, value: float | None, factor: float) -> str:
    if value is None:
        return ""
    if column.metric == "dm_p_value":
        return "< 0.001" if value < 0.001 else f"{value:.3f}"
    if column.is_share:
        return f"{100 * value:.2f}" if column.target == 0.0 else f"{100 * value:.1f}"
    return energy(value * factor)


def energy(value: float) -> str:
    """A number of energy with as many digits as its size deserves.

    >>> energy(1234.5), energy(12.345), energy(0.0123)
    ('1,234', '12.3', '0.0123')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
