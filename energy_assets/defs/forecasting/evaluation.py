"""What a backtest is asked for: its window, meters, models and settings, and the features that it needs.

Belongs here: reading the question and saying what is wrong with it. Does not belong here: the answer (`backtest.py`).
"""

import os
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

import dagster as dg
import duckdb
from dagster_dbt import DbtCliResource
from pydantic import Field

from energy_assets.config import WarehouseConfig
from energy_assets.defs.forecasting.profiles import make_profiles
from energy_assets.defs.frames import LEARNED, LONGEST_DAY
from energy_assets.defs.issues import Issues
from energy_assets.defs.resources import WarehouseResource
from energy_assets.defs.transformation.arguments import build_arguments, dbt_environment
from energy_assets.defs.transformation.built_with import BuiltWith
from energy_assets.defs.transformation.dbt_models import dbt_project, load_manifest
from energy_assets.defs.transformation.lineage import project_version
from energy_assets.forecasting import WINDOW_DAYS
from energy_assets.forecasting.contenders import ASKED, DEFAULT, UnknownContender, contender
from energy_assets.warehouse import Warehouse, first_row

DAY = timedelta(days=1)
FEATURE_MODELS = ("int_issue_days", "feat_demand_day_ahead")
MISSING = f"""
WITH reach AS (
    SELECT meter_id, min(known_from_utc) AS first_utc, max(interval_end_utc) + INTERVAL 45 DAY AS last_utc
    FROM intermediate.int_demand_versions JOIN raw.meters USING (meter_id)
    WHERE demand_kwh IS NOT NULL AND kind <> 'machine'
        AND (len($meters::VARCHAR[]) = 0 OR list_contains($meters::VARCHAR[], meter_id))
    GROUP BY meter_id
)
SELECT count(*) FROM reach JOIN (SELECT unnest($issues::TIMESTAMPTZ[]) AS issued_at_utc) f
    ON issued_at_utc BETWEEN first_utc AND last_utc
JOIN intermediate.int_training_turns t USING (meter_id)
ANTI JOIN (SELECT DISTINCT meter_id, issued_at_utc FROM features.feat_demand_day_ahead) USING (meter_id, issued_at_utc)
WHERE {LEARNED}
"""  # 45 days: a meter that has been silent for longer has no features (`int_issue_days`)


class WrongQuestion(ValueError):  # noqa: N818 - it says what is wrong
    """A backtest cannot be made as asked; the message says why and what to do."""


class BacktestConfig(dg.Config):
    """What to evaluate. Without any of it: the last `forecast.evaluation_weeks`, as every daily run does."""

    start: str | None = Field(None, description="First local day that is forecast, e.g. 2023-01-01.")
    end: str | None = Field(None, description="Last local day that is forecast; default: the day after the issue date.")
    meters: list[str] = Field([], description="Ids of the meters to learn from and to score; default: all.")
    issue_hour: int | None = Field(
        None, ge=0, le=23, description="Local hour of the day before; default: sources.yaml."
    )
    refit_weeks: int | None = Field(None, ge=1, le=104, description="Weeks between two fits; default: sources.yaml.")
    models: list[str] = Field([], description=f"Names of models; default: {', '.join(ASKED)}.")
    interval: Literal["hour", "own"] = Field(
        "hour", description="Hours, or the meters' own interval, of those that have a finer one."
    )
    report: bool = Field(False, description="Whether to write an HTML report per kind of meter.")


