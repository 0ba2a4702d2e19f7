"""Ratios, derived columns, the design matrix."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.forecasting.features import (
    design_matrix,
    feature_names,
    from_log_ratio,
    log_ratio,
    ratio_offset,
    recent_level,
    told_apart,
)
from tests.unit.forecasting.frames import demand, features
from tests.unit.forecasting.shared import zone_frame


def test_matrix_has_the_named_columns_in_order() -> None:
    names = feature_names(weather=True)
    part = zone_frame().filter(pl.col("known_days") >= 30).head(50)
    matrix = design_matrix(part, names, offset=0.0)
    assert matrix.shape == (50, len(names))
    assert matrix[:, names.index("local_hour")].tolist() == part["local_hour"].to_list()
    expected = part["temperature_c"] - part["temperature_lag_48h_c"]
    assert matrix[:, names.index("temperature_change_2d_c")] == pytest.approx(expected.to_numpy())
    ratio = np.log(part["demand_lag_7d_kwh"].to_numpy() / part["demand_mean_168h_kwh"].to_numpy())
    assert matrix[:, names.index("demand_lag_7d_log_ratio")] == pytest.approx(ratio)


def test_features_do_not_depend_on_the_size_of_the_meter() -> None:
    small = features(demand(days=40, scale=1.0))
    large = features(demand(days=40, scale=1e6))
    names = feature_names(weather=True)
    first, second = (design_matrix(f.tail(200), names, offset=0.1) for f in (small, large))
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-9)


def test_unknown_values_are_nan_and_nothing_is_filled() -> None:
    names = feature_names(weather=True)
    part = zone_frame().filter(pl.col("known_days") >= 30).head(5)
    gone = part.with_columns(pl.lit(None, dtype=pl.Float64).alias("demand_lag_7d_kwh"))
    matrix = design_matrix(gone, names, offset=0.0)
    assert np.isnan(matrix[:, names.index("demand_lag_7d_log_ratio")]).all()
    assert np.isfinite(matrix[:, names.index("demand_same_weekday_median_log_ratio")]).all()


def test_few_meters_are_told_apart_and_unknown_ones_have_no_number() -> None:
    assert told_apart(["only"]) == ()
    assert told_apart([str(i) for i in range(31)]) == ()
    names = feature_names(weather=True, meters=True)
    part = zone_frame().filter(pl.col("known_days") >= 30)
    code = design_matrix(part, names, offset=0.0, meters=("m1", "m7"))[:, names.index("meter_code")]
    assert np.array_equal(np.isnan(code), (part["meter_id"] == "m0").to_numpy())
    assert set(code[np.isfinite(code)]) == {0.0}


def test_level_takes_the_first_positive_value() -> None:
    frame = zone_frame().tail(3).with_columns(pl.Series("demand_mean_168h_kwh", [None, 0.0, 7.0]))
    level = frame.select(recent_level()).to_series().to_list()
    assert level == [frame["demand_last_day_mean_kwh"][0], frame["demand_last_day_mean_kwh"][1], 7.0]


def test_offset_is_zero_for_steady_meters_and_positive_for_those_at_rest() -> None:
    steady = features(demand(days=20))
    resting = steady.with_columns(
        pl.when(pl.col("local_hour") < 6).then(0.0).otherwise("demand_kwh").alias("demand_kwh")
    )
    assert ratio_offset(steady) == 0.0
    assert ratio_offset(resting) == 0.3


@given(value=st.floats(0.05, 20), offset=st.floats(0, 0.3), level=st.floats(1e-3, 1e7))
def test_log_ratio_and_its_inverse_agree(value: float, offset: float, level: float) -> None:
    frame = zone_frame().tail(1).with_columns(pl.lit(level).alias("demand_mean_168h_kwh"))
    ratio = frame.select(log_ratio(pl.lit(value * level), offset)).to_series().to_numpy()
    assert from_log_ratio(ratio, np.array([level]), offset)[0] == pytest.approx(value * level, rel=1e-6)
