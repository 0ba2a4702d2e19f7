"""What the UI says of the models: checks and the sentences behind them.

Belongs here: from decisions, bands and artefacts to check results. Does not belong here: making any of them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from energy_assets.defs.forecasting.registry import DECISIONS, VERSIONS

VERSIONS_KEY = dg.AssetKey([VERSIONS.schema, VERSIONS.name])
DECISIONS_KEY = dg.AssetKey([DECISIONS.schema, DECISIONS.name])
ARTEFACTS = dg.AssetKey(["models", "artefacts"])
WORST = 5


def specs() -> list[dg.AssetCheckSpec]:
    """The checks of the step that makes models."""
    return [
        dg.AssetCheckSpec(
            "artefacts_match",
            asset=ARTEFACTS,
            description="Every champion's artefact is there and has the checksum in forecasts.model_versions.",
            blocking=True,
        ),
        dg.AssetCheckSpec(
            "recent_error_within_band",
            asset=VERSIONS_KEY,
            description="Over the last fortnight demand left the champions' bands, as calibrated in training, no more "
            "often than chance explains.",
        ),
        dg.AssetCheckSpec(
            "gate_decision",
            asset=DECISIONS_KEY,
            description="No champion had to make way for its predecessor or the naive forecast, and no challenger was "
            "worse than what it challenged.",
        ),
    ]


def artefacts_match(champions: pl.DataFrame, folder: Path) -> dg.AssetCheckResult:
    """Champions (artefact, sha256) against their files below the folder."""
    wrong = [
        artefact
        for artefact, sha256 in champions.select("artefact", "sha256").iter_rows()
        if not (folder / artefact).exists() or hashlib.sha256((folder / artefact).read_bytes()).hexdigest() != sha256
    ]
    return dg.AssetCheckResult(
        check_name="artefacts_match",
        asset_key=ARTEFACTS,
        passed=not wrong,
        metadata={"missing_or_changed": str(wrong), "next": "run with --retrain to make them anew"},
    )


def gate_decision(decided: pl.DataFrame) -> dg.AssetCheckResult:
    """Rows of `registry.decisions_between`: one at least per model, with null columns where nothing was decided."""
    worrying = []
    lines = []
    for row in decided.iter_rows(named=True):  # a few: one or two per kind of meter
        decision, reason = row["decision"] or "as it was", row["reason"] or "nothing to decide"
        lines.append(f"| {row['model_name']} | {decision} | {reason} |")
        refused_as_worse = decision == "kept" and json.loads(row["figures"]).get("worse", False)
        if decision in ("demoted", "withheld") or refused_as_worse:
            worrying.append(f"{row['model_name']}: {decision}, {reason}")
        elif row["withheld"]:
            worrying.append(f"{row['model_name']}: the naive forecast still speaks for it")
    table = "\n".join(["| model | decision | reason |", "|---|---|---|", *lines])
    return dg.AssetCheckResult(
        check_name="gate_decision",
        asset_key=DECISIONS_KEY,
        passed=not worrying,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"worrying": "; ".join(dict.fromkeys(worrying)) or "none", "decisions": dg.MetadataValue.md(table)},
    )


def recent_error_within_band(bands: pl.DataFrame) -> dg.AssetCheckResult:
    """Rows of `Watch.bands`: a kind fails over all its meters; the meters that are furthest out are named."""
    outside = bands.filter(pl.col("meter_id") == "all", ~pl.col("within")) if bands.height else bands
    table = [
        "| kind | model | days | WAPE (in training) | outside 80 % (allowed) | outside 90 % (allowed) |",
        "|---|---|---|---|---|---|",
    ]
    metadata: dict[str, Any] = {"outside": ", ".join(outside["kind"]) if outside.height else "none"}
    for row in bands.filter(pl.col("meter_id") == "all").iter_rows(named=True) if bands.height else ():
        shares = " | ".join(f"{row[f'outside_{b}']:.0%} ({row[f'allowed_{b}']:.0%})" for b in (80, 90))
        wape = f"{_share(row['wape'])} ({_share(row['held_out_wape'])})"
        table.append(f"| {row['kind']} | {row['model_version']} | {row['days']} | {wape} | {shares} |")
    if outside.height:
        worst = bands.filter(pl.col("meter_id") != "all", ~pl.col("within")).sort("outside_80", descending=True)
        metadata["worst_meters"] = ", ".join(worst["meter_id"].head(WORST)) or "none alone"
        metadata["next"] = "run with --retrain: a challenger learns what has changed, and the gate judges it"
    return dg.AssetCheckResult(
        check_name="recent_error_within_band",
        asset_key=VERSIONS_KEY,
        passed=outside.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata | {"last_fortnight": dg.MetadataValue.md("\n".join(table))},
    )


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2%}"
