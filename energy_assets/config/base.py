"""What every part of `sources.yaml` shares: strictness, time zones, a local hour of a day."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

import polars as pl
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

LONGEST_LAG = 10 * 366 * 24 * 60  # minutes of ten years
NO_PLACE = {"Factory", "localtime"}  # in the database of zones, and no zones of any place


class Strict(BaseModel):
    """Unknown fields are errors: a typo must not load something else in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _known_zone(name: str) -> str:
    if name not in available_timezones() - NO_PLACE:
        raise ValueError(f"'{name}' is no IANA time zone; write e.g. Europe/Paris or UTC")
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class PublishedAt(Strict):
    """A local hour relative to the day that is forecast: `{day: -1, hour: 10}` is ten o'clock of the day before."""

    day: int = Field(-1, ge=-14, le=0, description="days from the day that is forecast")
    hour: int = Field(ge=0, le=23, description="local hour")
    minute: int = Field(0, ge=0, le=59, description="minute of the hour")


def time_format(given: str | None) -> str | None:
    """The strftime format, if times can be read by it."""
    if given is not None:
        try:
            pl.Series([""]).str.to_datetime(given, time_unit="us", strict=False)
        except pl.exceptions.PolarsError as error:
            raise ValueError(f"{given!r} is no format of times: {str(error).splitlines()[0]}") from None
    return given


def zone(name: str) -> ZoneInfo:
    """The zone object of a validated name."""
    return ZoneInfo(name)
