"""The dbt project as two sets of assets, before and after the Python assets that stand between its models."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache, cached_property
from importlib import metadata
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, DbtProject, dbt_assets
from packaging.version import Version

from energy_assets.dbt import ensure_manifest
from energy_assets.defs.issues import run_issues
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.defs.transformation.arguments import build_arguments, dbt_environment
from energy_assets.defs.transformation.built_with import BuiltWith
from energy_assets.defs.transformation.lineage import project_version, with_columns
from energy_assets.settings import DBT_PROJECT_DIR, Settings

# A folder of the project is a schema of the warehouse and a group of the graph.
GROUP_OF_FOLDER = {"intermediate": "marts"}
OWNER_OF_GROUP = {"features": "team:forecasting", "reporting": "team:analytics"}
# Models downstream of the tables that Python makes from features: one step of their own, or Dagster makes many.
MADE_BY_PYTHON = ("forecasts", "flexibility", "monitoring")
AFTER_PYTHON = " ".join(f"source:{schema}+" for schema in MADE_BY_PYTHON)
LINEAGE_CACHE = DBT_PROJECT_DIR / "target" / "column_lineage.json"
AWAITED = {"marts", "reporting"}  # groups that somebody waits for


def dbt_project() -> DbtProject:
    """The project, with a manifest that is up to date."""
    settings = Settings()
    ensure_manifest(settings)
    return DbtProject(project_dir=DBT_PROJECT_DIR, profiles_dir=DBT_PROJECT_DIR, target_path=settings.dbt_target)


class LocalDbt(DbtCliResource):
    """dbt of this virtual environment. Its version is known; asking dbt takes 2 s of every step."""

    @cached_property
    def _cli_version(self) -> Version:
        return Version(metadata.version("dbt-core"))


class EnergyTranslator(DagsterDbtTranslator):
    """Asset keys are `[schema, table]`, groups follow the folders."""

    def __init__(self, timezone: str) -> None:
        super().__init__(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))
        self._timezone = timezone

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`[schema, table]` for models, seeds and sources alike."""
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The folder's group; staging of what Python made belongs to reporting, so that the flow has one direction."""
        folder = dbt_resource_props["fqn"][1]
        parents = dbt_resource_props.get("depends_on", {}).get("nodes", [])
        if any(parent.startswith("source.") and parent.split(".")[2] in MADE_BY_PYTHON for parent in parents):
            return "reporting"
        return str(GROUP_OF_FOLDER.get(folder, folder))

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """The team that answers for the group."""
        return [OWNER_OF_GROUP.get(str(self.get_group_name(dbt_resource_props)), "team:data-platform")]

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """dbt's spec, with a freshness policy where somebody waits for the table."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        if spec.group_name in AWAITED:
            spec = spec.replace_attributes(freshness_policy=morning_freshness(self._timezone))
        return spec


@cache  # Dagster goes through years of mornings to examine one, and hundreds of tables and tests ask for theirs
def morning_freshness(timezone: str) -> dg.FreshnessPolicy:
    """Made anew every morning: by ten, from at most a day before."""
    return dg.FreshnessPolicy.cron(deadline_cron="0 10 * * *", lower_bound_delta=timedelta(hours=24), timezone=timezone)


def build_dbt_models(timezone: str) -> list[dg.AssetsDefinition]:
    """All models of the project in two steps: staging to features, and what builds on tables that Python writes."""
    return [
        _build("dbt_models", timezone, exclude=AFTER_PYTHON),
        _build("dbt_reporting", timezone, select=AFTER_PYTHON),
    ]


def _build(name: str, timezone: str, *, select: str = "fqn:*", exclude: str = "") -> dg.AssetsDefinition:
    project = dbt_project()

    @dbt_assets(
        manifest=project.manifest_path,
        project=project,
        dagster_dbt_translator=EnergyTranslator(timezone),
        select=select,
        exclude=f"resource_type:unit_test {exclude}".strip(),
        name=name,
        pool=POOL,
        retry_policy=dg.RetryPolicy(max_retries=1, delay=5),
    )
    def models(context: dg.AssetExecutionContext, dbt: DbtCliResource, energy: WarehouseResource) -> Iterator[Any]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        settings = energy.settings
        manifest = load_manifest(project)
        described = BuiltWith.of(energy.warehouse, settings.built_with, project_version(manifest))
        os.environ.update(dbt_environment(energy.config, issues, settings.database, tested_load=described.tested_load))
        whole = len(context.selected_asset_keys) == len(models.keys)
        arguments = build_arguments(full_refresh=whole and described.changed)
        # One target for all calls, so that each takes up the last one's parse; the pool lets only one run at a time.
        invocation = dbt.cli(arguments, context=context, target_path=settings.dbt_target)
        yield from with_columns(invocation, manifest, LINEAGE_CACHE)
        if whole and name == "dbt_models":
            described.remember()

    return models


def load_manifest(project: DbtProject) -> dict[str, Any]:
    """dbt's manifest as it was parsed."""
    content: dict[str, Any] = json.loads(project.manifest_path.read_text())
    return content
