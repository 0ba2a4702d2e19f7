"""Randomness without a state: the right moments, and no memory of the request."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.simulation.noise import choice, keys, lognormal, normal, smooth, uniform

KEYS = keys(3, [f"entity_{number}" for number in range(40)], "test")
HOURS = np.arange(0, 3_000 * 3600, 3600, dtype=np.int64)


def test_draws_are_uniform_and_independent() -> None:
    draws = uniform(KEYS[:, None], np.arange(5_000)[None, :])
    assert draws.min() > 0
    assert draws.max() < 1
    assert draws.mean() == pytest.approx(0.5, abs=0.004)
    assert np.histogram(draws, bins=10, range=(0, 1))[0] / draws.size == pytest.approx(0.1, abs=0.003)
    assert abs(np.asarray(np.corrcoef(draws[:, 1:].ravel(), draws[:, :-1].ravel()))[0, 1]) < 0.01
    assert np.abs(np.asarray(np.corrcoef(draws))[~np.eye(40, dtype=bool)]).max() < 0.08


def test_normals_have_unit_variance_and_factors_mean_one() -> None:
    draws = normal(KEYS[:, None], np.arange(5_000)[None, :])
    assert draws.mean() == pytest.approx(0.0, abs=0.01)
    assert draws.std() == pytest.approx(1.0, abs=0.01)
    assert lognormal(draws, 0.5).mean() == pytest.approx(1.0, abs=0.01)


def test_smooth_noise_has_unit_variance_and_forgets() -> None:
    values = smooth(KEYS, HOURS, 24.0)
    assert values.std() == pytest.approx(1.0, abs=0.05)
    assert values.std(axis=0).reshape(-1, 24).mean(axis=0) == pytest.approx(1.0, abs=0.06)

    def remembered(lag: int) -> float:
        return float(np.corrcoef(values[:, lag:].ravel(), values[:, :-lag].ravel())[0, 1])

    assert remembered(1) > 0.97
    assert 0.1 < remembered(18) < 0.6
    assert abs(remembered(72)) < 0.1


@given(first=st.integers(0, 2_900), count=st.integers(1, 100), rows=st.integers(1, 40))
def test_a_part_alone_is_the_same_to_the_bit(first: int, count: int, rows: int) -> None:
    part = smooth(KEYS[:rows], HOURS[first : first + count], 7.0)
    assert np.array_equal(part, smooth(KEYS, HOURS, 7.0)[:rows, first : first + count])


def test_choices_follow_their_shares() -> None:
    drawn = choice(KEYS[:, None], (0.2, 0.5, 0.3), np.arange(5_000)[None, :])
    assert np.bincount(drawn.ravel()) / drawn.size == pytest.approx([0.2, 0.5, 0.3], abs=0.01)
