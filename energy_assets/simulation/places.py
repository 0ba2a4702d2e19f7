"""Where the fleet stands: places of weather around the market's own city.

Belongs here: ids and coordinates. Does not belong here: the weather there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from energy_assets.simulation.noise import Floats, between, keys

_CENTRE = (48.9, 2.3)  # of markets whose time zone is no city's, such as UTC


@dataclass(frozen=True)
class Places:
    """Places of weather: ids and coordinates in degrees, arrays of shape (L,)."""

    ids: tuple[str, ...]
    latitude: Floats
    longitude: Floats


def places(seed: int, count: int, timezone: str) -> Places:
    """`count` places within about 300 km of the city that the time zone is named after."""
    ids = tuple(f"location_{number:02d}" for number in range(1, count + 1))
    latitude, longitude = coordinates(timezone)
    return Places(
        ids,
        (latitude + between(keys(seed, ids, "latitude"), -2.0, 2.0)).round(3),
        (longitude + between(keys(seed, ids, "longitude"), -3.0, 3.0)).round(3),
    )


@lru_cache(maxsize=64)
def coordinates(timezone: str) -> tuple[float, float]:
    """Latitude and longitude of a time zone's city, from the time zone database (file zone.tab of `tzdata`).

    >>> coordinates("Australia/Sydney")
    (-33.867, 151.217)
    """
    table = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    found = re.search(rf"^\w\w\t([+-]\d+)([+-]\d+)\t{re.escape(timezone)}(?:\t|$)", table, flags=re.MULTILINE)
    return (_degrees(found[1], 2), _degrees(found[2], 3)) if found else _CENTRE


def _degrees(text: str, whole: int) -> float:
    """Degrees of an ISO 6709 number: +4852 is 48 degrees 52 minutes."""
    digits = text[1:]
    seconds = int(digits[whole + 2 :] or 0)
    value = int(digits[:whole]) + int(digits[whole : whole + 2]) / 60 + seconds / 3600
    return round(-value if text[0] == "-" else value, 3)
