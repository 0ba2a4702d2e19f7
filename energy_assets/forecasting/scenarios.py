"""Joint paths of the next day, whose margins are the quantile forecasts.

Belongs here: how hours, and meters, go together. Does not belong here: the quantiles themselves, what the paths are
good for.

The Schaake shuffle (Clark et al. 2004): per hour the paths take equidistant quantiles of the forecast, ordered as
demand stood in the forecasts of as many past days. Path i follows the same past day at every hour and meter, so that a
day on which all hours, or all meters, were higher than expected leaves a path on which they are. Where fewer days have
come true than there are paths, days are used again; a light noise of slow decay keeps repeated days apart, and is all
there is where nothing has come true. `docs/peaks.md` has the figures that chose it.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from energy_assets.contracts import table
from energy_assets.quantiles import Floats, exceedance, quantiles_at, wide_quantiles

PATHS = 50
NOISE_DAYS = 10.0  # the noise weighs as much as so many past days
NOISE_DECAY = 0.95  # its correlation from hour to hour
LEAST_RANK = 0.005  # what lies beyond the known tail is not told apart
LEAST_HOURS = 0.75  # of the horizon: today, of which the night is known, is no past day yet
_ISSUE = ["meter_id", "issued_at_utc", "model_version"]
_PAST = ["meter_id", "issued_at_utc", "interval_start_utc"]


def past_ranks(forecasts: pl.DataFrame, actuals: pl.DataFrame) -> pl.DataFrame:
    """Where demand stood in its forecast: the probability that was given to less.

    Args:
        forecasts: meter_id, issued_at_utc, interval_start_utc, quantile, demand_kwh, one model per meter and issue.
        actuals: meter_id, interval_start_utc, demand_kwh.

    Returns:
        meter_id, issued_at_utc, interval_start_utc, rank (0 to 1) of the intervals with an actual.
    """
    wide, levels, values = wide_quantiles(forecasts.select(*_PAST, "quantile", "demand_kwh"), _PAST)
    if len(levels) < 2:
        return wide.with_columns(rank=pl.lit(None, dtype=pl.Float64)).clear()
    known = actuals.select("meter_id", "interval_start_utc", actual="demand_kwh").drop_nulls()
    actual = wide.join(known, on=["meter_id", "interval_start_utc"], how="left", maintain_order="left")["actual"]
    rank = 1.0 - exceedance(levels, values, actual.fill_null(0.0).to_numpy())
    return wide.with_columns(rank=pl.Series(rank)).filter(actual.is_not_null())


def demand_scenarios(
    forecasts: pl.DataFrame, ranks: pl.DataFrame, *, paths: int = PATHS, seed: int = 0
) -> pl.DataFrame:
    """Paths of every meter over the horizon of one issue.

    Args:
        forecasts: rows of `forecasts.demand_forecasts` of one issue time, one model per meter (`meter_id,
            issued_at_utc, model_version, interval_start_utc, interval_end_utc, quantile, demand_kwh`).
        ranks: what `past_ranks` gives, of what was known at the issue time. Days of 23 or 25 hours are matched by the
            number of the hour, the last one standing for what a shorter day does not have.
        paths: how many.
        seed: of the noise, together with the issue time.

    Returns:
        Rows of `forecasts.demand_scenarios`, sorted by key. The values of an hour over the paths are its quantiles at
        (i + 1/2) / paths; no tail reaches below zero where the forecast does not.

    Raises:
        ValueError: forecasts of several issue times, or fewer than two quantiles.
    """
    contract = table("forecasts.demand_scenarios")
    if forecasts.is_empty():
        return contract.empty()
    if forecasts["issued_at_utc"].n_unique() > 1:
        raise ValueError("paths are drawn for one issue time at once; call once per issue time")
    keys = [*_ISSUE, "interval_start_utc", "interval_end_utc"]
    hours, levels, values = wide_quantiles(forecasts.select(*keys, "quantile", "demand_kwh"), keys)
    if len(levels) < 2:
        raise ValueError(f"a distribution needs at least two quantiles; there are {levels.tolist()}")
    issued = hours["issued_at_utc"][0]
    number = hours.select(n=pl.int_range(pl.len()).over("meter_id", order_by="interval_start_utc"))["n"].to_numpy()
    meters = hours["meter_id"].unique().sort()
    code = hours["meter_id"].replace_strict(meters, pl.int_range(len(meters), eager=True))
    generator = np.random.default_rng([seed, int(issued.timestamp())])
    order = _templates(
        ranks.filter(pl.col("issued_at_utc") < issued), meters, int(number.max(initial=0)) + 1, paths, generator
    )
    place = order.argsort(axis=0, kind="stable").argsort(axis=0)[:, code.to_numpy(), number]
    spread = quantiles_at(levels, values, (np.arange(paths) + 0.5) / paths)
    drawn = np.take_along_axis(spread, place.T, axis=1)  # hours x paths
    drawn = np.maximum(drawn, np.minimum(values.min(axis=1, keepdims=True), 0.0))
    return contract.conform(
        hours.select(pl.all().repeat_by(paths).explode(empty_as_null=False)).with_columns(
            scenario=pl.Series(np.tile(np.arange(paths, dtype=np.int32), hours.height)),
            demand_kwh=pl.Series(drawn.ravel()),
        )
    ).sort(contract.key)


def _templates(
    ranks: pl.DataFrame, meters: pl.Series, hours: int, paths: int, generator: np.random.Generator
) -> Floats:
    """What orders the paths: (paths, meters, hours). The newest past days, as normal scores, and noise on top."""
    from scipy.special import ndtri  # a second of import that loading the package should not cost

    noise = generator.standard_normal((paths, len(meters), hours))
    for hour in range(1, hours):
        noise[..., hour] *= np.sqrt(1 - NOISE_DECAY**2)
        noise[..., hour] += NOISE_DECAY * noise[..., hour - 1]
    known = ranks.filter(
        pl.col("meter_id").is_in(meters.implode()),
        pl.col("rank").is_finite(),
        pl.len().over("meter_id", "issued_at_utc") >= LEAST_HOURS * hours,
    )
    days = known["issued_at_utc"].unique().sort(descending=True).head(paths)
    if days.is_empty():
        return noise
    known = known.filter(pl.col("issued_at_utc").is_in(days.implode())).with_columns(
        day=pl.col("issued_at_utc").replace_strict(days, pl.int_range(len(days), eager=True)),
        meter=pl.col("meter_id").replace_strict(meters, pl.int_range(len(meters), eager=True)),
        hour=(pl.col("interval_start_utc") - pl.col("interval_start_utc").min().over("meter_id", "issued_at_utc"))
        .dt.total_hours(),
    )  # fmt: skip
    known = known.filter(pl.col("hour") < hours)
    scores = np.full((len(days), len(meters), hours), np.nan)
    at = tuple(known[name].to_numpy() for name in ("day", "meter", "hour"))
    scores[at] = ndtri(np.clip(known["rank"].to_numpy(), LEAST_RANK, 1 - LEAST_RANK))
    scores = _filled(scores)[np.arange(paths) % len(days)]
    missing = np.isnan(scores)  # a meter that was not there on that day
    weight = NOISE_DAYS / (NOISE_DAYS + len(days))
    mixed = np.sqrt(1 - weight) * np.where(missing, 0.0, scores) + np.sqrt(weight) * noise
    return np.asarray(np.where(missing, noise, mixed), dtype=np.float64)


def _filled(scores: Floats) -> Floats:
    """Hours that nothing is known of take the score of the one before, the first ones of the one after."""
    for hours in (range(1, scores.shape[2]), range(scores.shape[2] - 2, -1, -1)):
        step = 1 if hours.step < 0 else -1
        for hour in hours:
            gap = np.isnan(scores[..., hour])
            scores[..., hour][gap] = scores[..., hour + step][gap]
    return scores
