"""Rows of raw.telemetry: the machines' channels over the days that are asked for, with faulty power sensors.

Belongs here: days, window and faults of telemetry. Does not belong here: the physics (`machines.py`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from energy_assets.simulation import faults
from energy_assets.simulation.calendar import DAY_S, local_grid
from energy_assets.simulation.industry import activity
from energy_assets.simulation.machines import STEP_S, machines, telemetry
from energy_assets.simulation.noise import Floats
from energy_assets.simulation.publishing import instants
from energy_assets.simulation.span import Span

LAG_S = 30
_BLOCK = 2_000_000  # observations made at a time
_WARMTH_MINUTES = ((0, 0.15), (20, 0.2), (60, 0.2), (110, 0.2), (180, 0.15), (280, 0.1))


def telemetry_rows(span: Span) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Observations that became known in the window, and the truth about the faults among them."""
    days = span.end_day - span.telemetry.start // DAY_S
    size = max(1, _BLOCK // (days * DAY_S // STEP_S))
    rows = [slice(first, first + size) for first in range(0, len(span.members.machines.ids), size)]
    told, truth = zip(*(_some_rows(span, chosen) for chosen in rows), strict=True)
    return pl.concat(told), pl.concat(truth)


def _some_rows(span: Span, rows: slice) -> tuple[pl.DataFrame, pl.DataFrame]:
    members, window = span.members, span.telemetry
    site, ids = members.machine_site[rows], members.machines.ids[rows]
    some = machines(members.source.seed, ids)
    first_day = window.start // DAY_S
    days = span.end_day - first_day
    minutes = local_grid(first_day - 1, span.end_day, 60, span.zone, members.market.country)
    cut = DAY_S // 60
    running = activity(members.sites, minutes)
    warmth = _warmth(running, cut)
    places = members.place_of(members.sites.ids)
    ambient = 16.0 + 0.3 * np.maximum(span.temperature(minutes, places)[:, cut:], 2.0)
    told = telemetry(some, minutes.seconds[cut:], running[site, cut:], warmth[site], ambient[site])
    drawn = faults.draw(
        members.source.seed, ids, faults.MACHINES, members.source.fault_rate_per_meter_month, first_day, days, STEP_S
    )
    power, _, _ = faults.distort(told.power_w.reshape(len(ids), days, -1), 600.0 * some.rated_kw, drawn)
    told = replace(told, power_w=power.reshape(told.power_w.shape).round(1))
    chosen = np.flatnonzero(window.holds(told.seconds + LAG_S) & (told.seconds >= window.start))
    flat = slice(int(chosen[0]), int(chosen[-1]) + 1) if chosen.size else slice(0, 0)

    def column(values: Floats) -> Floats:
        return values[:, flat].reshape(-1)

    seconds = np.tile(told.seconds[flat], len(ids))
    frame = pl.DataFrame(
        {
            "machine_id": pl.Series(ids, dtype=pl.String).gather(np.repeat(np.arange(len(ids)), chosen.size)),
            "observed_at_utc": instants(seconds),
            "temperature_c": column(told.temperature_c),
            "vibration_ms2": column(told.vibration_ms2),
            "pressure_bar": column(told.pressure_bar),
            "power_w": column(told.power_w),
            "known_at_utc": instants(seconds + LAG_S),
        }
    )
    return frame, faults.told(drawn.rows, window.after, window.until, window.start)


def _warmth(running: Floats, cut: int) -> Floats:
    """How warm the site's machines have run, 0 to about 1: activity over fixed lags up to five hours back."""
    total = np.zeros((running.shape[0], running.shape[1] - cut))
    for lag, weight in _WARMTH_MINUTES:
        total = total + weight * running[:, cut - lag : running.shape[1] - lag]
    return total
