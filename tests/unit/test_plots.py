"""Pictures are small PNGs, the same for the same frame, and need no display."""

from __future__ import annotations

import base64
import io
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from PIL import Image

from energy_assets import plots
from energy_assets.plots.time_series import power_unit

LIMIT = 60_000
START = datetime(2026, 3, 28, 23, tzinfo=UTC)  # the short day of Paris
RNG = np.random.default_rng(1)


def hours(count: int) -> pl.Series:
    return pl.Series([START + timedelta(hours=i) for i in range(count)], dtype=pl.Datetime("us", "UTC"))


def quantiles(levels: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95), count: int = 23) -> pl.DataFrame:
    base = 50 + 20 * np.sin(np.arange(count) / 24 * 6)
    parts = [
        pl.DataFrame({"interval_start_utc": hours(count), "quantile": level, "demand_kwh": base + 30 * (level - 0.5)})
        for level in levels
    ]
    return pl.concat(parts)


def actual(count: int = 23) -> pl.DataFrame:
    return pl.DataFrame({"interval_start_utc": hours(count), "demand_kwh": RNG.normal(50, 5, count)})


def pixels(png: bytes) -> np.ndarray:
    assert len(png) < LIMIT
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_forecast_band_draws_what_it_is_given() -> None:
    alone = pixels(plots.forecast_band(quantiles(), "Home", timezone="Europe/Paris"))
    full = pixels(plots.forecast_band(quantiles(), "Home", actual(), actual(), timezone="Europe/Paris"))
    orange = (np.abs(full.astype(int) - np.array([0xD9, 0x82, 0x2B])).sum(axis=2) < 30).sum()
    assert orange > 50
    assert (np.abs(alone.astype(int) - np.array([0xD9, 0x82, 0x2B])).sum(axis=2) < 30).sum() == 0


@pytest.mark.parametrize("levels", [(0.5,), (0.1, 0.5, 0.9), (0.05, 0.95)])
def test_bands_that_are_absent_are_left_out(levels: tuple[float, ...]) -> None:
    assert pixels(plots.forecast_band(quantiles(levels), "Home")).std() > 5


def test_a_day_with_its_peaks_shows_thresholds_windows_and_probabilities() -> None:
    said = pl.DataFrame(
        {"threshold_basis": "capacity", "interval_start_utc": hours(23), "threshold_kw": 75.0, "probability": 0.3}
    )
    window = pl.DataFrame(
        {
            "threshold_basis": "capacity", "window_start_utc": [START + timedelta(hours=5)],
            "window_end_utc": [START + timedelta(hours=8)], "probability": [0.4],
        }
    )  # fmt: skip
    plain = pixels(plots.peak_day(quantiles(), said.clear(), window.clear(), "Home", timezone="Europe/Paris"))
    full = pixels(plots.peak_day(quantiles(), said, window, "Home", actual(), timezone="Europe/Paris"))
    capacity = np.array([0xB5, 0x48, 0x7A])
    shown = [(np.abs(image.astype(int) - capacity).sum(axis=2) < 30).sum() for image in (plain, full)]
    assert shown[0] == 0
    assert shown[1] > 500


def test_the_same_frame_gives_the_same_bytes() -> None:
    assert plots.forecast_band(quantiles(), "Home") == plots.forecast_band(quantiles(), "Home")


def test_large_powers_are_drawn_in_megawatts() -> None:
    assert power_unit(5e7) == (1e-3, "MW")
    assert power_unit(900.0) == (1.0, "kW")


@pytest.mark.parametrize("days", [1, 12, 90])
def test_row_counts(days: int) -> None:
    frame = pl.DataFrame(
        {"day": [date(2024, 1, 1) + timedelta(days=i) for i in range(days)], "rows": [24 + i % 5 for i in range(days)]}
    )
    assert pixels(plots.row_counts_by_day(frame)).std() > 5


def test_series_of_many_meters_and_years_stays_small() -> None:
    count = 24 * 365
    frame = pl.concat(
        pl.DataFrame({"interval_start_utc": hours(count), "meter_id": f"m{i}", "demand_kwh": RNG.gamma(2, 1, count)})
        for i in range(10)
    )
    assert pixels(plots.series(frame, "Demand", by="meter_id", timezone="Europe/Paris")).std() > 5


