"""What flagged peaks turned out to be, as readings come in."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import dagster as dg
import duckdb

from energy_assets import flexibility
from energy_assets.contracts import TABLES
from energy_assets.defs.flexibility.frames import actual_power
from energy_assets.defs.flexibility.peaks import KEYS
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.warehouse import append_new, fetch

OUTCOMES, SCORES = TABLES["flexibility.peak_outcomes"], TABLES["flexibility.peak_scores"]
BACK_DAYS = 14  # late readings and corrections mend the outcomes of so many issue days
SHOWN = """
SELECT threshold_basis, count(*) FILTER (outcome = 'hit'), count(*) FILTER (outcome = 'false_alarm'),
    count(*) FILTER (outcome = 'miss'), count(*) FILTER (outcome = 'correct_rejection')
FROM flexibility.peak_outcomes WHERE issued_at_utc BETWEEN $since AND $at GROUP BY 1 ORDER BY 1
"""


def build_outcomes(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """`flexibility.peak_outcomes` and `.peak_scores`: at an issue day, those of the two weeks before it, again."""
    deps = [
        *(KEYS[name] for name in ("demand_peaks", "peak_probabilities")),
        dg.AssetKey(["intermediate", "int_demand_versions"]),
        dg.AssetKey(["raw", "meter_readings"]),
        dg.AssetKey(["raw", "meters"]),
        dg.AssetKey(["raw", "tariffs"]),
    ]

    @dg.multi_asset(
        name="peak_outcomes",
        specs=[
            table_spec(table, group="flexibility", kinds={"polars"}, owner="team:flexibility", deps=deps)
            for table in (OUTCOMES, SCORES)
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def peak_outcomes(
        context: dg.AssetExecutionContext, energy: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        at, since = issues.last_time, issues.first_time - timedelta(days=BACK_DAYS)
        window = {"since": since, "at": at}
        with energy.warehouse.connect(read_only=True) as con:
            windows, hours = (
                fetch(con, f"SELECT * FROM flexibility.{name} WHERE issued_at_utc BETWEEN $since AND $at", window)
                for name in ("demand_peaks", "peak_probabilities")
            )
            power = actual_power(con, since=since, as_of=at)
        made = {
            OUTCOMES: flexibility.peak_outcomes(windows, hours, power),
            SCORES: flexibility.peak_scores(hours, power),
        }
        with energy.warehouse.transaction() as con:
            for table, rows in made.items():
                # A correction may take an event away, so what is no longer so goes.
                con.execute(f"DELETE FROM {table.qualified} WHERE issued_at_utc BETWEEN $since AND $at", window)
                append_new(con, table, rows)
        with energy.warehouse.connect(read_only=True) as con:
            for table, rows in made.items():
                shown = {"outcomes": _outcomes(con, window)} if table is OUTCOMES else {}
                yield dg.MaterializeResult(
                    asset_key=[table.schema, table.name],
                    metadata=table_metadata(con, table) | {"rows_of_window": rows.height} | shown,
                )

    return peak_outcomes


def _outcomes(con: duckdb.DuckDBPyConnection, window: dict[str, datetime]) -> dg.MarkdownMetadataValue:
    rows = con.execute(SHOWN, window).fetchall()
    lines = "\n".join(f"| {' | '.join(str(value) for value in row)} |" for row in rows)
    return dg.MetadataValue.md(
        f"| basis | hits | false alarms | misses | rightly silent |\n|---|---|---|---|---|\n{lines}"
    )
