"""The published copy as an asset: one file and Parquet beside it, switched as a whole."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import dagster as dg

from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.defs.transformation.dbt_models import morning_freshness
from energy_assets.warehouse import differing_tables, first_row, publish
from energy_assets.warehouse.publishing import readable_manifest

KEY = dg.AssetKey(["serving", "energy"])


def build_serving(published: Iterable[dg.AssetKey], timezone: str) -> dg.AssetsDefinition:
    """The copy of every table in `published`."""

    @dg.asset(
        key=KEY,
        deps=sorted(published),
        group_name="serving",
        kinds={"duckdb", "parquet"},
        owners=["team:data-platform"],
        description=(
            "What BI reads: `serving/energy.duckdb` and `serving/parquet/`, replaced in one switch, with a manifest of "
            "row counts, checksums and the time up to which data is known."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                "same_as_working_file",
                asset=KEY,
                description="Every published table has the rows of the working file: counted, and read where new.",
                blocking=True,
            )
        ],
        freshness_policy=morning_freshness(timezone),
        pool=POOL,
    )
    def energy(context: dg.AssetExecutionContext, energy: WarehouseResource) -> Iterator[dg.MaterializeResult[None]]:
        settings = energy.settings
        before = readable_manifest(settings.serving)
        manifest = publish(energy.warehouse, settings.serving, now=energy.now())
        rows = {name: int(str(table["rows"])) for name, table in manifest.tables.items()}
        differs = differing_tables(settings.serving, manifest, since=before)
        with energy.warehouse.connect(read_only=True) as con:
            differs += [name for name, n in rows.items() if first_row(con, f"SELECT count(*) FROM {name}") != (n,)]
        yield dg.MaterializeResult(
            metadata={
                "dagster/uri": str(settings.serving / "energy.duckdb"),
                "publication": manifest.id,
                "new_publication": before is None or before.id != manifest.id,
                "built_from": manifest.built_from or "the working file",
                "known_until": manifest.known_until_utc or "nothing",
                "tables": len(rows),
                "rows": sum(rows.values()),
                "size_mb": round(_size(settings.serving) / 1e6, 1),
                "manifest": dg.MetadataValue.json({"tables": rows}),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name="same_as_working_file", passed=not differs, metadata={"tables_that_differ": str(differs)}
                )
            ],
        )

    return energy


def _size(serving: Path) -> int:
    return sum(p.stat().st_size for p in serving.resolve().rglob("*") if p.is_file())