def test_series_with_gaps() -> None:
    frame = actual(60).with_columns(
        demand_kwh=pl.when(pl.int_range(pl.len()).is_between(20, 30)).then(None).otherwise("demand_kwh")
    )
    assert pixels(plots.series(frame, "Demand")).std() > 5


def test_bars_and_calibration() -> None:
    assert pixels(plots.feature_importance({f"feature_{i}": float(i) for i in range(40)})).std() > 5
    bars = pl.DataFrame({"model_name": ["ours", "naive"], "value": [1.2, 6.1]})
    assert pixels(plots.metric_bars(bars, "MAPE", unit="%")).std() > 5
    frame = pl.DataFrame({"quantile": [0.1, 0.5, 0.9], "observed": [0.12, 0.48, 0.86]})
    assert pixels(plots.calibration(frame)).std() > 5


def test_models_keep_their_colour_and_parts_their_order() -> None:
    names = ["seasonal_naive", "publisher", "demand_blend"]
    colours = plots.model_colours(names, ours="demand_blend")
    assert plots.model_colours([*names, "z"], ours="demand_blend").items() >= colours.items()
    assert len(set(colours.values())) == 3
    frame = pl.DataFrame(
        {"part": ["a", "b", "a"], "model_name": [names[1], names[1], names[2]], "value": [2.0, 3.0, 1.0]}
    )
    drawn = pixels(plots.errors_by(frame, "By part", unit="%", label="part", colours=colours)).astype(int)
    for name in names[1:]:
        rgb = np.array([int(colours[name][i : i + 2], 16) for i in (1, 3, 5)])
        assert (np.abs(drawn - rgb).sum(axis=2) < 40).sum() > 5, name


def test_labels_of_many_parts_are_thinned() -> None:
    months = [f"2022-{month:02}" for month in range(1, 13)]
    frame = pl.DataFrame({"part": months, "model_name": "a", "value": 1.0})
    drawn = pixels(plots.errors_by(frame, "By month", unit="%", label="month", colours={"a": "#1d6fb8"}))
    below = (drawn[-45:-25].sum(axis=2) < 600).any(axis=0)  # the row of labels: ink by column
    gaps = np.diff(np.flatnonzero(below))
    assert (gaps > 20).sum() == 5  # six labels with room between them


def test_nothing_to_draw_is_no_error() -> None:
    assert pixels(plots.forecast_band(quantiles().clear(), "Nothing")).size
    assert pixels(plots.series(actual().clear(), "Nothing")).size
    assert pixels(plots.row_counts_by_day(pl.DataFrame(schema={"day": pl.Date, "rows": pl.Int64}))).size
    assert pixels(plots.feature_importance({})).size
    nothing = pl.DataFrame(schema={"part": pl.String, "model_name": pl.String, "value": pl.Float64})
    assert pixels(plots.errors_by(nothing, "Nothing", unit="%", label="", colours={"a": "#000000"})).size


def test_markdown_carries_the_picture() -> None:
    text = plots.as_markdown(b"png", "a band")
    assert text == f"![a band](data:image/png;base64,{base64.b64encode(b'png').decode()})"


def test_no_global_state_is_left() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.forecast_band(quantiles(), "Home")
    assert dict(mpl.rcParams) == before


def drift_weeks(count: int = 30, raised: int = 4) -> pl.DataFrame:
    """Two statistics over so many weeks, the last of them raised."""
    weeks = [date(2026, 1, 5) + timedelta(weeks=i) for i in range(count)]
    high = np.arange(count) >= count - raised
    parts = [
        pl.DataFrame({"week": weeks, "method": method, "score": 0.01 + 0.09 * high, "threshold": 0.03, "raised": high})
        for method in ("level", "hour_shape")
    ]
    return pl.concat(parts).with_columns(column_name=pl.lit("reference"))


def test_timeline_of_drift_shows_what_stood_raised_and_when_it_began() -> None:
    picture = plots.drift_timeline(drift_weeks(), "Drift of a meter", date(2026, 7, 6))
    assert picture == plots.drift_timeline(drift_weeks(), "Drift of a meter", date(2026, 7, 6))
    shown = pixels(picture)
    for other in (plots.drift_timeline(drift_weeks(raised=8), "Drift of a meter", date(2026, 7, 6)),
                  plots.drift_timeline(drift_weeks(), "Drift of a meter", date(2026, 6, 1))):  # fmt: skip
        assert (shown != pixels(other)).any()
    pixels(plots.drift_timeline(drift_weeks().clear(), "Too young"))
