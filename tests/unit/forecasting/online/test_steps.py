"""The steps by themselves: recursive regressions, weights, errors, bands."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.forecasting import QUANTILES
from energy_assets.forecasting.online.bands import banded
from energy_assets.forecasting.online.cube import NEVER, SLOTS, Cube, weighted_quantiles
from energy_assets.forecasting.online.errors import correct
from energy_assets.forecasting.online.ridge import Family, recursive_ridge
from energy_assets.forecasting.online.weights import combine, convex_weights

DAY = 86_400_000_000
RNG = np.random.default_rng(3)
NOISE = np.array([-1.645, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.645])


def _days(count: int, delay: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Issue times of some days, and since when the labels of one meter are known."""
    issued = np.arange(count) * DAY
    known = np.broadcast_to((issued + int(delay * DAY))[None, :, None], (1, count, SLOTS)).copy()
    return issued, known


def test_each_row_is_said_by_a_ridge_on_all_that_was_known() -> None:
    columns = RNG.normal(size=(200, 3))
    target = columns @ [1.0, -2.0, 0.5] + 0.3 + RNG.normal(size=200) * 0.1
    issued = np.arange(200) * DAY
    known = issued + 2 * DAY
    said = recursive_ridge(columns, target, np.zeros(200, dtype=np.int64), issued, known, Family((5.0,), (1e9,), 20))
    design = np.column_stack([np.ones(200), columns])
    penalty = np.diag([1 / 100.0, 5.0, 5.0, 5.0])
    for row in (50, 199):
        seen = known <= issued[row]
        solved = np.linalg.solve(design[seen].T @ design[seen] + penalty, design[seen].T @ target[seen])
        assert said[row, 0] == pytest.approx(design[row] @ solved, abs=1e-9)
    assert np.isnan(said[:21]).all()  # 20 rows are known after 21 days
    assert np.isfinite(said[22:]).all()


def test_a_limited_expert_is_deaf_to_faults() -> None:
    target = np.zeros(300)
    target[150:300:10] = 50.0
    issued = np.arange(300) * DAY
    noise = RNG.normal(size=300) * 0.1
    cell, family = np.zeros(300, dtype=np.int64), Family((5.0,), (1.5, 1e9), 60)
    said = recursive_ridge(np.zeros((300, 1)), target + noise, cell, issued, issued + DAY, family)
    assert abs(said[-1, 0]) < 0.1
    assert said[-1, 1] > 1.0


def test_cells_learn_apart_and_a_row_without_label_teaches_nothing() -> None:
    issued = np.repeat(np.arange(100) * DAY, 2)
    cell = np.tile([0, 1], 100).astype(np.int64)
    target = np.where(cell == 0, 1.0, -1.0)
    family = Family((2.0,), (8.0,), 10)
    said = recursive_ridge(np.zeros((200, 1)), target, cell, issued, issued + DAY, family)
    assert said[-2:, 0] == pytest.approx([1.0, -1.0], abs=0.01)
    silent = recursive_ridge(np.zeros((200, 1)), np.where(cell == 0, 1.0, np.nan), cell, issued, issued + DAY, family)
    assert np.isnan(silent[cell == 1]).all()
    assert np.array_equal(silent[cell == 0], said[cell == 0], equal_nan=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10_000))
