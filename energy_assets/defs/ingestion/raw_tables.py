"""The raw tables as one step: every source that has something new, one transaction per file."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import duckdb
import polars as pl

from energy_assets import plots
from energy_assets.contracts import TABLES, Table
from energy_assets.defs.issues import RANGE_START, run_issues
from energy_assets.defs.metadata import cell, plot, table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.feedback import author_key
from energy_assets.sources.public_holidays import public_holidays
from energy_assets.warehouse import LoadReport, fetch, first_row, load_sources, replace_by_key
from energy_assets.warehouse.feedback import apply_feedback
from energy_assets.warehouse.feedback_files import load_feedback_files

RAW = [t for t in TABLES.values() if t.schema == "raw"]
# Tables that other processes append to; loading only sees to it that they exist.
WITHOUT_LINEAGE_FROM_WRITERS = {
    "raw.feedback": "People's statements; written by the command line and files in landing/.",
    "raw.demand_exclusions": "Appended to by detectors and people, applied at the next run: an edge would be a cycle.",
}

# In UTC and by arithmetic; no more than what is drawn, so that a day costs the same after years.
NEWEST_DAYS = """
SELECT DATE '1970-01-01' + (epoch_us(interval_start_utc) // 86400000000)::INTEGER AS day, count(*) AS rows
FROM raw.meter_readings
WHERE interval_start_utc > (SELECT max(interval_start_utc) - INTERVAL 90 DAY FROM raw.meter_readings)
GROUP BY 1 ORDER BY 1
"""


def build_raw_tables(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """One multi-asset over all raw tables. Files load whole; the simulator up to the run's issue time."""

    @dg.multi_asset(
        name="raw_tables",
        specs=[
            table_spec(
                table,
                group="raw",
                kinds={"polars"},
                tags={"written_by": "others" if table.qualified in WITHOUT_LINEAGE_FROM_WRITERS else "loading"},
            )
            for table in RAW
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "contract_holds",
                asset=[table.schema, table.name],
                description="Columns and types are those of the contract, and no key of the newest load is doubled.",
                blocking=True,
            )
            for table in RAW
        ]
        + [
            dg.AssetCheckSpec(
                "files_readable", asset=["raw", "load_ledger"], description="Every file of sources.yaml could be read."
            ),
            dg.AssetCheckSpec(
                "few_rejected",
                asset=["raw", "rejected_rows"],
                description="At most 1 % of the rows of this run's files were rejected.",
            ),
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
        retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.FULL),
    )
    def raw_tables(
        context: dg.AssetExecutionContext, energy: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        now = energy.now()
        issues = run_issues(context, energy.config, energy.warehouse, now)
        known_until = min(issues.last_time, now)
        report = load_sources(
            energy.warehouse,
            energy.config,
            energy.settings.folder,
            received_at=now,
            known_until=known_until,
            progress=context.log.info,
        )
        report.files += load_feedback_files(
            energy.warehouse,
            energy.settings.folder,
            timezone=energy.config.market.timezone,
            key=lambda: author_key(energy.settings),
            received_at=now,
        ).files
        with energy.warehouse.transaction() as con:
            _refresh_holidays(con, energy, now.year)
            decided = apply_feedback(con, now)
        if decided:
            context.log.info(f"feedback: {decided:,} decisions on readings follow from it")
        with energy.warehouse.connect(read_only=True) as con:
            for table in RAW:
                yield dg.MaterializeResult(
                    asset_key=[table.schema, table.name],
                    metadata=table_metadata(con, table) | _extra(con, table, report, RANGE_START in context.run.tags),
                )
            for table in RAW:
                yield _contract_holds(con, table)
        yield from _load_checks(report)

    return raw_tables


def _refresh_holidays(con: duckdb.DuckDBPyConnection, energy: WarehouseResource, this_year: int) -> None:
    countries = {
        r[0] for r in con.execute("SELECT DISTINCT country FROM raw.meters WHERE country IS NOT NULL").fetchall()
    }
    first = first_row(con, "SELECT year(min(interval_start_utc)) FROM raw.meter_readings")
    start = first[0] if first and first[0] else this_year
    market = {energy.config.market.country} if energy.config.market.country else set()
    replace_by_key(con, TABLES["raw.holidays"], public_holidays(countries | market, range(start - 1, this_year + 2)))


def _extra(con: duckdb.DuckDBPyConnection, table: Table, report: LoadReport, ranged: bool) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if table.name in ("load_ledger", "rejected_rows"):
        files = report.frame()
        extra["files"] = dg.MetadataValue.md(_markdown(files.head(50)))
        extra["rejected_in_this_run"] = int(files["rejected"].sum())
    if table.name == "rejected_rows":
        reasons = fetch(
            con,
            "SELECT source, reason, count(*) AS rows, min(message) AS example FROM raw.rejected_rows "
            "GROUP BY ALL ORDER BY ALL",
        )
        extra["reasons"] = dg.MetadataValue.md(_markdown(reasons.head(50)))
    if table.name == "meter_readings":
        days = fetch(con, NEWEST_DAYS)
        if days.height:
            extra["plot"] = plot(plots.row_counts_by_day(days, "Rows per day, newest three months"))
    return extra


def _contract_holds(con: duckdb.DuckDBPyConnection, table: Table) -> dg.AssetCheckResult:
    found = {r[0]: r[1] for r in con.execute(f"DESCRIBE {table.qualified}").fetchall()}
    wanted = {c.name: c.type.replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE") for c in table.columns}
    newest = "WHERE load_id = (SELECT max(load_id) FROM raw.load_ledger)" if "load_id" in table.by_name else ""
    keys = ", ".join(f'"{c}"' for c in table.key)
    doubled = 0
    if keys:
        row = first_row(
            con, f"SELECT count(*) FROM (SELECT 1 FROM {table.qualified} {newest} GROUP BY {keys} HAVING count(*) > 1)"
        )
        doubled = row[0] if row else 0
    return dg.AssetCheckResult(
        asset_key=[table.schema, table.name],
        check_name="contract_holds",
        passed=found == wanted and doubled == 0,
        metadata={
            "columns_that_differ": str({k: (wanted.get(k), found.get(k)) for k in wanted.keys() | found.keys()
                                        if wanted.get(k) != found.get(k)}),
            "doubled_keys": doubled,
        },
    )  # fmt: skip


def _load_checks(report: LoadReport) -> Iterator[dg.AssetCheckResult]:
    files = report.frame()
    failed = files.filter(pl.col("outcome") == "failed")
    yield dg.AssetCheckResult(
        asset_key=["raw", "load_ledger"],
        check_name="files_readable",
        passed=failed.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"failed": dg.MetadataValue.md(_markdown(failed)), "next": "see raw.rejected_rows for the reason"},
    )
    rows, rejected = int(files["rows"].sum()), int(files["rejected"].sum())
    yield dg.AssetCheckResult(
        asset_key=["raw", "rejected_rows"],
        check_name="few_rejected",
        passed=rejected <= 0.01 * max(rows, 1),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rows": rows, "rejected": rejected},
    )


def _markdown(frame: pl.DataFrame) -> str:
    if frame.is_empty():
        return "none"
    head = "| " + " | ".join(frame.columns) + " |\n|" + "---|" * frame.width + "\n"
    return head + "\n".join("| " + " | ".join(cell(v) for v in row) + " |" for row in frame.rows())
