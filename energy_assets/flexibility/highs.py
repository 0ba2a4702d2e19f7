"""Forecasts of the season's highest hours, drawn back towards what highest forecasts come to.

Belongs here: the correction, and how high an hour is. Does not belong here: forecasts for any other purpose, which stay
as they are.

Of many forecasts the highest are so partly by their error: quantiles that are right over all hours are too high for
those that a peak is looked for in. Their levels are lowered by `SHIFT` in normal scores, fading out from the season's
95 % quantile to its 75 %. `docs/peaks.md` has what that does on six data sets, and why it is no more.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from energy_assets.quantiles import quantiles_at, wide_quantiles

SHIFT = 0.2
HIGH, HIGHEST = 0.75, 0.95  # quantiles of the season between which the correction sets in
_HOUR = ["meter_id", "issued_at_utc", "model_version", "interval_start_utc", "interval_end_utc"]


def drawn_back(forecasts: pl.DataFrame, of_season: pl.DataFrame) -> pl.DataFrame:
    """The quantiles of high hours as peaks see them; other hours, and meters without a season, as they are.

    Args:
        forecasts: rows of `forecasts.demand_forecasts`; of several revisions the last counts.
        of_season: what `thresholds.season` gives.

    Returns:
        The same hours in long form: meter_id, issued_at_utc, model_version, interval_start_utc, interval_end_utc,
        quantile, demand_kwh.
    """
    from scipy.special import ndtr, ndtri  # a second of import that loading the package should not cost

    hours, levels, values = wide_quantiles(forecasts, _HOUR)
    columns = [*_HOUR, "quantile", "demand_kwh"]
    if hours.is_empty():
        return forecasts.select(columns)
    length = (pl.col("interval_end_utc") - pl.col("interval_start_utc")).dt.total_seconds() / 3600.0
    power = pl.col("power_kw")
    marks = of_season.group_by("meter_id").agg(
        high=power.quantile(HIGH, "linear"), highest=power.quantile(HIGHEST, "linear")
    )
    middle = pl.Series("middle", quantiles_at(levels, values, np.array([0.5]))[:, 0])
    height = (pl.col("middle") / length - pl.col("high")) / (pl.col("highest") - pl.col("high"))
    share = hours.with_columns(middle).join(marks, on="meter_id", how="left", maintain_order="left").select(
        pl.when(height.is_finite()).then(height.clip(0.0, 1.0)).otherwise(0.0).alias("share")
    )["share"].to_numpy()  # fmt: skip
    lowered = quantiles_at(levels, values, ndtr(ndtri(levels)[None, :] - SHIFT * share[:, None]))
    adjusted = np.where(share[:, None] > 0, lowered, values)
    count = len(levels)
    return hours.select(pl.col(_HOUR).repeat_by(count).explode(empty_as_null=False)).with_columns(
        quantile=pl.Series(np.tile(levels, hours.height)), demand_kwh=pl.Series(adjusted.ravel())
    )
