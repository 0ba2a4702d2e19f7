"""Which of two forecasts speaks from now on.

Belongs here: the days that two forecasts are judged by, the paired test, the rule, the decision rows. Does not belong
here: training, storage, which models stand (`defs/forecasting/registry.py`).

One rule for all changes: over issue days that neither was fitted on, the mean daily error has to be smaller by a
margin, the difference no chance by a one-sided test of Diebold and Mariano, and few meters much worse off. By it a
challenger takes the champion's place, a predecessor is put back, and the naive forecast speaks where a model is worse
than it. The daily error is the mean over the meters of each one's WAPE, so that a country does not drown a home.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest

import polars as pl

from energy_assets.config import Promotion
from energy_assets.forecasting.baselines import seasonal_naive
from energy_assets.forecasting.comparison import diebold_mariano, usual_lags
from energy_assets.forecasting.models import MEDIAN, TrainedModel
from energy_assets.forecasting.scoring import NAIVE_VERSION, forecast
from energy_assets.metrics import point_errors

TEST = "one-sided Diebold-Mariano test of daily WAPE on issue days that neither was fitted on"
WHOLE = 0.8  # share of a day's intervals that have to be known for it to count
HARM, HARMED_SHARE = 0.1, 0.25  # better on average but 10 % worse for more than a quarter of the meters is not better
KEYS = ("meter_id", "issued_at_utc", "interval_start_utc")


@dataclass(frozen=True)
class Comparison:
    """Two forecasts of the same intervals: mean daily errors, the p-values that one is better by chance alone.

    `harmed` is the share of meters that the first makes more than 10 % worse, `spared` that of the second.
    """

    days: int
    ours: float
    theirs: float
    p_better: float
    p_worse: float
    harmed: float
    spared: float

    @property
    def gain(self) -> float:
        """Share by which our error is smaller than theirs; negative where it is larger."""
        return 1 - self.ours / self.theirs if self.theirs > 0 else 0.0

    def better(self, rule: Promotion) -> bool:
        """Whether the first has to take the place of the second."""
        return self._judged(rule) and self.gain >= rule.margin and self._sure(self.p_better, self.harmed, rule)

    def worse(self, rule: Promotion) -> bool:
        """The same rule the other way round."""
        gain = 1 - self.theirs / self.ours if self.ours > 0 else 0.0
        return self._judged(rule) and gain >= rule.margin and self._sure(self.p_worse, self.spared, rule)

    def figures(self, rule: Promotion) -> str:
        """As JSON."""
        if not self._judged(rule):
            return json.dumps({"days": self.days, "min_days": rule.min_days})
        values = {
            "candidate_wape": self.ours,
            "opponent_wape": self.theirs,
            "gain": self.gain,
            "p_value": self.p_better,
            "harmed_meters": self.harmed,
        }
        asked = {"days": self.days, "margin": rule.margin, "significance": rule.significance, "worse": self.worse(rule)}
        return json.dumps({key: round(value, 6) for key, value in values.items()} | asked, sort_keys=True)

    def sentence(self, opponent: str, rule: Promotion) -> str:
        """What was found and what was asked for."""
        if not self._judged(rule):
            return f"{self.days} issue days that neither was fitted on have come true, {rule.min_days} are needed"
        verb = "better" if self.gain > 0 else "worse" if self.gain < 0 else "the same"
        size = f" by {abs(self.gain):.1%}" if self.gain else ""
        harmed = f", {self.harmed:.0%} of the meters over {HARM:.0%} worse" if self.harmed else ""
        return (
            f"daily error {self.ours:.2%} against {self.theirs:.2%} of {opponent} on {self.days} days: {verb}{size}"
            f" (p = {self.p_better:.3f}{harmed}; asked for {rule.margin:.1%} and p of at most {rule.significance})"
        )

    def _judged(self, rule: Promotion) -> bool:
        return self.days >= rule.min_days

    @staticmethod
    def _sure(p_value: float, harmed: float, rule: Promotion) -> bool:
        return p_value <= rule.significance and harmed <= HARMED_SHARE


NOTHING = Comparison(0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0)


def compare(ours: pl.DataFrame, theirs: pl.DataFrame, actuals: pl.DataFrame) -> Comparison:
    """Daily errors of two forecasts over the intervals that both have and that have come true.

    Args:
        ours: meter_id, issued_at_utc, interval_start_utc, quantile, demand_kwh; only medians count.
        theirs: the same of the other.
        actuals: meter_id, interval_start_utc, demand_kwh: what was known when the decision is made, and nothing later.
    """
    said = {"ours": ours, "theirs": theirs}
    both = pl.concat(
        rows.filter(pl.col("quantile") == MEDIAN).select(*KEYS, pl.lit(name).alias("of"), predicted_kwh="demand_kwh")
        for name, rows in said.items()
    ).filter(pl.len().over(KEYS) == len(said))
    known = actuals.filter(pl.col("demand_kwh").is_finite()).select(*KEYS[::2], actual_kwh="demand_kwh").unique()
    compared = both.join(known, on=KEYS[::2], how="left", maintain_order="left").filter(
        pl.col("actual_kwh").is_not_null().mean().over("meter_id", "issued_at_utc") >= WHOLE
    )
    errors = point_errors(compared, ["issued_at_utc", "meter_id", "of"]).filter(
        pl.col("metric") == "wape", pl.col("value").is_not_null()
    )
    if errors.is_empty():
        return NOTHING
    of = {name: pl.col("value").filter(pl.col("of") == name).mean().alias(name) for name in said}
    daily = errors.group_by("issued_at_utc").agg(of.values()).sort("issued_at_utc")
    meters = errors.group_by("meter_id").agg(of.values())
    p_better, p_worse = _p_values(daily)
    harmed, spared = meters.select(
        (pl.col("ours") > (1 + HARM) * pl.col("theirs")).mean().alias("harmed"),
        (pl.col("theirs") > (1 + HARM) * pl.col("ours")).mean().alias("spared"),
    ).row(0)
    ours_mean, theirs_mean = daily.select(pl.col("ours").mean(), pl.col("theirs").mean()).row(0)
    return Comparison(daily.height, ours_mean, theirs_mean, p_better, p_worse, harmed, spared)


def newest_says(models: Sequence[TrainedModel], rows: pl.DataFrame, *, since: datetime) -> pl.DataFrame:
    """What would have been issued from `since` on, each day by the newest of the models that was trained by then.

    Days before all of them are left out.

    Args:
        models: of one kind.
        rows: columns of `features.feat_demand_day_ahead` with `demand_kwh` and `label_known_at_utc`, of that kind; each
            issue day is forecast from what was known by then, days before `since` among it.
        since: first issue time.
    """
    ordered = sorted(models, key=lambda model: model.as_of_utc)
    issued = pl.col("issued_at_utc")
    features = rows.drop("demand_kwh", "label_known_at_utc", strict=False)
    parts = [forecast(features.clear(), None).rows]
    for model, successor in zip_longest(ordered, ordered[1:]):  # a handful: one per week
        due = features.filter(issued >= max(since, model.as_of_utc))
        if successor is not None:
            due = due.filter(issued < successor.as_of_utc)
        if due.height:
            parts.append(forecast(due, model, rows).rows)
    return pl.concat(parts)


def naive_says(features: pl.DataFrame) -> pl.DataFrame:
    """The seasonal naive forecast of each row, as medians."""
    return seasonal_naive(features).with_columns(pl.lit(MEDIAN).alias("quantile"))


def first(name: str, version: str, *, at: datetime) -> pl.DataFrame:
    """The first model of a kind: promoted untested, and the row says so; one row of `forecasts.model_decisions`."""
    reason = "first model of its kind; nothing to compare it with"
    return _row(name, at, "first", None, version, version, "none", "{}", reason)


def promotion(
    name: str,
    candidate: str,
    standing: str,
    found: Comparison,
    rule: Promotion,
    *,
    at: datetime,
    withheld: bool = False,
) -> pl.DataFrame:
    """A challenger against what speaks now: the champion, or the naive forecast where the champion is withheld.

    Args:
        name: name of the model.
        candidate: version of the challenger.
        standing: version of the champion.
        found: the challenger's recipe compared with what speaks.
        rule: what is asked for.
        at: instant of the decision, tz-aware.
        withheld: whether the naive forecast speaks for the champion.
    """
    better = found.better(rule)
    reason = found.sentence("the naive forecast" if withheld else "the champion", rule)
    chosen = candidate if better else standing
    return _row(
        name, at, "promoted" if better else "kept", standing, chosen, candidate, TEST, found.figures(rule), reason
    )


def demotion(
    name: str, predecessor: str, standing: str, found: Comparison, rule: Promotion, *, at: datetime
) -> pl.DataFrame | None:
    """The champion's predecessor is put back if it has been better since the promotion; None if it has not."""
    if not found.better(rule):
        return None
    reason = "put back: " + found.sentence("the champion that took its place", rule)
    return _row(name, at, "demoted", standing, predecessor, predecessor, TEST, found.figures(rule), reason)


