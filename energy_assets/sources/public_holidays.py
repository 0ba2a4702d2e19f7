"""Public holidays as `raw.holidays` rows, from the library `holidays` (its own calendars, no network).

Belongs here: the call of the library. Bridge days and day types are made in SQL (`marts.dim_dates`).
"""

from __future__ import annotations

from collections.abc import Iterable

import holidays
import polars as pl


def public_holidays(countries: Iterable[str], years: Iterable[int]) -> pl.DataFrame:
    """One row per country and holiday.

    Args:
        countries: ISO 3166 codes, a subdivision behind a hyphen (`AU-NSW`). Countries that the library does not know
            have no rows: their days are working days or weekends.
        years: calendar years.

    >>> public_holidays(["FR"], [2022]).filter(pl.col("local_date").dt.month() == 5)["local_date"].dt.day().to_list()
    [1, 8, 26]
    """
    years = sorted(set(years))
    known = holidays.list_supported_countries(include_aliases=False)
    rows = []
    for country in sorted(set(countries)):
        code, _, subdivision = country.partition("-")
        if code not in known:
            continue
        calendar = holidays.country_holidays(
            code, subdiv=subdivision if subdivision in known[code] else None, years=years, language="en_US"
        )
        rows += [(country, day, name) for day, name in sorted(calendar.items())]
    return pl.DataFrame(
        rows, schema={"country": pl.String, "local_date": pl.Date, "holiday_name": pl.String}, orient="row"
    )
