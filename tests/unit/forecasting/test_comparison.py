"""The test of Diebold and Mariano."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from energy_assets.forecasting.comparison import diebold_mariano, usual_lags

RANDOM = np.random.default_rng(3)
ONE, OTHER = RANDOM.normal(1.0, 0.2, 30), RANDOM.normal(1.1, 0.2, 30)


def test_without_lags_it_is_the_paired_t_test() -> None:
    statistic, p_value = diebold_mariano(ONE, OTHER, lags=0)
    expected = stats.ttest_rel(ONE, OTHER)
    assert statistic == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue)


def test_it_is_the_same_from_both_sides() -> None:
    there, back = diebold_mariano(ONE, OTHER, lags=3), diebold_mariano(OTHER, ONE, lags=3)
    assert there == pytest.approx((-back[0], back[1]))
    assert there[0] < 0


def test_days_that_are_alike_count_for_less() -> None:
    persistent = np.repeat(ONE - OTHER, 4)[:60]
    naive, aware = (diebold_mariano(persistent, np.zeros(60), lags=lags)[1] for lags in (0, 4))
    assert aware > naive


def test_differences_without_chance_are_certain_or_none() -> None:
    assert diebold_mariano(ONE, ONE, lags=2) == (0.0, 1.0)
    assert diebold_mariano(ONE - 0.5, ONE, lags=2) == (-math.inf, 0.0)
    assert diebold_mariano(np.zeros(4), np.zeros(4), lags=2) == (0.0, 1.0)


def test_more_lags_than_losses_are_not_taken() -> None:
    statistic, p_value = diebold_mariano(ONE[:3], OTHER[:3], lags=50)
    assert math.isfinite(statistic)
    assert 0 <= p_value <= 1


@pytest.mark.parametrize("pair", [(ONE, ONE[:-1]), (ONE[:1], ONE[:1]), (ONE.reshape(5, 6), ONE.reshape(5, 6))])
def test_losses_that_are_no_pair_are_refused(pair: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="two equal rows of at least 2"):
        diebold_mariano(*pair, lags=1)


def test_longer_samples_bear_more_lags() -> None:
    assert [usual_lags(n) for n in (7, 28, 100, 365)] == [2, 3, 4, 5]
