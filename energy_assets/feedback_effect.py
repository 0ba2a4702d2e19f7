"""What feedback did for forecasts and alarms: the same backtest with it and without it, on a copy of the warehouse.

Belongs here: making both worlds. Does not belong here: comparing them (`monitoring.feedback.comparison`), what follows
from a statement (`monitoring.feedback`), printing and the page (`reports.feedback`).

The method. The copy's demand, marts and features are made anew by the same dbt models, once with what people said and
once as if nobody had ever said anything. Then both are forecast over the same window by the same models with the same
seeds, refitted on what was known at each refit: a statement acts from its receipt on, so that only statements before or
within the window can have an effect. Both are scored on the same hours, namely those whose demand is the same in both:
nobody gains by leaving the hours out that are hard. Detectors' own decisions stay as they were made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from energy_assets import forecasting, monitoring
from energy_assets.config import ConfigError, WarehouseConfig, load_config
from energy_assets.contracts import TABLES
from energy_assets.defs.frames import LONGEST_DAY, demand_versions, features_of, meters
from energy_assets.defs.issues import Issues, all_known_date
from energy_assets.defs.monitoring.anomaly_inputs import batches, flagged_as_of, hourly_history
from energy_assets.defs.transformation.arguments import dbt_environment
from energy_assets.forecasting.contenders import contender
from energy_assets.monitoring.feedback.comparison import Arm, alarms_of, compared, differing_hours, faults_found
from energy_assets.settings import DBT, DBT_PROJECT_DIR, Settings
from energy_assets.warehouse import Warehouse, ensure_tables, fetch
from energy_assets.warehouse.feedback import SOURCE, apply_feedback

MODELS = "+feat_demand_day_ahead +fct_demand_hourly"
LONGEST = timedelta(weeks=26)
WEEK = timedelta(days=7)
FORGET = """
DELETE FROM raw.demand_exclusions WHERE load_id IN (SELECT load_id FROM raw.load_ledger WHERE source = $feedback)
"""
SPOKEN_OF = """
SELECT feedback_id, meter_id, kind, verdict, known_at_utc FROM raw.feedback JOIN raw.meters USING (meter_id)
WHERE target_type = 'anomaly' AND use_for_training AND known_at_utc <= $until ORDER BY known_at_utc, feedback_id
"""
FAULTS = """
SELECT f.fault_id, f.meter_id, f.kind, f.start_utc, f.end_utc FROM raw.simulated_faults f
JOIN raw.meters m ON m.meter_id = f.meter_id AND m.kind <> 'machine' ORDER BY ALL
"""


class EffectError(ValueError):
    """There is no effect to measure; the message says why and what to do."""


@dataclass(frozen=True)
class Effect:
    """What was measured.

    Attributes:
        first, last: local days that are forecast.
        statements: feedback_id, meter_id, kind, verdict, known_at_utc of those that could have an effect.
        hours: meter_id, and the hours that only one world learns from (left_out, brought_back) or both differently
            (corrected).
        scores: scope (kind or meter), name, hours, and each metric `_without` and `_with`.
        alarms: kind (of anomaly), without, with; where the simulation knows the faults, false_without, false_with too.
        faults: kind (of simulated fault), faults, found_without, found_with; no rows where none are known.
    """

    first: date
    last: date
    statements: pl.DataFrame
    hours: pl.DataFrame
    scores: pl.DataFrame
    alarms: pl.DataFrame
    faults: pl.DataFrame


def measure(
    settings: Settings, start: date | None, end: date | None, said: Callable[[str], None] = lambda _: None
) -> Effect:
    """Measures the effect on the kinds of meters that statements about anomalies concern; writes nothing.

    Args:
        settings: the warehouse.
        start: first local day that is forecast; default: after the first statement, at most half a year back.
        end: last local day that is forecast; default: the newest.
        said: told what is being done.

    Raises:
        EffectError: nobody said anything in time, or the window makes no backtest.
        WarehouseBusyError: the working file stayed locked.
    """
    try:
        config = load_config(settings.sources_file)
    except ConfigError as error:
        raise EffectError(str(error)) from None
    warehouse, now = Warehouse.of(settings), settings.now()
    newest = all_known_date(config, warehouse, now)
    with warehouse.connect(read_only=True) as con:
        spoken_of = fetch(con, SPOKEN_OF, {"until": now})
    if spoken_of.is_empty():
        raise EffectError("nobody has said anything about anomalies yet: `energy-assets feedback anomaly -h`")
    issues = _window(config, spoken_of["known_at_utc"][0], newest, start, end)
    spoken_of = spoken_of.filter(pl.col("known_at_utc") <= issues.last_time)
    if spoken_of.is_empty():
        raise EffectError(f"nothing was said before {issues.last} at {issues.issue_hour}:00: choose a later window")
    kinds = spoken_of["kind"].unique().sort().to_list()
    with _scratch(settings) as folder:
        said(f"copying {warehouse.database}")
        copy = Warehouse(folder / warehouse.database.name, settings.threads, settings.memory_limit)
        with warehouse.copying(copy.database) as con:
            con.execute(f'COPY FROM DATABASE "{warehouse.database.stem}" TO target')
        arms = {}
        for name in ("with", "without"):
            said(f"{name} feedback: demand and features anew")
            with copy.transaction() as con:
                ensure_tables(con, TABLES.values())
                if name == "with":
                    apply_feedback(con, now)
                else:
                    con.execute(FORGET, {"feedback": SOURCE})
                    con.execute("DELETE FROM raw.feedback")
            _build(config, issues, copy, folder)
            said(f"{name} feedback: forecasts and alarms of {issues.first} to {issues.last}")
            with copy.connect(read_only=True) as con:
                arms[name] = _arm(con, config, issues, kinds, settings.threads)
                faults = fetch(con, FAULTS)
    scores = compared(arms["without"], arms["with"], spoken_of["meter_id"].unique())
    if scores.is_empty():
        raise EffectError(
            f"nothing that was forecast since {issues.first} is known yet: choose an earlier start, or wait"
        )
    return Effect(
        issues.first + timedelta(days=1), issues.last + timedelta(days=1), spoken_of,
        differing_hours(arms), scores,
        alarms_of(arms, faults),
        faults_found(arms, faults.filter(pl.col("start_utc").is_between(issues.first_time, issues.last_time))),
    )  # fmt: skip


def _window(
    config: WarehouseConfig, first_said: datetime, newest: date, start: date | None, end: date | None
) -> Issues:
    hour, zone = config.forecast.issue_hour, config.market.timezone
    last = end - timedelta(days=1) if end else newest
    after = first_said.astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
    first = start - timedelta(days=1) if start else max(after, last - LONGEST)
    if first > last:
        raise EffectError(
            f"the first statement came in on {first_said:%Y-%m-%d} and acts on later days; the newest that can be "
            f"forecast and judged is {last + timedelta(days=1)}: come back when there are some"
        )
    if last > newest or last - first > LONGEST:
        raise EffectError(f"a window of at most {LONGEST.days} days until {newest + timedelta(days=1)} is expected")
    return Issues(first, last, hour, zone)


@contextmanager
def _scratch(settings: Settings) -> Iterator[Path]:
    """A folder beside the warehouse's own files that is gone at the end; what a killed process left goes first."""
    for left in settings.folder.glob(".feedback-effect-*"):
        shutil.rmtree(left)
    folder = Path(mkdtemp(prefix=".feedback-effect-", dir=settings.folder))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _build(config: WarehouseConfig, issues: Issues, copy: Warehouse, folder: Path) -> None:
    """Demand, marts and features of the copy, whole and by the same models."""
    command = [DBT, "run", "--quiet", "--full-refresh", "--project-dir", str(DBT_PROJECT_DIR), "--profiles-dir",
               str(DBT_PROJECT_DIR), "--target-path", str(folder / "dbt"), "--log-path", str(folder / "dbt"),
               "--select", MODELS]  # fmt: skip
    environment = {**os.environ, **dbt_environment(config, issues, copy.database), "DO_NOT_TRACK": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise EffectError(f"dbt could not build the copy:\n{done.stdout}{done.stderr}")


def _arm(
    con: duckdb.DuckDBPyConnection, config: WarehouseConfig, issues: Issues, kinds: list[str], threads: int
) -> Arm:
    first = issues.first - timedelta(days=config.forecast.training_days)
    learned_from = Issues(first, issues.last, issues.issue_hour, issues.timezone).times
    until = issues.last_time + LONGEST_DAY
    inputs = []
    for kind in kinds:
        frame = features_of(con, learned_from, kind=kind, judged_since=issues.first_time)
        versions = demand_versions(con, frame, as_of=until)
        inputs.append((kind, frame, versions))

    def forecast(given: tuple[str, pl.DataFrame, pl.DataFrame]) -> pl.DataFrame:
        kind, frame, versions = given
        rows = forecasting.rolling_origin(
            frame, kind=kind, first_issue=issues.first_time, last_issue=issues.last_time,
            refit_weeks=config.forecast.refit_weeks, seed=config.forecast.seed,
            training_days=config.forecast.training_days, versions=versions,
            models={forecasting.MODEL_NAME: contender(forecasting.MODEL_NAME)},
        )  # fmt: skip
        return rows.with_columns(kind=pl.lit(kind))

    try:
        with ThreadPoolExecutor(threads) as pool:
            forecasts = pl.concat(pool.map(forecast, inputs))
    except forecasting.NotEnoughHistory as error:
        raise EffectError(f"{error}; choose a later start") from None
    demand = pl.concat([versions for _, _, versions in inputs]).filter(
        pl.col("known_to_utc").is_null(), pl.col("demand_kwh").is_not_null()
    )
    weeks = [at for number, at in enumerate(reversed(issues.times)) if number % 7 == 0]
    described = meters(con)
    alarms = [_alarms(con, at, described) for at in weeks]
    return Arm(forecasts, demand.select("meter_id", "interval_start_utc", "demand_kwh"), pl.concat(alarms))


def _alarms(con: duckdb.DuckDBPyConnection, at: datetime, described: pl.DataFrame) -> pl.DataFrame:
    """Events of the week before, as the daily step would have found them."""
    flagged = [
        flagged_as_of(con, at, WEEK.days, hourly_history(con, at, WEEK.days, some), some) for some in batches(described)
    ]
    return monitoring.anomalies.merge(pl.concat(flagged), at)
