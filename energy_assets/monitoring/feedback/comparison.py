"""Two worlds side by side, one in which people spoke and one in which nobody did: errors, alarms, hours.

Belongs here: the comparison, over frames. Does not belong here: how the worlds are made (`feedback_effect`).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from energy_assets.metrics import point_errors, quantile_errors

METRICS = ("wape", "pinball", "coverage_80")


@dataclass(frozen=True)
class Arm:
    """One of the two worlds: forecasts with their quantiles, demand as it is known at the end, alarms."""

    forecasts: pl.DataFrame
    demand: pl.DataFrame
    alarms: pl.DataFrame


def compared(without: Arm, with_: Arm, touched: pl.Series) -> pl.DataFrame:
    """Scores of both on the hours whose demand is the same in both, per kind and per meter that was spoken of."""
    same = without.demand.join(with_.demand, on=["meter_id", "interval_start_utc", "demand_kwh"]).rename(
        {"demand_kwh": "actual_kwh"}
    )
    parts = []
    for name, arm in (("without", without), ("with", with_)):
        rows = arm.forecasts.join(same, on=["meter_id", "interval_start_utc"]).rename({"demand_kwh": "predicted_kwh"})
        for scope, by, chosen in (
            ("kind", "kind", rows),
            ("meter", "meter_id", rows.filter(pl.col("meter_id").is_in(touched.implode()))),
        ):
            errors = [
                point_errors(chosen.filter((pl.col("quantile") - 0.5).abs() < 1e-9), [by]),
                quantile_errors(chosen, [by]),
            ]
            parts.append(
                pl.concat(errors)
                .filter(pl.col("metric").is_in(METRICS))
                .select(scope=pl.lit(scope), name=by, column=pl.format(f"{{}}_{name}", "metric"), value="value", n="n")
            )
    long = pl.concat(parts)
    if long.is_empty():  # nothing of the window has come true yet
        return long.select("scope", "name", hours="n")
    wide = long.pivot("column", index=["scope", "name"], values="value")
    hours = long.group_by("scope", "name").agg(hours=pl.col("n").max())
    order = [f"{metric}_{name}" for metric in METRICS for name in ("without", "with")]
    return wide.join(hours, on=["scope", "name"]).select("scope", "name", "hours", *order).sort("scope", "name")


def differing_hours(arms: dict[str, Arm]) -> pl.DataFrame:
    """Hours whose demand is another one, or is there in one world only."""
    key = ["meter_id", "interval_start_utc"]
    both = arms["without"].demand.join(arms["with"].demand, on=key, how="full", coalesce=True, suffix="_with")
    return (
        both.filter(pl.col("demand_kwh").ne_missing(pl.col("demand_kwh_with")))
        .group_by("meter_id")
        .agg(
            left_out=pl.col("demand_kwh_with").null_count(),
            brought_back=pl.col("demand_kwh").null_count(),
            corrected=pl.col("demand_kwh").is_not_null().and_(pl.col("demand_kwh_with").is_not_null()).sum(),
        )
        .sort("meter_id")
    )


def _meetings(events: pl.DataFrame, faults: pl.DataFrame) -> pl.DataFrame:
    """Pairs of an event and a fault of its meter that share some time."""
    return events.join(faults, on="meter_id", suffix="_fault").filter(
        pl.col("start_utc") < pl.col("end_utc_fault"), pl.col("end_utc") > pl.col("start_utc_fault")
    )


def faults_found(arms: dict[str, Arm], faults: pl.DataFrame) -> pl.DataFrame:
    """Faults that some alarm met, in both worlds."""
    found = {name: _meetings(arm.alarms, faults)["fault_id"].implode() for name, arm in arms.items()}
    counts = {f"found_{name}": pl.col("fault_id").is_in(found[name]).sum() for name in ("without", "with")}
    return faults.group_by("kind").agg(pl.len().alias("faults"), **counts).sort("kind")


def alarms_of(arms: dict[str, Arm], faults: pl.DataFrame) -> pl.DataFrame:
    """Events per kind of anomaly in both worlds, and those of them that are false, where the truth is known."""
    counts = []
    for name, arm in arms.items():
        events = arm.alarms.unique(["meter_id", "kind", "detector", "start_utc"])
        false = ~pl.col("anomaly_id").is_in(_meetings(events, faults)["anomaly_id"].implode())
        counts.append(events.group_by("kind").agg(pl.len().alias(name), false.sum().alias(f"false_{name}")))
    both = counts[1].join(counts[0], on="kind", how="full", coalesce=True).sort("kind")
    counted = ["without", "with"] if faults.is_empty() else ["without", "with", "false_without", "false_with"]
    return both.select("kind", *(pl.col(name).fill_null(0) for name in counted))
