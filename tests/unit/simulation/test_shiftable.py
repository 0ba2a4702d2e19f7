"""Loads that can wait: they run at their usual times, inside what the meters see."""

from __future__ import annotations

import numpy as np
import polars as pl

from energy_assets.simulation.calendar import local_grid
from energy_assets.simulation.shiftable import shiftable_loads, usual_kwh

SITES, BUILDINGS, HOMES = ("industrial_01", "industrial_02"), ("building_01",), ("household_003", "household_004")
LOADS = shiftable_loads(1, "fleet", HOMES, (SITES, np.array([250.0, 400.0])), (BUILDINGS, np.array([90.0])))
DAY = 20_173  # Tuesday 2025-03-25


def test_every_kind_of_member_has_its_loads() -> None:
    names = {row["shiftable_load_id"]: row for row in LOADS.to_dicts()}
    assert {"industrial_01_kiln", "industrial_02_compressor", "building_01_cold_store", "household_004_battery"} <= set(
        names
    )
    assert "household_003_battery" not in names  # pays by two prices
    kiln = names["industrial_01_kiln"]
    assert kiln["energy_kwh"] == 4 * kiln["power_kw"] > 0
    battery = names["household_004_battery"]
    assert battery["capacity_kwh"] == 6.0
    assert battery["usual_start_local"] is battery["energy_kwh"] is None


def test_usual_runs_are_in_the_meters_load_on_their_days() -> None:
    workday = usual_kwh(LOADS, 1, SITES, local_grid(DAY, DAY + 1, 900, "UTC", None))
    per_site = LOADS.filter(pl.col("meter_id").is_in(SITES)).group_by("meter_id").agg(pl.col("energy_kwh").sum())
    expected = dict(per_site.iter_rows())
    np.testing.assert_allclose(
        workday.sum(axis=1), [expected[name] for name in SITES], rtol=0.15
    )  # power differs a little
    saturday = usual_kwh(LOADS, 1, SITES, local_grid(DAY + 4, DAY + 5, 900, "UTC", None))
    assert not saturday.any()
    kiln = LOADS.row(by_predicate=pl.col("shiftable_load_id") == "industrial_01_kiln", named=True)
    first = int(kiln["usual_start_local"][:2]) * 4 + int(kiln["usual_start_local"][3:]) // 15
    assert workday[0, first] > 0.8 * kiln["power_kw"] / 4


def test_a_run_that_begins_within_an_interval_is_shared_out() -> None:
    quarters = usual_kwh(LOADS, 1, BUILDINGS, local_grid(DAY, DAY + 1, 900, "UTC", None))
    hours = usual_kwh(LOADS, 1, BUILDINGS, local_grid(DAY, DAY + 1, 3600, "UTC", None))
    np.testing.assert_allclose(quarters.reshape(1, 24, 4).sum(axis=2), hours)
