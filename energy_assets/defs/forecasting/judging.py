"""Models held against what has come true: what the gate is asked at an issue time, and with which days.

Belongs here: fetching what was known, the two questions about a standing model (is its predecessor better, is the naive
forecast), the one about a challenger, the errors of the last fortnight. Does not belong here: the rule
(`forecasting.gate`), training, assets.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl

from energy_assets import monitoring
from energy_assets.config import Promotion, WarehouseConfig
from energy_assets.defs.forecasting.registry import Standing, champion, model_name, version
from energy_assets.defs.frames import actuals, labelled_features
from energy_assets.forecasting import TrainedModel, gate

BAND_DAYS = 14


class Watch:
    """The standing models over the issue days of a run; what a model says of them is computed once.

    A day that is watched later, or in a range, is watched with what was known at its issue time.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, folder: Path, config: WarehouseConfig, *, first: datetime, last: datetime
    ) -> None:
        self.folder, self.rule = folder, config.forecast.promotion
        self.window = timedelta(weeks=self.rule.weeks)
        reach = max(self.window, timedelta(days=BAND_DAYS))
        days = (last - first + reach).days + 1  # a day more, should the clock have changed
        self.features = labelled_features(con, config, as_of=last, days=days).drop("demand_kwh", "label_known_at_utc")
        self.said: dict[str, pl.DataFrame] = {}

    def demotion(self, con: duckdb.DuckDBPyConnection, kind: str, at: datetime) -> pl.DataFrame | None:
        """The decision that the predecessor is put back, if it is to be: asked in the first weeks after a promotion."""
        standing = champion(con, self.folder, model_name(kind), at)
        if standing is None or standing.decision != "promoted" or standing.predecessor is None:
            return None
        predecessor = version(con, self.folder, standing.predecessor)
        if predecessor is None or standing.since < at - self.window:
            return None
        found = gate.compare(
            self._says(predecessor, standing.since, at),
            self._says(standing.model, standing.since, at),
            actuals(con, as_of=at, since=standing.since),
        )
        return gate.demotion(model_name(kind), predecessor.version, standing.model.version, found, self.rule, at=at)

    def withholding(self, con: duckdb.DuckDBPyConnection, kind: str, at: datetime) -> pl.DataFrame | None:
        """The decision that the naive forecast speaks for the champion from now on, or no longer, if it is to be."""
        standing = champion(con, self.folder, model_name(kind), at)
        if standing is None:
            return None
        since = at - self.window
        ours = self._says(standing.model, since, at)
        naive = gate.naive_says(_between(self.features.filter(pl.col("kind") == kind), since, at))
        found = gate.compare(naive, ours, actuals(con, as_of=at, since=since))
        return gate.withholding(
            model_name(kind), standing.model.version, found, self.rule, at=at, withheld=standing.withheld
        )

    def bands(self, con: duckdb.DuckDBPyConnection, kinds: list[str], at: datetime) -> pl.DataFrame:
        """How often demand of the last fortnight left the champions' bands as calibrated in training.

        Returns:
            Columns of `monitoring.recent_bands`, and model_version.
        """
        since, parts = at - timedelta(days=BAND_DAYS), []
        known = actuals(con, as_of=at, since=since)
        for kind in kinds:
            standing = champion(con, self.folder, model_name(kind), at)
            if standing is not None:
                said = self._says(standing.model, since, at).filter(pl.col("quality") == "primary")
                found = monitoring.recent_bands(said, known)
                parts.append(
                    found.with_columns(pl.lit(kind).alias("kind"), model_version=pl.lit(standing.model.version))
                )
        return pl.concat(parts) if parts else pl.DataFrame()

    def _says(self, model: TrainedModel, since: datetime, at: datetime) -> pl.DataFrame:
        if model.version not in self.said:
            features = self.features.filter(pl.col("kind") == model.kind)
            self.said[model.version] = gate.newest_says([model], features)
        return _between(self.said[model.version], since, at)


def challenge(
    candidate: TrainedModel,
    standing: Standing,
    rows: pl.DataFrame,
    before: list[TrainedModel],
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
        before: challengers trained since the champion and before `at`.
        train: the recipe as of an instant.
        rule: what is asked for.
        at: instant of the decision.
    """
    earliest = at - timedelta(weeks=rule.weeks)
    since = earliest if standing.withheld else max(earliest, standing.model.as_of_utc)
    alike = [model for model in before if same_recipe(model, candidate)]
    begun = any(model.as_of_utc <= since for model in alike)
    repeats_the_champion = since == standing.model.as_of_utc and same_recipe(standing.model, candidate)
    stand_ins = alike if begun or repeats_the_champion else [train(since), *alike]
    days = _between(rows, since, at)
    theirs = gate.naive_says(days) if standing.withheld else gate.newest_says([standing.model], days)
    found = gate.compare(gate.newest_says(stand_ins, days), theirs, days)
    return gate.promotion(
        candidate.name, candidate.version, standing.model.version, found, rule, at=at, withheld=standing.withheld
    )


def same_recipe(one: TrainedModel, other: TrainedModel) -> bool:
    """Whether two models differ in nothing but the days that they learned from."""
    return (one.features, one.params) == (other.features, other.params)


def _between(rows: pl.DataFrame, since: datetime, at: datetime) -> pl.DataFrame:
    return rows.filter(pl.col("issued_at_utc") >= since, pl.col("issued_at_utc") < at)
