"""Bands from days that the model had not seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
import pytest

from energy_assets.forecasting.contenders import FORECAST_COLUMNS
from energy_assets.forecasting.contenders.bands import TRAILING_DAYS, Banded, banded
from tests.unit.forecasting.frames import DAY
from tests.unit.forecasting.shared import AS_OF, one_day, zone_frame


@dataclass(frozen=True)
class Level:
    """Says a share of the mean of the last known day; a quantile above it where asked to."""

    share: float = 1.0
    high: float | None = None

    def forecast(self, due: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
        value = pl.col("demand_last_day_same_hour_kwh") * self.share
        said = [due.with_columns(value.alias("demand_kwh"), pl.lit(0.5).alias("quantile"))]
        if self.high is not None:
            said.append(due.with_columns((value * self.high).alias("demand_kwh"), pl.lit(0.9).alias("quantile")))
        return pl.concat(part.select(FORECAST_COLUMNS) for part in said)


def coverage(model: Banded, low: float, high: float) -> float:
    test = zone_frame().filter(pl.col("issued_at_utc").is_between(AS_OF, AS_OF + 20 * DAY))
    wide = model.forecast(test.drop("demand_kwh"), test).pivot(
        "quantile", index=["meter_id", "interval_start_utc"], values="demand_kwh"
    )
    both = wide.join(test.select("meter_id", "interval_start_utc", "demand_kwh"), on=["meter_id", "interval_start_utc"])
    return float(both.select(pl.col("demand_kwh").is_between(str(low), str(high)).mean()).item())


def fit(share: float = 1.0, high: float | None = None, frame: pl.DataFrame | None = None) -> Banded:
    model = banded(lambda rows, *, kind, as_of, seed, **settings: Level(share, high))
    found = model(zone_frame() if frame is None else frame, kind="zone", as_of=AS_OF, seed=1)
    assert isinstance(found, Banded)
    return found


def test_bands_cover_what_they_say_and_the_median_stays() -> None:
    model = fit()
    assert coverage(model, 0.1, 0.9) == pytest.approx(0.8, abs=0.06)
    assert coverage(model, 0.25, 0.75) == pytest.approx(0.5, abs=0.08)
    day = one_day(zone_frame())
    median = model.forecast(day, day).filter(pl.col("quantile") == 0.5)["demand_kwh"]
    assert median.to_list() == day.sort("meter_id", "interval_start_utc")["demand_last_day_same_hour_kwh"].to_list()


def test_a_quantile_of_the_model_itself_is_moved_to_where_it_is_right() -> None:
    one = zone_frame().filter(pl.col("issued_at_utc").is_between(AS_OF, AS_OF + 20 * DAY))
    said = fit(high=3.0).forecast(one.drop("demand_kwh"), one).filter(pl.col("quantile") == 0.9)
    both = said.join(
        one.select("meter_id", "interval_start_utc", actual="demand_kwh"), on=["meter_id", "interval_start_utc"]
    )
    assert both.select((pl.col("actual") <= pl.col("demand_kwh")).mean()).item() == pytest.approx(0.9, abs=0.07)


def test_the_model_that_is_judged_was_fitted_before_the_days_that_judge_it() -> None:
    asked: list[datetime] = []

    def keep(rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int, **settings: float) -> Level:
        asked.append(as_of)
        return Level()

    banded(keep)(zone_frame(), kind="zone", as_of=AS_OF, seed=1)
    assert asked[0] == AS_OF
    assert timedelta(days=20) < asked[0] - asked[1] <= timedelta(days=TRAILING_DAYS)


def test_where_the_model_is_far_off_quantiles_do_not_cross_and_the_median_stays() -> None:
    day = one_day(zone_frame())
    said = fit(share=3.0).forecast(day, day)
    median = said.filter(pl.col("quantile") == 0.5)["demand_kwh"]
    point = day.sort("meter_id", "interval_start_utc")["demand_last_day_same_hour_kwh"] * 3.0
    assert median.to_list() == point.to_list()
    assert said.filter(pl.col("quantile") == 0.05)["demand_kwh"].sum() < 0.6 * median.sum()
    assert said.select(
        (pl.col("demand_kwh").diff().fill_null(0) >= 0).over("meter_id", "interval_start_utc").all()
    ).item()


def test_a_part_of_the_day_that_was_never_known_has_no_bands() -> None:
    nights = zone_frame().with_columns(pl.when(pl.col("local_hour") >= 6).then("demand_kwh").alias("demand_kwh"))
    day = one_day(zone_frame())
    said = fit(frame=nights).forecast(day, day).with_columns(pl.col("interval_start_utc").dt.hour().alias("hour"))
    widths = said.group_by("hour").agg((pl.col("demand_kwh").max() > pl.col("demand_kwh").min()).alias("wide"))
    assert widths.height == 24
    by_meter = said.filter(pl.col("meter_id") == "m0").group_by("hour").agg(pl.col("demand_kwh").n_unique())
    assert set(by_meter.filter(pl.col("hour") < 6)["demand_kwh"]) == {1}
    assert min(by_meter.filter(pl.col("hour") >= 6)["demand_kwh"].to_list()) > 1


def test_without_days_to_judge_by_the_model_speaks_as_it_is() -> None:
    model = banded(lambda rows, *, kind, as_of, seed, **settings: Level())
    nothing = model(zone_frame().head(0), kind="zone", as_of=AS_OF, seed=1)
    assert isinstance(nothing, Level)
