"""Whether demand stays within the bands that a model was calibrated for.

Belongs here: how often it left them lately, and how often chance alone may have it leave. Does not belong here: drift
against a series' own history (`residuals.py`), which forecasts are looked at.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from energy_assets.metrics import point_errors, quantile_errors

BANDS = (80, 90)
ALL = "all"
LEAST_DAYS = 7
HOURS_PER_DAY = 2  # the hours of a day err together: a day tells no more than so many independent ones
CHANCE = 0.999  # a calibrated model stays below the limit in 999 of 1,000 fortnights
COLUMNS = ("meter_id", "days", "wape", "outside_80", "allowed_80", "outside_90", "allowed_90", "within")


def recent_bands(forecasts: pl.DataFrame, actuals: pl.DataFrame) -> pl.DataFrame:
    """Share of the intervals outside the 80 and 90 % bands per meter, and over all meters (`all`).

    The limit is the quantile of a binomial distribution with the band's nominal share and two trials per day, times the
    root of the number of meters: errors of one day and of one weather are no independent trials. A day of misses is one
    misfortune and not 24.

    Args:
        forecasts: meter_id, issued_at_utc, interval_start_utc, quantile (0.05, 0.1, 0.5, 0.9, 0.95 among them),
            demand_kwh: bands as calibrated, on days that the model had not learned from.
        actuals: meter_id, interval_start_utc, demand_kwh.

    Returns:
        `COLUMNS`, `all` first: `days` are issue days with an actual, `wape` the error of the median as a share.
        `within` is null for fewer than 7 days; without any day there is no row.
    """
    known = actuals.select("meter_id", "interval_start_utc", actual_kwh="demand_kwh").drop_nulls()
    rows = forecasts.select(
        "meter_id", "issued_at_utc", "interval_start_utc", "quantile", predicted_kwh="demand_kwh"
    ).join(known.unique(["meter_id", "interval_start_utc"]), on=["meter_id", "interval_start_utc"])
    both = pl.concat([rows.with_columns(of=pl.lit(ALL)), rows.with_columns(of="meter_id")])
    found = pl.concat([quantile_errors(both, ["of"]), point_errors(both.filter(pl.col("quantile") == 0.5), ["of"])])
    value = pl.col("value")
    shares = {f"outside_{band}": 1 - value.filter(pl.col("metric") == f"coverage_{band}").first() for band in BANDS}
    wape = value.filter(pl.col("metric") == "wape").first()
    counted = both.group_by("of").agg(
        days=pl.col("issued_at_utc").n_unique().cast(pl.Int64), meters=pl.col("meter_id").n_unique()
    )
    scores = _with_limits(found.group_by("of").agg(wape=wape, **shares).join(counted, on="of"))
    stays = pl.all_horizontal(pl.col(f"outside_{band}") <= pl.col(f"allowed_{band}") for band in BANDS)
    return (
        scores.with_columns(within=pl.when(pl.col("days") >= LEAST_DAYS).then(stays), meter_id="of")
        .sort(pl.col("of") != ALL, "of")
        .select(COLUMNS)
    )


def _with_limits(scores: pl.DataFrame) -> pl.DataFrame:
    """With the highest share outside each band that chance explains."""
    from scipy.stats import binom  # a second of import that loading the package should not cost

    trials = np.rint(HOURS_PER_DAY * scores["days"].to_numpy() * np.sqrt(scores["meters"].to_numpy()))
    limits = {f"allowed_{band}": binom.ppf(CHANCE, trials, 1 - band / 100) / trials for band in BANDS}
    return scores.with_columns(pl.Series(name, limit, dtype=pl.Float64) for name, limit in limits.items())
