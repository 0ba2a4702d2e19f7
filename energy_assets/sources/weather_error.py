"""An error for forecasts of temperature that are better than what one would have had: archives of short lead.

Belongs here: the error, for sources that ask for it (`simulated_error`). Does not belong here: the simulated weather
service (`energy_assets.simulation`).

Gaussian, correlated over hours like the errors of numerical forecasts (first order autoregression), half of its
variance common to all places: fronts are early or late for a whole country. A function of place and hour alone: files
may overlap, be loaded again or in another order.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_assets.config import SimulatedError

EPOCH_HOUR = int(np.datetime64("2000-01-01T00", "h").astype(np.int64))
HOURS = 24 * 366 * 60
COMMON_SHARE = 0.5  # of the variance


def with_error(frame: pl.DataFrame, error: SimulatedError) -> pl.DataFrame:
    """The frame with errors on `temperature_c`.

    Args:
        frame: location_id, valid_at_utc (2000 to 2059; other hours repeat those), temperature_c.
        error: its standard deviation in °C and its correlation time in hours.
    """
    hour = (frame["valid_at_utc"].dt.epoch("s").to_numpy() // 3600 - EPOCH_HOUR) % HOURS
    common = _series("", error.correlation_hours)[hour]
    own = np.zeros(frame.height)
    for (place,), rows in frame.select("location_id", row=pl.int_range(pl.len())).group_by("location_id"):
        at = rows["row"].to_numpy()
        own[at] = _series(str(place), error.correlation_hours)[hour[at]]
    whole = error.temperature_c * (np.sqrt(COMMON_SHARE) * common + np.sqrt(1 - COMMON_SHARE) * own)
    return frame.with_columns(pl.col("temperature_c") + pl.Series(whole))


@lru_cache(maxsize=64)
def _series(place: str, correlation_hours: float) -> NDArray[np.float64]:
    """Hourly errors of one place with variance 1."""
    from scipy.signal import lfilter  # a second of import that loading the package should not cost

    seed = int.from_bytes(hashlib.sha256(f"{place}|{correlation_hours}".encode()).digest()[:8], "big")
    memory = float(np.exp(-1 / correlation_hours))
    shocks = np.random.default_rng(seed).standard_normal(HOURS) * np.sqrt(1 - memory**2)
    result: NDArray[np.float64] = lfilter([1.0], [1.0, -memory], shocks)
    return result
