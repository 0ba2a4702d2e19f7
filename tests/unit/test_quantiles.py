"""Probabilities out of quantiles, against the same worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.quantiles import exceedance, quantile_at

LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
VALUES = np.array([[1.0, 2.0, 4.0, 5.0, 7.0, 10.0, 12.0]])


@pytest.mark.parametrize(
    ("threshold", "probability"),
    [
        (5.0, 0.5),
        (6.0, 1 - 0.625),
        (8.5, 1 - 0.825),
        (12.0, 0.05),
        (12.0 + 2 / math.log(2), 0.05 / math.e),  # one scale of the upper tail beyond the last quantile
        (1.0, 0.95),
        (1.0 - 1 / math.log(2), 1 - 0.05 / math.e),
    ],
)
def test_exceedance_by_hand(threshold: float, probability: float) -> None:
    assert exceedance(LEVELS, VALUES, np.array([threshold]))[0] == pytest.approx(probability)


def test_equal_quantiles_have_no_tail_and_divide_nothing_by_zero() -> None:
    flat = np.full((3, 7), 4.0)
    assert exceedance(LEVELS, flat, np.array([3.9, 4.0, 4.1])).tolist() == [1.0, 0.0, 0.0]


def test_zero_inflated_quantiles_count_the_whole_step() -> None:
    assert exceedance(LEVELS, np.array([[0.0, 0.0, 0.0, 0.0, 2.0, 4.0, 5.0]]), np.array([0.0]))[0] == 0.5


quantile_rows = st.lists(st.floats(0, 1e5), min_size=7, max_size=7).map(lambda v: np.array([sorted(v)]))


@settings(max_examples=80, deadline=None)
@given(quantile_rows, st.floats(-1e4, 2e5), st.floats(0, 1e4))
def test_exceedance_is_a_probability_that_falls(values: np.ndarray, threshold: float, step: float) -> None:
    lower = exceedance(LEVELS, values, np.array([threshold]))[0]
    higher = exceedance(LEVELS, values, np.array([threshold + step]))[0]
    assert 0.0 <= higher <= lower + 1e-12
    assert lower <= 1.0


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(0.5, 1e3), min_size=7, max_size=7).map(lambda v: np.cumsum([v], axis=1)),
    st.floats(0.005, 0.995),
)
def test_quantile_at_is_the_inverse(values: np.ndarray, probability: float) -> None:
    at = quantile_at(LEVELS, values, probability)
    assert exceedance(LEVELS, values, at)[0] == pytest.approx(1 - probability, abs=1e-6)
