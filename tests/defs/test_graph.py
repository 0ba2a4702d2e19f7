"""The graph: what stands in it, and that it hangs together."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import dagster as dg
import pytest

from energy_assets.contracts import TABLES
from tests.defs import snapshot
from tests.warehouses import Folder

GROUPS = {"raw", "staging", "marts", "features", "forecasts", "flexibility", "monitoring", "reporting", "serving"}
# Assets from which nobody reads on the way to the published copy, and why.
ENDS = {
    "serving/energy": "the published copy itself",
    "reports/drift": "an HTML report for people; its figures are monitoring/drift_scores",
    "reports/backtest": "an HTML report for people; its figures are monitoring/backtest_scores",
    "raw/simulated_faults": "the ground truth of the simulator: known to tests, never to a detector",
}
UNCHECKED = {"marts/time_spine_daily": "the days of the semantic layer: a calendar made of one range"}


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> dict[str, Any]:
    """The graph as the snapshot shows it."""
    return snapshot.graph(definitions)


@pytest.fixture(scope="module")
def assets(graph: dict[str, Any]) -> dict[str, Any]:
    """Assets by key."""
    return dict(graph["assets"])


def reachable(starts: set[str], edges: dict[str, set[str]]) -> set[str]:
    """Everything on a way along the edges from `starts`."""
    seen, ahead = set(starts), list(starts)
    while ahead:
        for key in edges[ahead.pop()] - seen:
            seen.add(key)
            ahead.append(key)
    return seen


def test_the_graph_is_the_reviewed_one(graph: dict[str, Any]) -> None:
    reviewed = json.loads(snapshot.FILE.read_text())
    assert graph == reviewed, "a wanted change? `python -m tests.defs.snapshot`, and look at the diff"


def test_definitions_are_valid_as_a_whole(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_every_asset_lies_between_raw_and_serving(assets: dict[str, Any]) -> None:
    down, up = defaultdict(set), defaultdict(set)
    for key, asset in assets.items():
        for dep in asset["deps"]:
            assert dep in assets, f"{key} depends on {dep}, which nobody makes"
            down[dep].add(key)
            up[key].add(dep)
    raw = {key for key, asset in assets.items() if asset["group"] == "raw"}
    loose = set(assets) - reachable({"serving/energy"}, up)
    assert loose == set(ENDS) - {"serving/energy"}
    assert set(assets) - reachable(raw, down) == set()
    assert {key for key in assets if not down[key]} == set(ENDS)


def test_every_asset_says_whose_and_what_it_is(definitions: dg.Definitions) -> None:
    for definition in definitions.assets or []:
        assert isinstance(definition, dg.AssetsDefinition)
        for spec in definition.specs:
            assert spec.group_name in GROUPS, spec.key
            assert spec.owners, spec.key
            assert spec.kinds, spec.key
            assert len(spec.description or "") > 15, spec.key


def test_all_groups_are_there_in_the_flows_terms(assets: dict[str, Any]) -> None:
    assert {asset["group"] for asset in assets.values()} == GROUPS


def test_every_table_of_the_contracts_and_every_model_is_an_asset(
    assets: dict[str, Any], definitions_folder: Folder
) -> None:
    manifest = json.loads((definitions_folder.path / ".dbt" / "manifest.json").read_text())
    models = {f"{n['schema']}/{n['name']}" for n in manifest["nodes"].values() if n["resource_type"] == "model"}
    tables = {name.replace(".", "/") for name in TABLES}
    # demand_scenarios and the like are contracted before anything writes them
    assert models <= assets.keys()
    assert {name for name in tables if name.startswith("raw/")} <= assets.keys()
    others = {"serving/energy", "models/artefacts", "reports/drift", "reports/backtest"}
    assert assets.keys() <= models | tables | others


def test_whatever_opens_the_working_file_takes_its_turn(definitions: dg.Definitions) -> None:
    for definition in [*(definitions.assets or []), *(definitions.asset_checks or [])]:
        assert isinstance(definition, dg.AssetsDefinition)
        assert definition.op.pool == "warehouse", definition.op.name


def test_partitioned_assets_share_one_definition_and_backfill_in_one_run(definitions: dg.Definitions) -> None:
    partitions, policies = set(), set()
    for definition in definitions.assets or []:
        assert isinstance(definition, dg.AssetsDefinition)
        for spec in definition.specs:
            if spec.partitions_def is not None:
                partitions.add(repr(spec.partitions_def))
                policies.add(definition.backfill_policy)
    assert len(partitions) == 1
    assert policies == {dg.BackfillPolicy.single_run()}


def test_what_somebody_waits_for_has_a_freshness_policy(assets: dict[str, Any]) -> None:
    awaited = {key for key, asset in assets.items() if asset["freshness"]}
    assert {"serving/energy", "forecasts/demand_forecasts", "flexibility/demand_peaks"} <= awaited
    assert {key for key, asset in assets.items() if asset["group"] in ("marts", "reporting")} <= awaited


def test_wrong_data_is_stopped_and_doubtful_data_is_flagged(assets: dict[str, Any]) -> None:
    checks = {f"{key}:{name}": kind for key, asset in assets.items() for name, kind in asset["checks"].items()}
    assert checks["raw/meter_readings:contract_holds"] == "blocking"
    assert checks["forecasts/demand_forecasts:quantiles_do_not_cross"] == "blocking"
    assert checks["serving/energy:same_as_working_file"] == "blocking"
    assert checks["forecasts/demand_forecasts:few_fallbacks"] == "warning"
    assert checks["marts/fct_demand_hourly:readings_are_recent"] == "warning"
    read_by_people = [k for k in assets if k.startswith(("marts/", "features/", "reporting/"))]
    assert [k for k in read_by_people if not assets[k]["checks"]] == list(UNCHECKED)
