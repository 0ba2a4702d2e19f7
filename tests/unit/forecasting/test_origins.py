"""What each refit of a rolling origin is given."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from energy_assets.forecasting import rolling_origin
from energy_assets.forecasting.contenders import FORECAST_COLUMNS
from tests.unit.forecasting.frames import DAY, INSTANT, START
from tests.unit.forecasting.shared import zone_frame

LAST = START + 118 * DAY + DAY * 9 / 24
CORRECTED, SET_ASIDE = START + 80 * DAY, START + 81 * DAY


class Recorded:
    """A contender that forecasts nothing but remembers what it was given."""

    def __init__(self) -> None:
        self.fits: list[tuple[datetime, pl.DataFrame]] = []

    def __call__(self, rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int) -> Recorded:
        self.fits.append((as_of, rows))
        return self

    def forecast(self, due: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
        assert "demand_kwh" not in due.columns
        assert history.columns == self.fits[-1][1].columns
        return due.select(*FORECAST_COLUMNS[:4], demand_kwh=pl.lit(1.0), quantile=pl.lit(0.5))


def _recorded(versions: pl.DataFrame | None = None, training_days: int | None = None) -> Recorded:
    model = Recorded()
    rolling_origin(
        zone_frame(), kind="zone", first_issue=LAST - 13 * DAY, last_issue=LAST, refit_weeks=1,
        models={"recorded": model}, training_days=training_days, versions=versions,
    )  # fmt: skip
    return model


def test_a_refit_sees_the_training_days_before_it_and_no_issue_after_its_weeks() -> None:
    for as_of, rows in _recorded(training_days=30).fits:
        assert rows["issued_at_utc"].min() == as_of - 30 * DAY
        assert rows["issued_at_utc"].max() == min(as_of + 6 * DAY, LAST)


def _versions() -> pl.DataFrame:
    """Every hour as first known, and an hour corrected between the two refits, an hour set aside after both."""
    first = zone_frame().select(
        "meter_id",
        "interval_start_utc",
        "demand_kwh",
        known_from_utc="label_known_at_utc",
        known_to_utc=pl.lit(None, dtype=INSTANT),
    )
    changes = [(CORRECTED, LAST - 10 * DAY, 1e6), (SET_ASIDE, LAST + DAY, None)]
    for hour, at, value in changes:
        of_hour = pl.col("interval_start_utc") == hour
        later = first.filter(of_hour).with_columns(
            demand_kwh=pl.lit(value, dtype=pl.Float64), known_from_utc=pl.lit(at).cast(INSTANT)
        )
        ended = pl.when(of_hour).then(pl.lit(at).cast(INSTANT)).otherwise("known_to_utc")
        first = pl.concat([first.with_columns(known_to_utc=ended), later])
    return first


def test_a_refit_learns_from_what_was_in_force_at_its_time() -> None:
    [(_, first), (_, second)] = _recorded(_versions()).fits
    was = zone_frame().filter(pl.col("interval_start_utc") == CORRECTED)["demand_kwh"].to_list()
    assert first.filter(interval_start_utc=CORRECTED)["demand_kwh"].to_list() == was
    corrected = second.filter(interval_start_utc=CORRECTED)
    assert corrected["demand_kwh"].to_list() == [1e6] * len(was)
    assert corrected["label_known_at_utc"].unique().to_list() == [LAST - 10 * DAY]
    for rows in (first, second):  # set aside later: not known then
        assert rows.filter(interval_start_utc=SET_ASIDE)["demand_kwh"].null_count() == 0
    ahead = first.filter(pl.col("issued_at_utc") > LAST - 13 * DAY)
    assert (
        ahead["label_known_at_utc"] > ahead["issued_at_utc"]
    ).all()  # for models that follow: known later, and says so
