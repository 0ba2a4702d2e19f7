"""Past forecasts made again, bit by bit, from the artefacts of their models and what was known at their issue time.

Belongs here: which artefact a forecast names, making it again, the comparison. Does not belong here: making forecasts
(`defs.forecasting.issuing`, the same for both), printing. Nothing is written; the working file is opened read-only.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from importlib.metadata import version as installed
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from energy_assets.config import ConfigError, WarehouseConfig, load_config
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.issuing import WORSE_THAN_NAIVE, say, say_next_quarter
from energy_assets.forecasting import ArtefactError, TrainedModel, load
from energy_assets.forecasting.scoring import NAIVE_VERSION
from energy_assets.schedule import issue_time
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse, fetch, first_row

TABLE = TABLES["forecasts.demand_forecasts"]
KEY = ["meter_id", "interval_start_utc", "quantile"]
SAID = [name for name in TABLE.content if name not in (*KEY, "issued_at_utc", "revision")]
LIBRARIES = ("lightgbm", "numpy", "polars", "duckdb")


class RebuildError(ValueError):
    """There is nothing to make again; the message says what was found and what to do."""


@dataclass(frozen=True)
class Verdict:
    """One model's forecasts of one kind of meter: how many rows it said, how many are not the same again, and why."""

    model_version: str
    kind: str
    meters: int
    rows: int
    differing: int
    first_difference: str | None = None
    reason: str | None = None

    @property
    def equal(self) -> bool:
        """Whether every row is the same to the last bit."""
        return self.differing == 0


def rebuild(settings: Settings, issue_date: date, meter_id: str | None = None) -> list[Verdict]:
    """Makes the forecasts of an issue date again and compares them with the newest revision of what was said.

    Args:
        settings: the warehouse.
        issue_date: local date of the market on which they were issued.
        meter_id: only this meter; the others are made again all the same.

    Returns:
        A verdict per model version and kind, sorted.

    Raises:
        RebuildError: no such forecasts, no warehouse yet, or a wrong `sources.yaml`.
        WarehouseBusyError: the working file stayed locked.
    """
    try:
        config = load_config(settings.sources_file)
    except ConfigError as error:
        raise RebuildError(str(error)) from None
    issued_at = issue_time(issue_date, config.forecast.issue_hour, config.market.timezone)
    try:
        with Warehouse.of(settings).connect(read_only=True) as con:
            said = _said(con, issued_at, meter_id)
            parts = said.partition_by("model_version", "kind", maintain_order=True)
            return [_judged(con, config, settings.folder, rows) for rows in parts]
    except FileNotFoundError as error:
        raise RebuildError(str(error)) from None


def _judged(con: duckdb.DuckDBPyConnection, config: WarehouseConfig, folder: Path, rows: pl.DataFrame) -> Verdict:
    """What one model said of one kind of meter against the same made again."""
    version, kind, issued_at = rows.select("model_version", "kind", "issued_at_utc").row(0)
    if kind == "machine":  # its model is trained at each issue, from what was known then
        made = say_next_quarter(con, issued_at, config.forecast.seed)
        return _compared(rows, rows.clear() if made is None else made.rows)
    withheld = bool((rows["quality_reason"] == WORSE_THAN_NAIVE).any())
    try:
        model = _model(con, folder, version)
    except ArtefactError as error:
        return _verdict(rows, rows.height, reason=str(error))
    return _compared(rows, say(con, config, issued_at, kind, model, withheld=withheld).rows)