def withholding(
    name: str, standing: str, naive: Comparison, rule: Promotion, *, at: datetime, withheld: bool
) -> pl.DataFrame | None:
    """Whether the naive forecast has to speak for the champion, or the champion for itself again; None: as before.

    Args:
        name: name of the model.
        standing: version of the champion.
        naive: the naive forecast compared with the champion.
        rule: what is asked for.
        at: instant of the decision, tz-aware.
        withheld: whether the naive forecast speaks for it now.
    """
    if not withheld and naive.better(rule):
        reason = "the naive forecast speaks for it: " + naive.sentence("the champion", rule)
        return _row(name, at, "withheld", standing, standing, NAIVE_VERSION, TEST, naive.figures(rule), reason)
    if withheld and naive.worse(rule):
        reason = "it speaks for itself again: the naive forecast had a " + naive.sentence("the champion", rule)
        return _row(name, at, "restored", standing, standing, standing, TEST, naive.figures(rule), reason)
    return None


def _p_values(daily: pl.DataFrame) -> tuple[float, float]:
    """That ours is better, and that it is worse, by chance alone; 1 where there is nothing to tell."""
    if daily.height < 2:
        return 1.0, 1.0
    ours, theirs = (daily[name].to_numpy() for name in ("ours", "theirs"))
    statistic, p_value = diebold_mariano(ours, theirs, lags=usual_lags(daily.height))
    if statistic == 0:
        return 1.0, 1.0
    return (p_value / 2, 1 - p_value / 2) if statistic < 0 else (1 - p_value / 2, p_value / 2)


def _row(
    name: str,
    at: datetime,
    decision: str,
    from_version: str | None,
    to_version: str,
    candidate: str,
    test: str,
    figures: str,
    reason: str,
) -> pl.DataFrame:
    row = {
        "model_name": name,
        "decided_at_utc": at.astimezone(UTC),
        "from_version": from_version,
        "to_version": to_version,
        "candidate_version": candidate,
        "decision": decision,
        "test": test,
        "figures": figures,
        "reason": reason,
    }
    return pl.DataFrame([row], schema_overrides={"from_version": pl.String, "decided_at_utc": pl.Datetime("us", "UTC")})
