"""The stretch of the world that one call needs: its days, grids and weather.

Belongs here: from a window of knowledge to days that have to be made. Does not belong here: what happens on them.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from energy_assets.simulation.calendar import DAY_S, LocalGrid, local_day, local_grid, local_instants
from energy_assets.simulation.fleet import Fleet
from energy_assets.simulation.noise import Floats, Ints
from energy_assets.simulation.publishing import MAX_DELAY_DAYS, Window, to_seconds
from energy_assets.simulation.weather import Weather, felt_temperature, observe

_PAST_H, _NEXT_H = 96, 144  # weather around the readings: the inertia of buildings, and forecasts


class Span:
    """Days, grids and weather of one call.

    `first_day` and `end_day` (exclusive) are UTC days since 1970; `window` and `telemetry` say which rows are told.
    """

    def __init__(self, members: Fleet, known_after: datetime | None, known_until: datetime) -> None:
        self.members = members
        self.zone = members.market.timezone
        until = to_seconds(known_until)
        after = None if known_after is None else to_seconds(known_after)
        start = self._midnight(known_after or known_until, members.source.history_days)
        self.window = Window(after, until, start)
        self.telemetry = Window(after, until, self._midnight(known_until, members.source.telemetry_days))
        if after is not None:
            start = max(start, after - MAX_DELAY_DAYS * DAY_S)
            self.telemetry = Window(after, until, after - 3_600)
        self.first_day = start // DAY_S
        self.end_day = until // DAY_S + 1
        self.hours: Ints = np.arange(self.first_day * 24 - _PAST_H, self.end_day * 24 + _NEXT_H, dtype=np.int64)
        self.weather: Weather = observe(members.source.seed, members.places, self.hours * 3_600)
        self._felt = felt_temperature(self.weather.temperature_c, _PAST_H)
        self._grids: dict[tuple[int, int], LocalGrid] = {}

    def grid(self, minutes: int, *, extra_days: int = 0) -> LocalGrid:
        """The grid of the span's days, made once per step."""
        wanted = (minutes, extra_days)
        if wanted not in self._grids:
            self._grids[wanted] = local_grid(
                self.first_day, self.end_day + extra_days, minutes * 60, self.zone, self.members.market.country
            )
        return self._grids[wanted]

    def temperature(self, grid: LocalGrid, places: Ints) -> Floats:
        """Air temperature at the middle of the intervals for meters at `places`, (M, N)."""
        return _between_hours(self.weather.temperature_c, int(self.hours[0]), grid)[places]

    def felt(self, grid: LocalGrid, places: Ints) -> Floats:
        """Temperature as buildings feel it, (M, N)."""
        return _between_hours(self._felt, int(self.hours[0]) + _PAST_H, grid)[places]

    def daylight(self, grid: LocalGrid, places: Ints) -> Floats:
        """Short-wave radiation, W/m2, (M, N)."""
        return _between_hours(self.weather.solar_irradiance_wm2, int(self.hours[0]), grid)[places]

    def _midnight(self, moment: datetime, days_before: int) -> int:
        day = np.array([local_day(moment, self.zone) - days_before], dtype=np.int64)
        return int(local_instants(day, 0, self.zone)[0])


def _between_hours(hourly: Floats, first_hour: int, grid: LocalGrid) -> Floats:
    """Hourly values (L, H) joined by straight lines, at the middle of each interval, (L, N)."""
    middle = grid.seconds + grid.step_s // 2
    hour = middle // 3_600
    share = (middle - hour * 3_600) / 3_600.0
    index = hour - first_hour
    return (1.0 - share) * hourly[:, index] + share * hourly[:, index + 1]