def _said(con: duckdb.DuckDBPyConnection, issued_at: datetime, meter_id: str | None) -> pl.DataFrame:
    """The newest revision of what each model said, with the kind of each meter."""
    rows = fetch(
        con,
        """SELECT f.* EXCLUDE (dagster_run_id), coalesce(v.kind, m.kind, 'unknown') AS kind
        FROM forecasts.demand_forecasts f
        LEFT JOIN forecasts.model_versions v USING (model_version)
        LEFT JOIN raw.meters m USING (meter_id)
        WHERE issued_at_utc = $at AND ($meter IS NULL OR meter_id = $meter)
        QUALIFY revision = max(revision) OVER (PARTITION BY meter_id, model_version, interval_start_utc, quantile)
        ORDER BY model_version, meter_id, interval_start_utc, quantile""",
        {"at": issued_at, "meter": meter_id},
    )
    if rows.is_empty():
        span = first_row(con, "SELECT min(issued_at_utc), max(issued_at_utc) FROM forecasts.demand_forecasts")
        known = f"they reach from {span[0]:%Y-%m-%d %H:%M} to {span[1]:%Y-%m-%d %H:%M}" if span and span[0] else "none"
        of = f"of {meter_id} " if meter_id else ""
        raise RebuildError(f"no forecast {of}was issued at {issued_at:%Y-%m-%d %H:%M} UTC; forecasts: {known}")
    return rows


def _model(con: duckdb.DuckDBPyConnection, folder: Path, model_version: str) -> TrainedModel | None:
    """The model that rows name; None for those that were said without one.

    Raises:
        ArtefactError: it is not recorded, or its file is lost, was changed, or is of another format.
    """
    if model_version == NAIVE_VERSION:
        return None
    sql = "SELECT artefact, sha256 FROM forecasts.model_versions WHERE model_version = ?"
    found = first_row(con, sql, [model_version])
    if found is None:
        raise ArtefactError(f"forecasts.model_versions knows no model {model_version}")
    return load(folder / found[0], sha256=found[1])


def _compared(said: pl.DataFrame, made: pl.DataFrame) -> Verdict:
    """Row by row; intervals that are made for a meter now and were not said then count as well."""
    again = made.filter(pl.col("meter_id").is_in(said["meter_id"].unique().implode()))
    before, after = (_with_bits(rows.select(*KEY, *SAID)) for rows in (said, again))
    both = before.join(after, on=KEY, how="full", coalesce=True, suffix="_again").sort(KEY)
    columns = [*SAID, "bits"]
    apart = both.filter(pl.any_horizontal(pl.col(c).ne_missing(pl.col(f"{c}_again")) for c in columns))
    if apart.is_empty():
        return _verdict(said, 0)
    row = apart.row(0, named=True)
    where = f"{row['meter_id']} {row['interval_start_utc']:%Y-%m-%d %H:%M} UTC, quantile {row['quantile']}"
    if row["bits_again"] is None:
        what = "not made again"
    elif row["bits"] is None:
        what = "made now and not said then"
    else:
        names = [c for c in SAID if row[c] != row[f"{c}_again"]] or ["demand_kwh"]  # 0.0 and -0.0
        what = "; ".join(f"{name} {row[name]!r} then, {row[f'{name}_again']!r} again" for name in names)
    libraries = ", ".join(f"{name} {installed(name)}" for name in LIBRARIES)
    reason = (
        "the row was changed after it was written, or what counts as known at the issue time has changed (a load that "
        "says it was known by then, features that are no longer kept), or it was made by another version of the "
        f"program, with another lock or on another machine type than this ({libraries}; {platform.machine()})"
    )
    return _verdict(said, apart.height, f"{where}: {what}", reason)


def _verdict(
    said: pl.DataFrame, differing: int, first_difference: str | None = None, reason: str | None = None
) -> Verdict:
    version, kind = said.select("model_version", "kind").row(0)
    return Verdict(version, kind, said["meter_id"].n_unique(), said.height, differing, first_difference, reason)


def _with_bits(rows: pl.DataFrame) -> pl.DataFrame:
    """With the bits of the demand, so that no equality of numbers stands between them."""
    return rows.with_columns(pl.Series("bits", rows["demand_kwh"].to_numpy().astype(np.float64).view(np.uint64)))


def lines(verdicts: list[Verdict]) -> Iterator[str]:
    """The verdicts as text."""
    for v in verdicts:
        said = f"{v.rows} rows equal bit by bit" if v.equal else f"{v.differing} of {v.rows} rows differ"
        yield f"{'ok  ' if v.equal else 'FAIL'}  {v.model_version} ({v.kind}, meters: {v.meters}): {said}"
        if v.first_difference:
            yield f"      first: {v.first_difference}"
        if v.reason:
            yield f"      reason: {v.reason}"
