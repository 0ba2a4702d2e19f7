"""Models held against what has come true: what the gate is asked at an issue time, and with which days.

Belongs here: fetching what was known, the questions about a standing model (is the naive forecast better, is its
predecessor, does demand stay within its bands), the one about a challenger. Does not belong here: the rule
(`forecasting.gate`), training, assets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl

from energy_assets import monitoring
from energy_assets.config import Promotion, WarehouseConfig
from energy_assets.defs.forecasting.issuing import WORSE_THAN_NAIVE, history_days
from energy_assets.defs.forecasting.registry import Standing, champion, model_name
from energy_assets.defs.frames import actuals, issue_times, labelled_features
from energy_assets.forecasting import TrainedModel, forecast, gate
from energy_assets.forecasting.models import MEDIAN
from energy_assets.forecasting.selection import LAST_RESORTS, NAIVE_COLUMNS, ORDER
from energy_assets.warehouse import fetch

BAND_DAYS = 14
ISSUED = f"""
SELECT meter_id, issued_at_utc, interval_start_utc, quantile, demand_kwh FROM forecasts.demand_forecasts
WHERE issued_at_utc >= $since AND issued_at_utc < $last AND model_version = $version AND quantile = {MEDIAN}
QUALIFY revision = max(revision) OVER (PARTITION BY meter_id, issued_at_utc, interval_start_utc, quantile)
    AND NOT bool_or(coalesce(quality_reason = '{WORSE_THAN_NAIVE}', FALSE)) OVER (PARTITION BY issued_at_utc)