def test_weights_are_convex(experts: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = convex_weights(rng.normal(size=(150, experts)), rng.normal(size=150))
    assert found.sum() == pytest.approx(1.0)
    assert (found >= 0).all()


def test_the_better_expert_gets_the_weight_once_it_has_shown_it() -> None:
    issued, known = _days(60)
    truth = RNG.normal(size=(1, 60, SLOTS))
    experts = np.stack([truth + RNG.normal(size=truth.shape) * s for s in (1.0, 0.05)], axis=-1)
    said = combine(experts, truth, known, issued)
    assert np.array_equal(said[:, 0], experts[:, 0, :, 0])  # nothing is known yet
    late = np.abs(said[:, 30:] - truth[:, 30:]).mean()
    assert late < 1.2 * np.abs(experts[:, 30:, :, 1] - truth[:, 30:]).mean()
    unknown = combine(experts, truth, np.full_like(known, NEVER), issued)
    assert np.array_equal(unknown, experts[..., 0])


def test_a_lasting_error_is_corrected_and_chance_is_left_alone() -> None:
    issued, known = _days(120)
    chance = RNG.normal(size=(1, 120, SLOTS)) * 0.05
    point = np.zeros_like(chance)
    shifted = chance + np.where(np.arange(120) >= 60, 0.2, 0.0)[None, :, None]
    moved = correct(point, shifted, known, issued)
    assert moved[:, -1].mean() == pytest.approx(0.2, abs=0.05)
    assert np.abs(moved[:, 60]).mean() < 0.05  # the first day of the shift cannot be foreseen
    assert np.abs(correct(point, chance, known, issued)[:, -30:]).mean() < 0.01


def _distances(shape: tuple[int, ...], width: float) -> np.ndarray:
    return np.broadcast_to(NOISE * width, (*shape, len(QUANTILES))).copy()


@pytest.mark.parametrize("expected_width", [0.07, 0.1, 0.14])
def test_bands_cover_what_they_promise_however_wide_they_were_expected(expected_width: float) -> None:
    issued, known = _days(300)
    truth = RNG.normal(size=(1, 300, SLOTS)) * 0.1
    bands = banded(np.zeros_like(truth), _distances(truth.shape, expected_width), truth, known, issued, QUANTILES)
    late = slice(100, None)
    for low, high, share in ((1, 5, 0.8), (0, 6, 0.9), (2, 4, 0.5)):
        inside = (truth[:, late] >= bands[:, late, :, low]) & (truth[:, late] <= bands[:, late, :, high])
        assert inside.mean() == pytest.approx(share, abs=0.02)


def test_bands_follow_a_change_of_spread() -> None:
    issued, known = _days(300)
    truth = RNG.normal(size=(1, 300, SLOTS)) * np.where(np.arange(300) < 150, 0.05, 0.2)[None, :, None]
    bands = banded(np.zeros_like(truth), _distances(truth.shape, 0.05), truth, known, issued, QUANTILES)
    width = (bands[..., 5] - bands[..., 1]).mean(axis=(0, 2))
    assert width[-1] > 3 * width[140]
    inside = (truth[:, 200:] >= bands[:, 200:, :, 1]) & (truth[:, 200:] <= bands[:, 200:, :, 5])
    assert inside.mean() == pytest.approx(0.8, abs=0.05)


def test_meters_do_not_mix_and_one_without_labels_keeps_its_expected_bands() -> None:
    issued, known = _days(80)
    truth = RNG.normal(size=(2, 80, SLOTS)) * 0.1
    truth[1] = np.nan
    known = np.where(np.isfinite(truth), known, NEVER)
    expected = _distances(truth.shape, 0.1)
    bands = banded(np.zeros_like(truth), expected, truth, known, issued, QUANTILES)
    assert np.allclose(bands[1], expected[1])
    alone = banded(np.zeros_like(truth[:1]), expected[:1], truth[:1], known[:1], issued, QUANTILES)
    assert np.array_equal(bands[:1], alone)


def test_weighted_quantiles_without_weight_are_unknown() -> None:
    found = weighted_quantiles(np.array([[1.0, 2.0], [5.0, 9.0]]), np.array([[0.0, 0.0], [1.0, 0.0]]), [0.1, 0.9])
    assert np.isnan(found[0]).all()
    assert found[1].tolist() == [5.0, 5.0]


def test_the_repeated_hour_of_autumn_has_a_place_of_its_own() -> None:
    rows = pl.DataFrame(
        {"meter_id": "m", "issued_at_utc": [1, 1, 1], "local_hour": [1, 2, 2], "interval_start_utc": [1, 2, 3]}
    )
    rows = rows.with_columns(pl.col("issued_at_utc").cast(pl.Datetime("us", "UTC")))
    cube = Cube.of(rows)
    values = np.array([1.0, 2.0, 3.0])
    assert cube.slot.tolist() == [1, 2, SLOTS - 1]
    assert cube.gather(cube.spread(values)).tolist() == values.tolist()
