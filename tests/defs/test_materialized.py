"""What the UI shows of every asset after a run: rows, columns, lineage, plots, checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from tests.conftest import Built
from tests.warehouses import ISSUE_DATE

ASKED = {dg.AssetKey(["reports", "backtest"])}  # made when somebody asks, not by a daily run


@pytest.fixture(scope="module")
def instance(built: Built) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage of the built warehouse."""
    with built.folder.environment(), dg.DagsterInstance.get() as opened:
        yield opened


@pytest.fixture(scope="module")
def metadata(instance: dg.DagsterInstance, definitions: dg.Definitions) -> dict[str, dict[str, Any]]:
    """Metadata of each asset's newest materialization."""
    found = {}
    for definition in definitions.assets or []:
        assert isinstance(definition, dg.AssetsDefinition)
        for key in definition.keys - ASKED:
            event = instance.get_latest_materialization_event(key)
            assert event is not None, f"{key} was not materialized"
            assert event.asset_materialization is not None
            found[key.to_user_string()] = dict(event.asset_materialization.metadata)
    return found


def rows(metadata: dict[str, dict[str, Any]], key: str) -> object:
    """The row count that an asset shows."""
    return metadata[key]["dagster/row_count"].value


def test_every_table_shows_its_rows(metadata: dict[str, dict[str, Any]], built: Built) -> None:
    files = {"serving/energy", "models/artefacts", "reports/drift"}
    without = {key for key, said in metadata.items() if "dagster/row_count" not in said}
    views = built.folder.rows(
        "SELECT table_schema || '/' || table_name FROM information_schema.tables WHERE table_type = 'VIEW'"
    )
    assert without == files | {view for (view,) in views}  # Dagster counts no view: its query may be costly
    for key in ("raw/meter_readings", "forecasts/demand_forecasts", "marts/fct_demand_hourly"):
        [(count,)] = built.folder.rows(f"SELECT count(*) FROM {key.replace('/', '.')}")
        assert rows(metadata, key) == count


def test_every_table_shows_its_columns(metadata: dict[str, dict[str, Any]], definitions: dg.Definitions) -> None:
    for definition in definitions.assets or []:
        assert isinstance(definition, dg.AssetsDefinition)
        for spec in definition.specs:
            if spec.key in ASKED:
                continue
            key = spec.key.to_user_string()
            if "dagster/row_count" in metadata[key]:
                schema = metadata[key].get("dagster/column_schema") or spec.metadata.get("dagster/column_schema")
                assert schema is not None, key
                columns = getattr(schema, "schema", schema).columns
                assert len(columns) > 0, key


@pytest.mark.parametrize(
    ("key", "column", "comes_from"),
    [
        ("marts/fct_demand_hourly", "demand_kwh", "intermediate/int_demand_replayed"),
        ("marts/fct_demand_daily", "demand_kwh", "marts/fct_demand_hourly"),
        ("features/feat_demand_day_ahead", "demand_lag_7d_kwh", "intermediate/int_demand_versions"),
    ],
)
def test_columns_of_models_show_where_they_come_from(
    metadata: dict[str, dict[str, Any]], key: str, column: str, comes_from: str
) -> None:
    lineage = metadata[key]["dagster/column_lineage"].value.deps_by_column
    assert comes_from in {dep.asset_key.to_user_string() for dep in lineage[column]}


def test_raw_tables_and_forecasts_show_plots(metadata: dict[str, dict[str, Any]]) -> None:
    plots = {
        key: [name for name, said in of.items() if "data:image/png;base64," in str(said.value)]
        for key, of in metadata.items()
    }
    assert plots["raw/meter_readings"] == ["plot"]
    assert {"plot_household", "plot_zone"} <= set(plots["forecasts/demand_forecasts"])
    assert any(name.startswith("importance_") for name in plots["forecasts/model_versions"])


def test_time_ranges_and_rejected_rows_are_shown(metadata: dict[str, dict[str, Any]]) -> None:
    assert metadata["raw/meter_readings"]["time_last"].value > metadata["raw/meter_readings"]["time_first"].value
    assert metadata["raw/rejected_rows"]["rejected_in_this_run"].value == 0
    assert metadata["serving/energy"]["new_publication"].value is True


def test_partitioned_assets_are_materialized_for_the_issue_date(instance: dg.DagsterInstance) -> None:
    for key in (["raw", "meter_readings"], ["forecasts", "demand_forecasts"], ["monitoring", "drift_scores"]):
        assert instance.get_materialized_partitions(dg.AssetKey(key)) == {ISSUE_DATE.isoformat()}


def test_every_check_was_evaluated_and_the_blocking_ones_passed(
    instance: dg.DagsterInstance, definitions: dg.Definitions
) -> None:
    specs = {
        (check.asset_key, check.name): check.blocking
        for definition in [*(definitions.assets or []), *(definitions.asset_checks or [])]
        for check in definition.check_specs  # type: ignore[union-attr]
    }
    keys = [dg.AssetCheckKey(asset_key, name) for asset_key, name in specs]
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    evaluated = {(key.asset_key, key.name): record.status.value == "SUCCEEDED" for key, record in latest.items()}
    assert {f"{k.to_user_string()}:{n}" for k, n in specs.keys() - evaluated.keys()} == set()
    assert [key for key, blocking in specs.items() if blocking and not evaluated[key]] == []
