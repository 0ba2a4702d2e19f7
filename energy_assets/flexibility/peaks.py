"""Windows of the next day in which a threshold may be exceeded.

Belongs here: windows, how probable they are and how high they may become, from joint paths. Does not belong here: paths
(forecasting), single hours (`probabilities.py`), thresholds.

Hours of a window go together as on the paths of `forecasts.demand_scenarios`. A share of so many paths would move in
steps, so each path is widened in normal scores by a noise common to its hours (`SMOOTHING` of the deviation): the
probability that a window exceeds is the mean over the paths of the normal tail beyond the hour that comes nearest. For
a single hour that is what its quantiles say; for more it lies between the likeliest hour's (hours in step) and their
sum.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from energy_assets.contracts import table
from energy_assets.flexibility.clock import with_local_time
from energy_assets.flexibility.probabilities import BASIS, HOUR, ISSUE
from energy_assets.flexibility.zones import zone_of
from energy_assets.ids import hash_id
from energy_assets.quantiles import Floats, quantiles_at, wide_quantiles

MIN_PROBABILITY = 0.05  # windows less probable than this are not worth a row
HOUR_PROBABILITY = 0.10  # an hour belongs to a window when its p90 (and so perhaps its median) exceeds the threshold
LEVEL_CUTS = (0.20, 0.50, 0.90)  # level 0 unlikely, 1 possible from 0.2, 2 likely from 0.5, 3 nearly certain from 0.9
SMOOTHING = 0.3
PATHS = 50  # of hours without any: their quantiles, all hours in step
SEASONAL, COINCIDENT = "seasonal_quantile", "coincident"
_GROUP = [*ISSUE, *BASIS]
_PEAK = {"peak_p10_kw": 0.1, "peak_p50_kw": 0.5, "peak_p90_kw": 0.9}


def demand_peaks(
    hours: pl.DataFrame,
    forecasts: pl.DataFrame,
    scenarios: pl.DataFrame,
    ratios: pl.DataFrame,
    meters: pl.DataFrame,
    ledger: pl.DataFrame,
    *,
    min_probability: float = MIN_PROBABILITY,
) -> pl.DataFrame:
    """Windows of the forecast day that may exceed a threshold, at most a few per meter, basis and day.

    A window is a run of consecutive hours whose p90 exceeds the threshold; where no hour does, the single most probable
    one. Windows below `min_probability` are left out. The most likely hour is the highest one on most paths.

    Meters of a zone have the zone's windows of the seasonal quantile as well (`coincident`): threshold, probability and
    quantiles are the zone's, `own_p50_kw` is what the meter itself is expected to draw in the zone's likeliest hour.

    Args:
        hours: rows of `flexibility.peak_probabilities` of one issue time.
        forecasts: the forecasts that these were made of.
        scenarios: rows of `forecasts.demand_scenarios` of the issue, for the order of their paths at each hour; hours
            without paths are taken to go in step.
        ratios: what `quarter_hour_ratios` gives, for charges that average over a quarter of an hour.
        meters: meter_id, kind, country, parent_meter_id, timezone.
        ledger: rows of `flexibility.incumbent_peaks` of the issue.

    Returns:
        Rows of `flexibility.demand_peaks`, sorted by meter, issue, basis and window.
    """
    contract = table("flexibility.demand_peaks")
    if hours.is_empty():
        return contract.empty()
    wide, levels, values = wide_quantiles(forecasts, HOUR)
    length = (wide["interval_end_utc"] - wide["interval_start_utc"]).dt.total_seconds().to_numpy() / 3600.0
    median = pl.Series(quantiles_at(levels, values, np.array([0.5]))[:, 0] / length)
    rows = wide.with_columns(median_kw=median).with_row_index("row")
    quarter = pl.when(pl.col("averaging_minutes") < 60).then(pl.col("ratio")).fill_null(1.0)
    chosen = _chosen(
        hours.join(rows, on=list(HOUR)).join(ratios, on="meter_id", how="left").with_columns(ratio=quarter)
    )
    paths = _paths(wide, levels, values, scenarios) / length[:, None]
    found = _windows(chosen, paths).filter(pl.col("probability") >= min_probability)
    found = _with_coincident(found, rows, zone_of(meters))
    highest = ledger.group_by("meter_id", "billing_period").agg(pl.col("incumbent_peak_kw").max())
    clock = meters.select("meter_id", "timezone")
    found = _with_period(found.join(clock, on="meter_id")).join(highest, on=["meter_id", "billing_period"], how="left")
    identity = ("meter_id", "issued_at_utc", "model_version", *BASIS, "window_start_utc", "window_end_utc")
    found = found.with_columns(level=peak_level(pl.col("probability")), peak_id=hash_id(found, *identity))
    order = ["meter_id", "issued_at_utc", *BASIS, "window_start_utc"]
    return contract.conform(found.select(contract.content)).sort(order)


def peak_level(probability: pl.Expr) -> pl.Expr:
    """0 unlikely (below 0.2), 1 possible (below 0.5), 2 likely (below 0.9), 3 nearly certain.

    Example:
        >>> pl.DataFrame({"p": [0.1, 0.2, 0.5, 0.9]}).select(peak_level(pl.col("p")))["p"].to_list()
        [0, 1, 2, 3]
    """
    return pl.sum_horizontal((probability >= cut).cast(pl.Int32) for cut in LEVEL_CUTS).alias(
        probability.meta.output_name()
    )


def joint_probability(probabilities: Floats, scores: Floats, starts: np.ndarray) -> Floats:
    """Probability that any hour of a window exceeds, per window.

    Args:
        probabilities: (n,) of each hour, the hours of a window in a row.
        scores: (n, s) normal scores of the hours on the paths.
        starts: (w,) where windows begin.

    Example: two hours in step are no more probable than one, two of which one is high when the other is low their sum.

        >>> up = normal_scores(np.arange(50.0)[None, :])
        >>> joint_probability(np.array([0.1, 0.1]), np.vstack([up, up]), np.array([0])).round(3).tolist()
        [0.1]
        >>> joint_probability(np.array([0.1, 0.1]), np.vstack([up, -up]), np.array([0])).round(3).tolist()
        [0.2]
    """
    from scipy.special import ndtr, ndtri  # a second of import that loading the package should not cost

    beyond = ndtri(np.clip(1.0 - probabilities, 1e-12, 1 - 1e-12))[:, None] - np.sqrt(1 - SMOOTHING**2) * scores
    nearest = np.minimum.reduceat(beyond, starts, axis=0)
    likeliest, total = np.maximum.reduceat(probabilities, starts), np.add.reduceat(probabilities, starts)
    joint = ndtr(-nearest / SMOOTHING).mean(axis=1)
    return np.asarray(np.clip(joint, likeliest, np.minimum(total, 1.0)), dtype=np.float64)


def normal_scores(paths: Floats) -> Floats:
    """(n, s) paths as normal scores of their rank in each hour; of equal values the later path is the higher."""
    from scipy.special import ndtri  # see above

    rank = paths.argsort(axis=1, kind="stable").argsort(axis=1)
    return np.asarray(ndtri((rank + 0.5) / paths.shape[1]), dtype=np.float64)


def _paths(wide: pl.DataFrame, levels: Floats, values: Floats, scenarios: pl.DataFrame) -> Floats:
    """(n, s) energy of each hour on each path: quantiles of the forecast in the order of the paths."""
    count = max(scenarios["scenario"].n_unique(), 1) if scenarios.height else PATHS
    key = ["meter_id", "issued_at_utc", "model_version", "interval_start_utc"]
    of_hour = scenarios.sort("scenario").group_by(key).agg(paths="demand_kwh")
    given = wide.select(key).join(of_hour, on=key, how="left", maintain_order="left")["paths"]
    paths = quantiles_at(levels, values, (np.arange(count) + 0.5) / count)
    whole = (given.list.len() == count).fill_null(value=False).to_numpy()
    if whole.any():
        drawn = given.filter(pl.Series(whole)).explode(empty_as_null=False).to_numpy().reshape(-1, count)
        order = drawn.argsort(axis=1, kind="stable").argsort(axis=1)
        paths[whole] = np.take_along_axis(paths[whole], order, axis=1)
    return paths


def _chosen(hours: pl.DataFrame) -> pl.DataFrame:
    """Hours that belong to a window, windows in a row, numbered in `window`."""
    nothing_qualifies = pl.col("probability").max().over(_GROUP) <= HOUR_PROBABILITY
    most_probable = (
        pl.col("interval_start_utc")
        .sort_by(["probability", "median_kw", "interval_start_utc"], descending=[True, True, False])
        .first()
        .over(_GROUP)
    )
    stands_alone = nothing_qualifies & (pl.col("interval_start_utc") == most_probable)
    kept = hours.filter((pl.col("probability") > HOUR_PROBABILITY) | stands_alone).sort(*_GROUP, "interval_start_utc")
    begins = pl.col("interval_start_utc") != pl.col("interval_end_utc").shift(1).over(_GROUP)
    return kept.with_columns(window=begins.fill_null(value=True).cum_sum())


def _windows(chosen: pl.DataFrame, paths: Floats) -> pl.DataFrame:
    """One row per window with its probability, the quantiles of its peak and its most likely hour."""
    power = paths[chosen["row"].to_numpy()] * chosen["ratio"].to_numpy()[:, None]
    number = chosen["window"].to_numpy()  # 1, 2, … in the order of the rows
    starts = np.flatnonzero(np.diff(number, prepend=0))
    highest = np.maximum.reduceat(power, starts, axis=0)
    probability = joint_probability(chosen["probability"].to_numpy(), normal_scores(power), starts)
    quantiles = np.quantile(highest, list(_PEAK.values()), axis=1, method="hazen")
    led = (power >= highest[number - 1]).mean(axis=1)
    likeliest = (
        pl.struct("interval_start_utc", "median_kw")
        .sort_by(["led", "probability", "median_kw", "interval_start_utc"], descending=[True, True, True, False])
        .first()
    )
    windows = (
        chosen.with_columns(led=pl.Series(led))
        .group_by("window", maintain_order=True)
        .agg(
            pl.col(*_GROUP, "threshold_kw", "averaging_minutes").first(),
            pl.col("lead_minutes").min(),
            window_start_utc=pl.col("interval_start_utc").min(),
            window_end_utc=pl.col("interval_end_utc").max(),
            likeliest=likeliest,
        )
        .unnest("likeliest")
        .rename({"interval_start_utc": "peak_hour_utc", "median_kw": "own_p50_kw"})
    )
    return windows.with_columns(
        pl.Series("probability", probability),
        *(pl.Series(name, row) for name, row in zip(_PEAK, quantiles, strict=True)),
        threshold_meter_id="meter_id",
    ).drop("window")


def _with_coincident(windows: pl.DataFrame, rows: pl.DataFrame, zones: pl.DataFrame) -> pl.DataFrame:
    """The windows, and those of each zone once more for every meter that belongs to it."""
    of_zones = windows.filter(pl.col("threshold_basis") == SEASONAL).drop("meter_id", "own_p50_kw")
    own = rows.select("meter_id", "issued_at_utc", peak_hour_utc="interval_start_utc", own_p50_kw="median_kw")
    shared = (
        of_zones.join(zones, left_on="threshold_meter_id", right_on="zone_id")
        .join(own, on=["meter_id", "issued_at_utc", "peak_hour_utc"])
        .with_columns(threshold_basis=pl.lit(COINCIDENT))
    )
    return pl.concat([windows, shared.select(windows.columns)])


def _with_period(windows: pl.DataFrame) -> pl.DataFrame:
    local = with_local_time(windows, "window_start_utc")
    return local.with_columns(billing_period=pl.col("local_time").dt.strftime("%Y-%m")).drop("local_time", "timezone")
