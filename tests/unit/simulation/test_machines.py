"""Machines: channels that hang together, and a site that contains them."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from tests.unit.simulation.fleets import SMALL, UNTIL, between, latest

SOURCE = SMALL.model_copy(
    update={"industrial_sites": 3, "machines_per_site": 3, "telemetry_days": 8, "fault_rate_per_meter_month": 0.0}
)


@cache
def telemetry() -> pl.DataFrame:
    return between(None, UNTIL, SOURCE).tables["raw.telemetry"]


def test_one_observation_every_ten_seconds() -> None:
    gaps = telemetry().sort("machine_id", "observed_at_utc").select(
        pl.col("observed_at_utc").diff().over("machine_id").dt.total_seconds()
    )  # fmt: skip
    assert gaps.to_series().drop_nulls().unique().to_list() == [10]
    assert telemetry()["machine_id"].n_unique() == 9


def test_channels_follow_the_load() -> None:
    frame = telemetry().with_columns(load=pl.col("power_w") / pl.col("power_w").quantile(0.98).over("machine_id"))
    running, resting = frame.filter(pl.col("load") > 0.6), frame.filter(pl.col("load") < 0.1)
    assert 0.15 * frame.height < running.height < 0.8 * frame.height
    for column, factor in (("vibration_ms2", 4.0), ("pressure_bar", 4.0), ("temperature_c", 1.4)):
        per_machine = [
            part.group_by("machine_id").agg(pl.col(column).mean()).sort("machine_id")[column]
            for part in (running, resting)
        ]
        assert (per_machine[0] > factor * per_machine[1]).all(), column


def test_machines_warm_up_over_hours_not_at_once() -> None:
    minute = telemetry().filter(pl.col("machine_id") == "machine_01_1").group_by_dynamic(
        "observed_at_utc", every="1m"
    ).agg(pl.col("temperature_c").mean())  # fmt: skip
    change = minute["temperature_c"].diff().abs()
    hours = minute["temperature_c"].diff(240).abs()
    assert hours.max() > 20  # type: ignore[operator]
    assert change.max() < 0.35 * hours.max()  # type: ignore[operator]


def test_compressors_swing_between_two_pressures() -> None:
    frame = telemetry().filter((pl.col("machine_id") == "machine_02_1") & (pl.col("pressure_bar") > 4))
    low, high = frame["pressure_bar"].quantile(0.05), frame["pressure_bar"].quantile(0.95)
    assert low == pytest.approx(6.8, abs=0.35)
    assert high == pytest.approx(8.0, abs=0.35)


def test_the_sites_meter_contains_its_machines() -> None:
    tables = between(None, UNTIL, SOURCE).tables
    hour = pl.col("interval_start_utc").dt.truncate("1h").alias("utc")
    site = latest(tables["raw.meter_readings"]).filter(pl.col("meter_id").str.starts_with("industrial")).group_by(
        pl.col("meter_id").str.tail(2).alias("site"), hour
    ).agg(pl.col("energy_kwh").sum().alias("site_kwh"))  # fmt: skip
    inside = tables["raw.telemetry"].group_by(
        pl.col("machine_id").str.slice(8, 2).alias("site"), pl.col("observed_at_utc").dt.truncate("1h").alias("utc")
    ).agg((pl.col("power_w").sum() / 360 / 1000).alias("machines_kwh"), pl.len())  # fmt: skip
    both = site.join(inside.filter(pl.col("len") == 3 * 360), on=["site", "utc"])
    totals = both.group_by("site").agg(pl.col("site_kwh", "machines_kwh").sum())
    assert both.height > 3 * 100
    assert (totals["machines_kwh"] < totals["site_kwh"]).all()
    assert both.filter(pl.col("machines_kwh") > 1.05 * pl.col("site_kwh")).height < 0.02 * both.height
    assert both.group_by("site").agg(pl.corr("site_kwh", "machines_kwh").alias("r"))["r"].min() > 0.9  # type: ignore[operator]