ORDER BY meter_id, issued_at_utc, interval_start_utc"""
LAST_VALUES = f"""
SELECT {", ".join((*ORDER, "interval_end_utc", *NAIVE_COLUMNS, *LAST_RESORTS))} FROM features.feat_demand_day_ahead
WHERE issued_at_utc IN (SELECT unnest($issues::TIMESTAMPTZ[])) AND kind = $kind"""


class Watch:
    """The standing models over the issue days of a run, judged at each by what was known then.

    What a champion has issued is its word. Of days without (a range of days is issued after it is watched, the naive
    forecast may have spoken) it is made once for the whole run; corrections since then count there as not yet known.
    """

    def __init__(self, folder: Path, config: WarehouseConfig, *, first: datetime, last: datetime) -> None:
        self.folder, self.config, self.rule = folder, config, config.forecast.promotion
        self.window = timedelta(weeks=self.rule.weeks)
        self.since, self.last = first - self.window, last
        self.said: dict[str, pl.DataFrame] = {}

    def withholding(self, con: duckdb.DuckDBPyConnection, kind: str, at: datetime) -> pl.DataFrame | None:
        """The decision that the naive forecast speaks for the champion from now on, or no longer, if it is to be."""
        standing = champion(con, self.folder, model_name(kind), at)
        if standing is None:
            return None
        since = max(at - self.window, standing.model.as_of_utc)
        ours = _between(self._says(con, standing.model), since, at)
        issues = ours["issued_at_utc"].unique().sort().to_list()
        naive = gate.naive_says(fetch(con, LAST_VALUES, {"issues": issues, "kind": kind}))
        found = gate.compare(naive, ours, actuals(con, as_of=at, since=since))
        return gate.withholding(
            model_name(kind), standing.model.version, found, self.rule, at=at, withheld=standing.withheld
        )

    def _says(self, con: duckdb.DuckDBPyConnection, model: TrainedModel) -> pl.DataFrame:
        if model.version not in self.said:
            issued = fetch(con, ISSUED, {"since": self.since, "last": self.last, "version": model.version})
            since = max(self.since, model.as_of_utc)
            days = issue_times(self.config, as_of=self.last, days=(self.last - since).days + 1)
            there = set(issued["issued_at_utc"])
            due = [at for at in days if at >= since and at not in there]
            made = issued.clear()
            if due:
                reach = (self.last - due[0]).days + 1 + history_days(model, due[0])
                rows = labelled_features(con, self.config, as_of=self.last, days=reach, kind=model.kind)
                said = gate.newest_says([model], rows, since=due[0])
                own = pl.col("issued_at_utc").is_in(due) & (pl.col("quantile") == MEDIAN)
                made = said.filter(own).select(issued.columns)
            self.said[model.version] = pl.concat([issued, made])
        return self.said[model.version]


def recent_bands(
    con: duckdb.DuckDBPyConnection, folder: Path, config: WarehouseConfig, kinds: Sequence[str], at: datetime
) -> pl.DataFrame:
    """How often demand of the last fortnight left the champions' bands as they were calibrated in training.

    What is issued follows the errors of the last days; a model of which that asks much has lost its calibration.

    Returns:
        Columns of `monitoring.recent_bands`, with kind, model_version and held_out_wape of its training.
    """
    parts = []
    for kind in kinds:
        standing = champion(con, folder, model_name(kind), at)
        if standing is None:
            continue
        rows = labelled_features(con, config, as_of=at, days=BAND_DAYS, kind=kind)
        rows = rows.filter(pl.col("issued_at_utc") >= standing.model.as_of_utc)
        said = forecast(rows, standing.model).rows.filter(pl.col("quality") == "primary")
        parts.append(
            monitoring.recent_bands(said, rows).with_columns(
                kind=pl.lit(kind),
                model_version=pl.lit(standing.model.version),
                held_out_wape=pl.lit(standing.model.metrics.get("wape"), dtype=pl.Float64),
            )
        )
    return pl.concat(parts) if parts else pl.DataFrame()


def demotion(
    standing: Standing, predecessor: TrainedModel, rows: pl.DataFrame, rule: Promotion, *, at: datetime
) -> pl.DataFrame | None:
    """The decision that the predecessor is put back, if it is to be: asked in the first weeks after a promotion.

    Args:
        standing: the champion, put in its place by a promotion.
        predecessor: the model that was in its place.
        rows: features with the demand that was known at `at`, of the kind.
        rule: what is asked for.
        at: instant of the decision.
    """
    before, after = (_between(gate.newest_says([m], rows, since=standing.since), standing.since, at)
                     for m in (predecessor, standing.model))  # fmt: skip
    found = gate.compare(before, after, rows)
    return gate.demotion(standing.model.name, predecessor.version, standing.model.version, found, rule, at=at)


def challenge(
    candidate: TrainedModel,
    standing: Standing,
    rows: pl.DataFrame,
    before: Sequence[TrainedModel],
    train: Callable[[datetime], TrainedModel],
    rule: Promotion,
    *,
    at: datetime,
) -> pl.DataFrame:
    """The gate's decision on a challenger.

    Trained on everything known, a challenger leaves no days to judge it by. Its recipe stands for it on the days since
    the champion's training end, `rule.weeks` at most: each day is forecast by the newest challenger trained by then,
    and where there was none by the recipe trained as of the first of these days.

    Args:
        candidate: the challenger.
        standing: the champion.
        rows: features with the demand that was known at `at`, of the kind.
        before: models of the weeks before `at`.
        train: the recipe as of an instant.
        rule: what is asked for.
        at: instant of the decision.
    """
    earliest = at - timedelta(weeks=rule.weeks)
    since = earliest if standing.withheld else max(earliest, standing.model.as_of_utc)
    alike = [m for m in before if m.as_of_utc > standing.model.as_of_utc and same_recipe(m, candidate)]
    begun = any(model.as_of_utc <= since for model in alike)
    repeats_the_champion = since == standing.model.as_of_utc and same_recipe(standing.model, candidate)
    stand_ins = alike if begun or repeats_the_champion else [train(since), *alike]
    days = _between(rows, since, at)
    theirs = gate.naive_says(days) if standing.withheld else gate.newest_says([standing.model], rows, since=since)
    found = gate.compare(gate.newest_says(stand_ins, rows, since=since), theirs, days)
    return gate.promotion(
        candidate.name, candidate.version, standing.model.version, found, rule, at=at, withheld=standing.withheld
    )


def same_recipe(one: TrainedModel, other: TrainedModel) -> bool:
    """Whether two models differ in nothing but the days that they learned from."""
    return (one.features, one.params) == (other.features, other.params)


def _between(rows: pl.DataFrame, since: datetime, at: datetime) -> pl.DataFrame:
    return rows.filter(pl.col("issued_at_utc") >= since, pl.col("issued_at_utc") < at)
