"""Which of two models forecasts from now on.

Belongs here: the judging days, the paired test, the decision row. Does not belong here: training, storage.

Both models forecast the same issue days, none of which either was fitted on. Daily errors (WAPE per meter and day, so
that a country does not drown a home) are compared in pairs; the challenger needs a margin and a one-sided t-test.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
from scipy import stats

from energy_assets.forecasting.models import MEDIAN, MODEL_NAME, TrainedModel
from energy_assets.forecasting.scoring import forecast
from energy_assets.metrics import point_errors

MARGIN = 0.005
SIGNIFICANCE = 0.1
MIN_DAYS = 7
TEST = "paired t-test of daily WAPE on issue days that neither model was fitted on"


def decide(
    candidate: TrainedModel,
    champion: TrainedModel | None,
    frame: pl.DataFrame | None,
    *,
    decided_at: datetime,
    judged_candidate: TrainedModel | None = None,
    rolling: pl.DataFrame | None = None,
    margin: float = MARGIN,
) -> pl.DataFrame:
    """Judge a candidate against the champion; one row of `forecasts.model_decisions`.

    A candidate trained on everything known leaves no days to judge it by. The same recipe stands for it then: trained
    as of an earlier time (`judged_candidate`), or refitted over time (`rolling`), each refit on what was known then.

    Args:
        candidate: the model that would be promoted.
        champion: the model in use, or None: the first model is promoted untested, and the row says so.
        frame: feature frame with `demand_kwh` (and optionally `label_known_at_utc`) of the days to judge by.
        decided_at: tz-aware; only labels known by then count.
        judged_candidate: stands for the candidate; the candidate itself if absent.
        rolling: columns of `forecasts.backtest_forecasts`; goes before `judged_candidate`.
        margin: relative improvement of the mean daily error that is asked for.
    """
    if champion is None:
        return _row(candidate, None, decided_at, "first", {}, "first model of its kind; nothing to compare it with")
    days = (
        _daily_errors(judged_candidate or candidate, champion, frame, decided_at, rolling)
        if frame is not None
        else None
    )
    if days is None or days.height < MIN_DAYS:
        count = 0 if days is None else days.height
        reason = f"{count} issue days that neither model was fitted on, {MIN_DAYS} are needed"
        return _row(candidate, champion, decided_at, "kept", {"days": count}, reason)
    ours, theirs = days["candidate"].to_numpy(), days["champion"].to_numpy()
    gain = float(1 - ours.mean() / theirs.mean()) if theirs.mean() > 0 else 0.0
    equal = bool((ours == theirs).all())
    p_value = 1.0 if equal else float(stats.ttest_rel(ours, theirs, alternative="less").pvalue)
    figures = {
        "days": days.height,
        "candidate_wape": round(float(ours.mean()), 6),
        "champion_wape": round(float(theirs.mean()), 6),
        "gain": round(gain, 6),
        "p_value": round(p_value, 6),
        "margin": margin,
    }
    better = gain >= margin and p_value <= SIGNIFICANCE
    verb = "better" if gain > 0 else "worse" if gain < 0 else "the same"
    size = f" by {abs(gain):.1%}" if gain else ""
    reason = (
        f"daily error {ours.mean():.2%} against {theirs.mean():.2%} of the champion on {days.height} days: {verb}{size}"
        f" (p = {p_value:.3f}; asked for {margin:.1%} and p of at most {SIGNIFICANCE})"
    )
    return _row(candidate, champion, decided_at, "promoted" if better else "kept", figures, reason)


def _daily_errors(
    candidate: TrainedModel,
    champion: TrainedModel,
    frame: pl.DataFrame,
    decided_at: datetime,
    rolling: pl.DataFrame | None,
) -> pl.DataFrame:
    """Mean WAPE of the meters per issue day (columns issued_at_utc, candidate, champion)."""
    known_at = pl.col("label_known_at_utc" if "label_known_at_utc" in frame.columns else "interval_end_utc")
    judged = [champion] if rolling is not None else [candidate, champion]
    rows = frame.filter(
        pl.col("kind") == champion.kind,
        pl.col("issued_at_utc") >= max(m.as_of_utc for m in judged),
        pl.col("interval_start_utc") >= max(m.train_end_utc for m in judged),
        known_at <= decided_at,
        pl.col("interval_end_utc") <= decided_at,
        pl.col("demand_kwh").is_finite(),
    )
    features = rows.drop("demand_kwh", "label_known_at_utc", strict=False)
    stand_in = None if rolling is None else rolling.filter(pl.col("model_name") == MODEL_NAME)
    ours = forecast(features, candidate).rows if stand_in is None else stand_in
    keys = ["meter_id", "issued_at_utc", "interval_start_utc"]
    said = {"candidate": ours, "champion": forecast(features, champion).rows}
    both = pl.concat(
        part.filter(pl.col("quantile") == MEDIAN).select(
            *keys, pl.col("demand_kwh").alias("predicted_kwh"), pl.lit(name).alias("model")
        )
        for name, part in said.items()
    )
    both = both.filter(pl.len().over(keys) == len(said))  # the same intervals for both
    actual = rows.select("meter_id", "interval_start_utc", actual_kwh="demand_kwh")
    compared = both.join(actual.unique(keys[::2]), on=keys[::2], maintain_order="left")
    daily = point_errors(compared, ["issued_at_utc", "meter_id", "model"]).filter(pl.col("metric") == "wape")
    of = {name: pl.col("value").filter(pl.col("model") == name).mean().alias(name) for name in said}
    return daily.group_by("issued_at_utc", maintain_order=True).agg(of.values()).drop_nulls().sort("issued_at_utc")


def _row(
    candidate: TrainedModel,
    champion: TrainedModel | None,
    decided_at: datetime,
    decision: str,
    figures: dict[str, Any],
    reason: str,
) -> pl.DataFrame:
    keeps = champion is not None and decision == "kept"
    row = {
        "model_name": candidate.name,
        "decided_at_utc": decided_at.astimezone(UTC),
        "from_version": champion.version if champion else None,
        "to_version": champion.version if champion is not None and keeps else candidate.version,
        "candidate_version": candidate.version,
        "decision": decision,
        "test": TEST if champion else "none",
        "figures": json.dumps(figures, sort_keys=True),
        "reason": reason,
    }
    return pl.DataFrame([row], schema_overrides={"from_version": pl.String, "decided_at_utc": pl.Datetime("us", "UTC")})
