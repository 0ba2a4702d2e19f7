"""The production model as a contender, alone and with what a publisher had said by the issue time."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from energy_assets.forecasting import QUANTILES
from energy_assets.forecasting.contenders import FORECAST_COLUMNS
from energy_assets.forecasting.contenders.ours import fit_demand_blend, fit_demand_blend_with_publisher
from tests.unit.forecasting.frames import DAY
from tests.unit.forecasting.shared import AS_OF, QUICK, zone_frame

DUE = zone_frame().filter(pl.col("issued_at_utc").is_between(AS_OF, AS_OF + 6 * DAY))
UNLABELLED = DUE.drop("demand_kwh", "label_known_at_utc")
NOTHING_SAID = zone_frame().with_columns(published_demand_kwh=pl.lit(None, dtype=pl.Float64))


def _error(said: pl.DataFrame) -> float:
    keys = ["meter_id", "issued_at_utc", "interval_start_utc"]
    both = (
        said.filter(pl.col("quantile") == 0.5)
        .join(DUE.select(*keys, actual="demand_kwh"), on=keys)
        .drop_nulls("actual")
    )
    return float(both.select((pl.col("demand_kwh") - pl.col("actual")).abs().sum() / pl.col("actual").sum()).item())


def test_a_publisher_that_is_nearly_right_is_worth_listening_to() -> None:
    fitted = [
        fit(zone_frame(), kind="zone", as_of=AS_OF, seed=7, params=QUICK)
        for fit in (fit_demand_blend_with_publisher, fit_demand_blend)
    ]
    heard, alone = (each.forecast(UNLABELLED, zone_frame()) for each in fitted)
    assert heard.columns == list(FORECAST_COLUMNS)
    assert heard.height == DUE.height * len(QUANTILES)
    assert _error(heard) < 0.7 * _error(alone)


def test_ours_alone_never_hears_the_publisher() -> None:
    with_it, without = (
        fit_demand_blend(frame, kind="zone", as_of=AS_OF, seed=7, params=QUICK).forecast(
            frame.filter(pl.col("issued_at_utc") == AS_OF), frame
        )
        for frame in (zone_frame(), NOTHING_SAID)
    )
    assert with_it.equals(without)


def test_where_nothing_was_published_in_time_nothing_is_said() -> None:
    fitted = fit_demand_blend_with_publisher(NOTHING_SAID, kind="zone", as_of=AS_OF, seed=7, params=QUICK)
    assert fitted.model is None
    assert fitted.forecast(UNLABELLED, NOTHING_SAID).is_empty()
    late = pl.col("issued_at_utc") == AS_OF + timedelta(days=1)
    silent = UNLABELLED.with_columns(published_demand_kwh=pl.when(~late).then("published_demand_kwh"))
    spoken = fit_demand_blend_with_publisher(zone_frame(), kind="zone", as_of=AS_OF, seed=7, params=QUICK)
    said = spoken.forecast(silent, zone_frame())
    assert said["issued_at_utc"].unique().sort().to_list() == [AS_OF + n * DAY for n in range(7) if n != 1]


def test_too_little_history_gives_the_fallback() -> None:
    young = zone_frame().filter(pl.col("issued_at_utc") > AS_OF - 5 * DAY)
    said = fit_demand_blend(young, kind="zone", as_of=AS_OF, seed=7, params=QUICK).forecast(UNLABELLED, young)
    assert said.height == DUE.height * len(QUANTILES)
