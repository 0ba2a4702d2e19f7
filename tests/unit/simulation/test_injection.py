"""Injected faults are where the truth says, are what it says, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from energy_assets.simulation.injection import KINDS, Injected, inject

SINCE, UNTIL = datetime(2025, 9, 20, tzinfo=UTC), datetime(2025, 11, 22, tzinfo=UTC)
START = SINCE - timedelta(days=30)
UTC_TIME = pl.Datetime("us", "UTC")
IDS = [f"m{i}" for i in range(40)]
METERS = pl.DataFrame({"meter_id": IDS, "timezone": ["Europe/Paris", "UTC"] * 20})


def readings() -> pl.DataFrame:
    """Half-hourly readings of forty meters."""
    n = int((UNTIL - START) / timedelta(minutes=30))
    start = pl.DataFrame({"interval_start_utc": pl.Series([START + timedelta(minutes=30) * i for i in range(n)])})
    values = np.random.default_rng(3).gamma(4, 0.25, n * len(IDS))
    return (
        pl.DataFrame({"meter_id": IDS})
        .join(start, how="cross")
        .with_columns(
            pl.col("interval_start_utc").cast(UTC_TIME),
            energy_kwh=pl.Series(values).round(6),
            quality=pl.lit("measured"),
        )
        .with_columns(interval_end_utc=pl.col("interval_start_utc") + timedelta(minutes=30))
        .with_columns(known_at_utc=pl.col("interval_end_utc") + timedelta(minutes=15))
    )


READINGS = readings()
KEY = ["meter_id", "interval_start_utc"]


@pytest.fixture(scope="module")
def injected() -> Injected:
    return inject(READINGS, METERS, seed=5, since=SINCE, until=UNTIL)


def during(one: Injected, kind: str) -> pl.DataFrame:
    """Readings of the faults of a kind, before (`energy_kwh`) and after (`now_kwh`)."""
    truth = one.truth.filter(pl.col("kind") == kind)
    now = one.readings.unique(KEY, keep="first", maintain_order=True).select(*KEY, now_kwh="energy_kwh")
    return (
        READINGS.join(now, on=KEY, how="left")
        .join(truth.select("meter_id", "start_utc", "end_utc", "magnitude"), on="meter_id")
        .filter(pl.col("interval_start_utc") >= pl.col("start_utc"), pl.col("interval_start_utc") < pl.col("end_utc"))
        .sort(KEY)
    )


def test_every_kind_happens_and_none_twice_in_a_slot(injected: Injected) -> None:
    assert set(injected.truth["kind"]) == set(KINDS)
    assert injected.truth["start_utc"].min() >= SINCE
    assert injected.truth["end_utc"].max() <= UNTIL
    ordered = injected.truth.sort("meter_id", "start_utc")
    apart = ordered.filter((pl.col("start_utc") < pl.col("end_utc").shift(1)).over("meter_id"))
    assert apart.is_empty()


def test_what_is_outside_the_faults_stays(injected: Injected) -> None:
    inside = pl.concat([during(injected, kind).select(KEY) for kind in KINDS])
    outside = READINGS.join(inside, on=KEY, how="anti").sort(KEY)
    kept = injected.readings.join(inside, on=KEY, how="anti").sort(KEY)
    assert kept.equals(outside.select(kept.columns))


def test_each_fault_is_what_it_is_called(injected: Injected) -> None:
    def now(kind: str) -> pl.Series:
        return during(injected, kind)["now_kwh"]

    def ratio(kind: str) -> pl.Series:
        rows = during(injected, kind)
        return rows["now_kwh"] / rows["energy_kwh"]

    assert now("missing").is_null().all()
    assert (now("negative") < 0).all()
    assert (now("zero_run") == 0).all()
    flat = during(injected, "flatline").group_by("meter_id", "start_utc").agg(pl.col("now_kwh").n_unique())
    assert (flat["now_kwh"] == 1).all()
    assert (ratio("spike") >= 5).all()
    assert (ratio("dip") <= 0.16).all()
    assert ratio("unit_scale").is_between(0.0009, 1001).all()
    assert (now("meter_reset") < -500).all()
    assert (now("rollover") < -500).all()
    assert now("sentinel").is_in([9999.0, 99999.0, 65535.0, -9999.0, -1.0]).all()
    night = during(injected, "night_baseload").filter(pl.col("now_kwh") != pl.col("energy_kwh"))
    local = pl.col("interval_start_utc").dt.convert_time_zone("Europe/Paris").dt.hour()
    there = night.join(METERS.filter(pl.col("timezone") == "Europe/Paris"), on="meter_id").select(local).to_series()
    assert there.is_in(range(5)).all()


def test_doubled_readings_come_as_versions_or_as_rejected_rows(injected: Injected) -> None:
    faulty = during(injected, "duplicate").height
    versions = injected.readings.height - injected.readings.unique(KEY).height
    aside = injected.rejected.filter(pl.col("reason") == "duplicate_identical").height
    assert versions + aside == faulty
    assert min(versions, aside) > 0


def test_folds_are_where_the_clock_changes(injected: Injected) -> None:
    folds = injected.truth.filter(pl.col("kind") == "dst_fold")
    assert set(folds.join(METERS, on="meter_id")["timezone"]) == {"Europe/Paris"}
    autumn = datetime(2025, 10, 26, 1, tzinfo=UTC)
    assert folds.select(((pl.col("start_utc") - autumn).dt.total_hours().abs() <= 1).all()).item()


def test_a_row_fills_the_hour_that_spring_skips() -> None:
    spring = READINGS.with_columns(pl.col(c) - timedelta(days=210) for c in ("interval_start_utc", "interval_end_utc"))
    one = inject(
        spring,
        METERS,
        seed=5,
        since=SINCE - timedelta(days=210),
        until=UNTIL - timedelta(days=210),
        kinds=("dst_fold",),
    )
    filled = one.rejected.filter(pl.col("reason") == "nonexistent_local_time")
    assert filled.height > 0
    assert filled["interval_start_utc"].unique().to_list() == [datetime(2025, 3, 30, 1, tzinfo=UTC)]
    assert one.readings.height == spring.height


def test_the_same_seed_the_same_faults(injected: Injected) -> None:
    again = inject(READINGS.sample(fraction=1.0, shuffle=True, seed=1), METERS, seed=5, since=SINCE, until=UNTIL)
    assert again.readings.equals(injected.readings)
    assert again.truth.equals(injected.truth)
    other = inject(READINGS, METERS, seed=6, since=SINCE, until=UNTIL)
    assert not other.truth.equals(injected.truth)


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(ValueError, match="no fault is called spikes; there are missing"):
        inject(READINGS, METERS, seed=1, since=SINCE, until=UNTIL, kinds=("spikes",))
    with pytest.raises(ValueError, match="no slot of 100 days fits"):
        inject(READINGS, METERS, seed=1, since=SINCE, until=UNTIL, slot_days=100)
