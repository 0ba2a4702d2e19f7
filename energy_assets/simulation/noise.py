"""Randomness without a state: every draw is a hash of (seed, entity, stream, counter).

Belongs here: keys, uniform and normal draws, smooth noise over time. Does not belong here: what the noise means.
Nothing here has an order: a value does not depend on which others are drawn, so any range of time can be made alone.
All sums run in a fixed order over whole arrays (no matrix products, no cumulative sums), because those would change
the last bits with the shape of the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def keys(seed: int, entities: Sequence[str], stream: str) -> Keys:
    """One key per entity for one stream of draws, shape (len(entities),).

    >>> keys(1, ["household_001"], "level")[0] == keys(1, ["zone_01", "household_001"], "level")[1]
    np.True_
    """
    words = [blake2b(f"{seed}|{stream}|{entity}".encode(), digest_size=8).digest() for entity in entities]
    return np.frombuffer(b"".join(words), dtype="<u8").astype(np.uint64)


def uniform(key: Keys, counter: Ints | int = 0) -> Floats:
    """Uniform draws in (0, 1), one per broadcast pair of key and counter (splitmix64, Steele et al. 2014)."""
    counters = np.atleast_1d(np.asarray(counter, dtype=np.int64)).view(np.uint64)
    mixed = _mix(key ^ _mix(counters * _GOLDEN + _GOLDEN))
    result: Floats = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return result


def normal(key: Keys, counter: Ints | int = 0) -> Floats:
    """Standard normal draws, one per broadcast pair of key and counter."""
    from scipy.special import ndtri  # a second of import that loading the package should not cost

    result: Floats = ndtri(uniform(key, counter))
    return result


def between(key: Keys, low: float, high: float, counter: Ints | int = 0) -> Floats:
    """Uniform draws between `low` and `high`."""
    return low + (high - low) * uniform(key, counter)


def choice(key: Keys, shares: Sequence[float], counter: Ints | int = 0) -> Ints:
    """Index of a category drawn by its share; `shares` sum to 1."""
    edges = np.add.accumulate(np.asarray(shares, dtype=np.float64))[:-1]
    return np.searchsorted(edges, uniform(key, counter), side="right").astype(np.int64)


def smooth(key: Keys, seconds: Ints, spacing_hours: float) -> Floats:
    """Noise of unit variance that forgets itself after about `spacing_hours`.

    Independent normals at knots `spacing_hours` apart, blended so that the variance is 1 everywhere. `key` has shape
    (M,) and `seconds` (seconds since 1970, UTC) shape (N,): the result has (M, N). If `seconds` has as many dimensions
    as `key` (or more), they are broadcast against each other instead.
    """
    spacing = round(spacing_hours * 3600)
    knot = seconds // spacing
    share = (seconds - knot * spacing) / spacing
    angle = (np.pi / 2) * share * share * (3.0 - 2.0 * share)
    left, right = np.cos(angle), np.sin(angle)
    if seconds.ndim > 1 or key.ndim > 1:
        return left * normal(key, knot) + right * normal(key, knot + 1)
    first = int(knot.min())
    knots = normal(key[:, None], np.arange(first, int(knot.max()) + 2)[None, :])
    index = knot - first
    return left * knots[:, index] + right * knots[:, index + 1]


def jitter(key: Keys, seconds: Ints) -> Floats:
    """Independent standard normals per key and instant, shape (M, N)."""
    return normal(key[:, None], seconds[None, :])


def lognormal(normals: Floats, sigma: float) -> Floats:
    """Factors of mean 1 with log-standard-deviation `sigma`."""
    result: Floats = np.exp(sigma * normals - 0.5 * sigma * sigma)
    return result


def _mix(word: Keys) -> Keys:
    word = (word ^ (word >> np.uint64(30))) * _MIX_1
    word = (word ^ (word >> np.uint64(27))) * _MIX_2
    result: Keys = word ^ (word >> np.uint64(31))
    return result