@dataclass(frozen=True)
class Evaluation:
    """A question that can be answered. `issues` are the issue days of the window; `as_of` is that of the run."""

    made_for: Literal["daily", "asked"]
    issues: Issues
    refit_weeks: int
    training_days: int
    models: tuple[str, ...]
    meters: tuple[str, ...]
    seed: int
    as_of: datetime
    interval: Literal["hour", "own"] = "hour"
    most_meters: int | None = None

    @classmethod
    def of(cls, asked: BacktestConfig, config: WarehouseConfig, warehouse: Warehouse, run: Issues) -> "Evaluation":
        """The question, with what was not said taken from `sources.yaml`.

        Raises:
            WrongQuestion: days, meters or models make no backtest.
        """
        schedule = config.forecast
        questions = asked.model_dump(exclude={"report"}, exclude_defaults=True)
        last = _day("end", asked.end) - DAY if asked.end else run.last
        first = _day("start", asked.start) - DAY if asked.start else last - schedule.evaluation_weeks * 7 * DAY + DAY
        hour = schedule.issue_hour if asked.issue_hour is None else asked.issue_hour
        issues = Issues(first, last, hour, config.market.timezone)
        if first > last:
            raise WrongQuestion(
                f"the window begins on {first + DAY} and ends on {last + DAY}: give days in their order"
            )
        if issues.last_time > run.last_time:
            raise WrongQuestion(
                f"{last + DAY} is forecast on {last} at {hour}:00, which is after the run's own issue time "
                f"({run.last} at {run.issue_hour}:00): choose an earlier end, or load more with `energy-assets run`"
            )
        meters, models = tuple(dict.fromkeys(asked.meters)), tuple(dict.fromkeys(asked.models))
        models = models or (ASKED if questions else DEFAULT)
        _check_models(models)
        _check_meters(meters, warehouse)
        return cls(
            "asked" if questions else "daily", issues, asked.refit_weeks or schedule.refit_weeks,
            schedule.training_days, models, meters, schedule.seed, run.last_time, asked.interval,
            None if questions else schedule.evaluation_meters,
        )  # fmt: skip

    @property
    def learned_from(self) -> list[datetime]:
        """Issue times whose features are needed: the window's, and those that its first fit learns from."""
        first = self.issues.first - timedelta(days=self.training_days)
        return Issues(first, self.issues.last, self.issues.issue_hour, self.issues.timezone).times

    @property
    def until(self) -> datetime:
        """An instant by which the last day of the window is over, as far as it can be known."""
        return min(self.as_of, self.issues.last_time + LONGEST_DAY)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes it what it is, beside the data."""
        return {
            "made_for": self.made_for,
            "start_date": self.issues.first + DAY,
            "end_date": self.issues.last + DAY,
            "issue_hour": self.issues.issue_hour,
            "refit_weeks": self.refit_weeks,
            "training_days": self.training_days,
        } | ({"forecast_interval": self.interval} if self.interval == "own" else {})


def ensure_features(
    context: dg.AssetExecutionContext, energy: WarehouseResource, dbt: DbtCliResource, asked: Evaluation
) -> None:
    """Makes the features that are missing for the window and the training days before it; for a daily one, none.

    Raises:
        WrongQuestion: nothing is built, or what stands was built by another text of the models or for other meters.
    """
    target = energy.settings.dbt_target
    if BuiltWith.of(
        energy.warehouse, energy.settings.built_with, project_version(load_manifest(dbt_project()))
    ).changed:
        raise WrongQuestion(
            "marts and features are not built yet, or by another text of the models, or meters have changed since: "
            "`energy-assets run` builds them anew"
        )
    if asked.made_for == "daily":  # with more to learn from it would be another one than the daily run's
        return
    with energy.warehouse.connect(read_only=True) as con:
        since = asked.issues.first_time - (WINDOW_DAYS + 1) * DAY
        row = first_row(con, MISSING, {
            "issues": asked.learned_from, "meters": list(asked.meters), "whole_since": since, "judged_since": since
        })  # fmt: skip
    missing = int(row[0]) if row else 0
    if not missing:
        return
    context.log.info(f"making features of {missing:,} meter-days, issued at {asked.issues.issue_hour}:00")
    before = dict(os.environ)
    os.environ.update(dbt_environment(energy.config, asked.issues, energy.settings.database))
    try:
        dbt.cli(["--quiet", *build_arguments(), "--select", " ".join(FEATURE_MODELS)], target_path=target).wait()
    finally:
        os.environ.clear()
        os.environ.update(before)
    make_profiles(context, energy, asked.issues)


def judged_meters(con: duckdb.DuckDBPyConnection, asked: Evaluation, kind: str) -> list[str]:
    """The meters of a kind whose forecasts are judged, where these are not all: every run the same, by chance."""
    if asked.most_meters is None:
        return []
    rows = con.execute("SELECT meter_id FROM raw.meters WHERE kind = ? ORDER BY md5(meter_id)", [kind]).fetchall()
    return sorted(meter for (meter,) in rows[: asked.most_meters])


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongQuestion(f"{name}: {text!r} is no day; write it like 2023-12-31") from None


def _check_models(models: tuple[str, ...]) -> None:
    for name in models:
        try:
            contender(name)
        except (UnknownContender, ImportError) as error:
            raise WrongQuestion(str(error)) from None


def _check_meters(meters: tuple[str, ...], warehouse: Warehouse) -> None:
    if not warehouse.database.exists():
        raise WrongQuestion("nothing is loaded yet: `energy-assets run` loads and builds")
    with warehouse.connect(read_only=True) as con:
        known = [
            r[0] for r in con.execute("SELECT meter_id FROM raw.meters WHERE kind <> 'machine' ORDER BY 1").fetchall()
        ]
    unknown = [m for m in meters if m not in known]
    if unknown:
        shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
        raise WrongQuestion(
            f"no meter with hourly forecasts is called {', '.join(unknown)}; there are {shown or 'none'}"
        )
