"""The formulae against numbers worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.ids import hash_id
from energy_assets.metrics import array_errors, lead_bucket, peak_errors, point_errors, quantile_errors, skill


def values(frame: pl.DataFrame) -> dict[str, float | None]:
    return dict(frame.select("metric", "value").iter_rows())


def test_point_errors_by_hand() -> None:
    frame = pl.DataFrame({"m": "a", "actual_kwh": [10.0, 20.0, 0.0], "predicted_kwh": [12.0, 17.0, 1.0]})
    found = values(point_errors(frame, ["m"]))
    assert found["mae"] == pytest.approx(2.0)
    assert found["rmse"] == pytest.approx((14 / 3) ** 0.5)
    assert found["mape"] == pytest.approx((0.2 + 0.15) / 2)  # the zero is left out
    assert found["wape"] == pytest.approx(6 / 30)
    assert found["bias"] == pytest.approx(0.0)


def test_shares_of_nothing_are_null() -> None:
    found = values(point_errors(pl.DataFrame({"m": "a", "actual_kwh": [0.0], "predicted_kwh": [1.0]}), ["m"]))
    assert found["mape"] is None
    assert found["wape"] is None
    assert found["mae"] == 1.0


def test_nulls_do_not_count() -> None:
    frame = pl.DataFrame({"m": "a", "actual_kwh": [1.0, None, 3.0], "predicted_kwh": [2.0, 5.0, None]})
    assert point_errors(frame, ["m"])["n"].unique().to_list() == [1]


def test_quantile_errors_by_hand() -> None:
    frame = pl.DataFrame(
        {
            "m": "a",
            "interval_start_utc": [0, 0, 0, 1, 1, 1],
            "quantile": [0.1, 0.5, 0.9] * 2,
            "predicted_kwh": [8.0, 10.0, 13.0, 8.0, 10.0, 13.0],
            "actual_kwh": [12.0] * 3 + [14.0] * 3,
        }
    )
    found = values(quantile_errors(frame, ["m"]))
    assert found["pinball"] == pytest.approx((0.1 * 4 + 0.5 * 2 + 0.1 * 1 + 0.1 * 6 + 0.5 * 4 + 0.9 * 1) / 6)
    assert found["crps_share"] == pytest.approx(2 * found["pinball"] / 13)  # type: ignore[operator]
    assert found["coverage_80"] == 0.5
    assert found["width_80"] == 5.0


def test_the_crps_of_a_point_forecast_is_its_absolute_error_and_that_of_no_load_is_null() -> None:
    frame = pl.DataFrame({"m": "a", "quantile": [0.5], "predicted_kwh": [1.0], "actual_kwh": [4.0]})
    assert values(quantile_errors(frame, ["m"]))["crps_share"] == pytest.approx(3 / 4)
    assert values(quantile_errors(frame.with_columns(actual_kwh=0.0), ["m"]))["crps_share"] is None


def test_the_crps_of_many_quantiles_is_that_of_the_distribution() -> None:
    """That of a uniform distribution over [0, 1] is x² - x + 1/3 at x."""
    levels = (np.arange(200) + 0.5) / 200
    actual = 0.3
    frame = pl.DataFrame({"m": "a", "interval_start_utc": 0, "quantile": levels, "predicted_kwh": levels}).with_columns(
        actual_kwh=pl.lit(actual)
    )
    found = values(quantile_errors(frame, ["m"]))["crps_share"]
    assert found == pytest.approx((actual**2 - actual + 1 / 3) / actual, rel=1e-3)


def test_band_metrics_need_the_band() -> None:
    frame = pl.DataFrame({"m": "a", "quantile": [0.5], "predicted_kwh": [1.0], "actual_kwh": [3.0]})
    found = values(quantile_errors(frame, ["m"]))
    assert found["pinball"] == 1.0
    assert found["coverage_80"] is None
    assert found["width_80"] is None


def _peaks(predicted: list[list[float]], actual: list[float]) -> pl.DataFrame:
    """Days of one meter, an hour per value."""
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=h) for h in range(len(actual))]
    return pl.concat(
        pl.DataFrame({"interval_start_utc": hours, "actual_kwh": actual, "predicted_kwh": said}).with_columns(
            m=pl.lit("a"), meter_id=pl.lit("a"), issued_at_utc=pl.lit(day)
        )
        for day, said in enumerate(predicted)
    )


def test_peak_within_an_hour_is_a_hit_and_days_are_averaged() -> None:
    actual = [1.0, 9.0, 3.0, 1.0]
    days = _peaks([[2.0, 7.0, 6.0, 1.0], [2.0, 5.0, 8.0, 1.0], [1.0, 2.0, 3.0, 4.0]], actual).sample(
        fraction=1.0, shuffle=True, seed=1
    )
    by_day = peak_errors(days, ["issued_at_utc"], least=4)
    assert by_day.filter(metric="peak_error")["value"].to_list() == [2.0, 1.0, 5.0]
    assert by_day.filter(metric="peak_hour_hit")["value"].to_list() == [1.0, 1.0, 0.0]
    found = values(peak_errors(days, ["m"], least=4))
    assert found["peak_error"] == pytest.approx(8 / 3)
    assert found["peak_hour_hit"] == pytest.approx(2 / 3)


def test_half_a_day_has_no_peak() -> None:
    found = values(peak_errors(_peaks([[1.0] * 19], [2.0] * 19), ["m"]))
    assert found == {"peak_error": None, "peak_hour_hit": None}


@pytest.mark.parametrize(
    ("lead", "bucket"), [(15, "15-21"), (20.75, "15-21"), (21, "21-27"), (39, "39-45"), (8, "3-9"), (0.25, "-3-3")]
)
def test_any_lead_has_a_bucket_of_six_hours(lead: float, bucket: str) -> None:
    assert pl.DataFrame({"m": [int(lead * 60)]}).select(lead_bucket(pl.col("m"))).item() == bucket


def test_arrays_have_the_errors_of_frames_and_bands_of_three_widths() -> None:
    actual = np.array([10.0, 30.0])
    quantiles = np.tile([6.0, 8.0, 9.0, 10.0, 11.0, 12.0, 14.0], (2, 1))
    found = array_errors(actual, quantiles, [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
    assert found["mae"] == 10.0
    assert found["wape"] == 0.5
    assert [found[f"coverage_{band}"] for band in (50, 80, 90)] == [0.5] * 3
    assert [found[f"width_{band}"] for band in (50, 80, 90)] == [2.0, 4.0, 8.0]
    two = array_errors(actual, quantiles[:, [1, 3, 5]], [0.1, 0.5, 0.9])
    assert two["pinball"] == pytest.approx((0.1 * 2 + 0.1 * 2 + 0.1 * 22 + 0.5 * 20 + 0.9 * 18) / 6)
    assert "coverage_90" not in two


def test_skill_only_of_errors_against_a_baseline_that_errs() -> None:
    frame = pl.DataFrame({"metric": ["mae", "bias", "mae"], "value": [1.0, 1.0, 1.0], "base": [4.0, 4.0, 0.0]})
    assert frame.select(skill(pl.col("metric"), pl.col("value"), pl.col("base")))["literal"].to_list() == [
        0.75,
        None,
        None,
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 1e6), st.floats(0.1, 1e6)), min_size=1, max_size=30))
def test_errors_keep_their_order(pairs: list[tuple[float, float]]) -> None:
    frame = pl.DataFrame(pairs, schema=["actual_kwh", "predicted_kwh"], orient="row").with_columns(m=pl.lit("a"))
    found = values(point_errors(frame, ["m"]))
    mae, rmse, bias = found["mae"], found["rmse"], found["bias"]
    assert mae is not None
    assert rmse is not None
    assert bias is not None
    assert abs(bias) <= mae * (1 + 1e-9) <= rmse * (1 + 1e-6)


def test_ids_are_the_same_everywhere_and_differ_by_field() -> None:
    frame = pl.DataFrame({"a": ["x", "xy"], "b": ["yz", "z"]})
    assert hash_id(frame, "a", "b").n_unique() == 2
    assert hash_id(frame, "a", "b").to_list() == ["becdf19a99ff2f7c", "4b9f6ffbd226c3b5"]
