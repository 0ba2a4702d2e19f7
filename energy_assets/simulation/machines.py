"""Machines of industrial sites: power, temperature, vibration and pressure every ten seconds.

Belongs here: how the channels of one machine hang together. Does not belong here: when the site works (`industry.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy_assets.simulation.noise import Floats, Ints, Keys, between, jitter, keys, normal, smooth

STEP_S = 10
KINDS = ("compressor", "press", "furnace", "pump")
_DUTY = np.array([0.68, 0.6, 0.8, 0.9])
_CYCLE_S = np.array([420.0, 240.0, 900.0, 1800.0])
_PRESSURE = np.array([7.5, 160.0, 1.1, 5.0])  # bar, held by a compressor, reached by the others under load
_HEAT_C = np.array([55.0, 30.0, 180.0, 22.0])  # over ambient at full load
_SHAKE = np.array([2.2, 3.5, 0.5, 1.4])  # m/s2 at full load, new bearings


@dataclass(frozen=True)
class Machines:
    """Lasting traits of machines, arrays of shape (M,)."""

    seed: int
    ids: tuple[str, ...]
    kind: Ints
    rated_kw: Floats
    duty: Floats
    cycle_s: Floats
    service_days: Floats

    @property
    def mean_kw(self) -> Floats:
        """Mean power while the site works at full level."""
        return self.rated_kw * (self.duty * 0.98 + (1.0 - self.duty) * 0.22)


def machines(seed: int, ids: tuple[str, ...]) -> Machines:
    """The traits of machines, each a function of the seed and its own id, which ends in its number at the site."""

    def key(stream: str) -> Keys:
        return keys(seed, ids, f"machine-{stream}")

    kind = np.array([(int(machine.rsplit("_", 1)[1]) - 1) % len(KINDS) for machine in ids], dtype=np.int64)
    return Machines(
        seed,
        ids,
        kind,
        between(key("rated"), 35.0, 130.0),
        _DUTY[kind] * between(key("duty"), 0.88, 1.08),
        _CYCLE_S[kind] * between(key("cycle"), 0.8, 1.3),
        between(key("service"), 50.0, 110.0),
    )


@dataclass(frozen=True)
class Telemetry:
    """Channels of shape (M, N) at instants of shape (N,)."""

    seconds: Ints
    temperature_c: Floats
    vibration_ms2: Floats
    pressure_bar: Floats
    power_w: Floats


def telemetry(machines_: Machines, minutes: Ints, activity: Floats, warmth: Floats, ambient_c: Floats) -> Telemetry:
    """Sensor values of whole minutes; `minutes` (N/6,) holds their first seconds since 1970 UTC, in order.

    `activity`, `warmth` (activity smoothed over the hours before) and `ambient_c` have shape (M, N/6).
    A cycle draws its rated power for its duty's share and idles for the rest; starting takes an inrush; load heats the
    machine over hours; vibration follows load and wear, and wear starts anew with each service.
    """
    seed, ids, kind = machines_.seed, machines_.ids, machines_.kind[:, None]
    per_minute = 60 // STEP_S
    seconds = (minutes[:, None] + STEP_S * np.arange(per_minute)[None, :]).reshape(-1)

    def dense(values: Floats) -> Floats:
        return np.repeat(values, per_minute, axis=1)

    def chance(stream: str) -> Floats:
        return jitter(keys(seed, ids, f"machine-{stream}"), seconds)

    works = dense(np.where(activity > 0.05, 1.0, 0.0))
    load = dense(0.9 + 0.1 * np.minimum(activity, 1.3)) * works
    wander = dense(0.25 * smooth(keys(seed, ids, "machine-phase"), minutes, 0.7))
    phase = normal(keys(seed, ids, "machine-offset"))[:, None]
    cycle = (seconds[None, :] / machines_.cycle_s[:, None] + phase + wander) % 1.0
    # a fuller order book means longer duty
    duty = np.clip(machines_.duty[:, None] * dense(np.minimum(activity, 1.2)), 0.05, 0.97)
    running = np.where(cycle < duty, works, 0.0)
    since_start_s = cycle * machines_.cycle_s[:, None]
    inrush = 0.5 * np.exp(-since_start_s / 12.0)
    share = running * load * (0.98 + inrush) + (works - running) * 0.22
    rated_w = machines_.rated_kw[:, None] * 1000.0
    power = rated_w * share * (1.0 + 0.02 * chance("power")) + rated_w * 0.01 * (1.0 + 0.1 * chance("standby"))
    heat = _HEAT_C[kind] * dense(warmth) + 0.03 * _HEAT_C[kind] * (running - 0.5) * works
    temperature = dense(ambient_c) + heat + 0.25 * chance("temperature")
    age = (minutes[None, :] / 86_400.0 / machines_.service_days[:, None] + phase) % 1.0
    wear = dense(0.9 * age * age * age)
    shake = _SHAKE[kind] * (0.06 + 0.25 * works + 0.69 * running) * (1.0 + wear) * np.exp(0.12 * chance("vibration"))
    rising = np.minimum(cycle / duty, 1.0)
    falling = np.clip((cycle - duty) / (1.0 - duty), 0.0, 1.0)
    swing = np.where(cycle < duty, rising, 1.0 - falling)  # fills while running, empties after
    held = np.where(kind == 0, 0.9 + 0.17 * swing, 0.15 + 0.85 * running)
    pressure = _PRESSURE[kind] * (held * works + (1.0 - works) * 0.05) * (1.0 + 0.008 * chance("pressure"))
    return Telemetry(
        seconds,
        temperature.round(2),
        shake.round(4),
        np.maximum(pressure, 0.0).round(3),
        np.maximum(power, 0.0).round(1),
    )
