"""Load profiles of the meters of large kinds: fitted every four weeks, kept for ever.

Belongs here: which profiles are missing, what they are fitted on, the step. Does not belong here: the fit
(`forecasting.profiles`).
"""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import duckdb
import polars as pl

from energy_assets.contracts import TABLES
from energy_assets.defs.issues import Issues, run_issues
from energy_assets.defs.metadata import table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.forecasting.features import FEW_METERS
from energy_assets.forecasting.linear import HOURS as HOURS_A_DAY
from energy_assets.forecasting.profiles import BLOCK_DAYS, BLOCKS, DESIGN, Demand, block_end, fit_profiles, last_block
from energy_assets.warehouse import append_new, fetch
from energy_assets.warehouse.writes import registered

TABLE = TABLES["forecasts.demand_profiles"]
KEY = dg.AssetKey([TABLE.schema, TABLE.name])
AT_ONCE = 500  # meters: what they take of memory grows with their history

PLACES = """
SELECT m.meter_id, m.timezone || ' ' || coalesce(m.country, '') || ' '
    || coalesce(string_agg(l.location_id, ' ' ORDER BY l.location_id), '') AS place
FROM raw.meters m LEFT JOIN intermediate.int_meter_locations l USING (meter_id)
WHERE m.kind = $kind GROUP BY m.meter_id, m.timezone, m.country ORDER BY place, m.meter_id
"""

# An hour counts from the first block by whose end it was known, as it was known then: what became of it later is of no
# account, so that a profile is the same whenever it is fitted.
BLOCK_OF = f"(epoch_us(%s) - 1) // ({BLOCK_DAYS} * 86400000000) + 1"
HOURS = f"""
WITH asked AS (SELECT meter_id, meter FROM asked_meters),
replaced AS (
    SELECT meter_id, interval_start_utc, min(known_from_utc) AS first_utc
    FROM intermediate.int_demand_versions JOIN asked USING (meter_id)
    WHERE known_to_utc IS NOT NULL AND demand_kwh IS NOT NULL GROUP BY ALL
), hours AS (
    SELECT asked.meter, v.local_date, v.local_hour, v.demand_kwh, v.known_from_utc, v.known_to_utc,
        {BLOCK_OF % "coalesce(r.first_utc, v.known_from_utc)"} AS block
    FROM intermediate.int_demand_versions v
    JOIN asked USING (meter_id)
    LEFT JOIN replaced r USING (meter_id, interval_start_utc)
    WHERE v.demand_kwh IS NOT NULL AND v.known_from_utc > $since AND v.known_from_utc <= $until
)
SELECT meter::USMALLINT AS meter, (local_date - DATE '1970-01-01')::INTEGER AS day, local_hour::UTINYINT AS local_hour,
    demand_kwh::FLOAT AS demand_kwh, block::SMALLINT AS block
FROM hours
WHERE block <= $newest AND known_from_utc <= make_timestamptz(block * {BLOCK_DAYS} * 86400000000)
    AND (known_to_utc IS NULL OR known_to_utc > make_timestamptz(block * {BLOCK_DAYS} * 86400000000))
"""

DESIGNS = f"""
SELECT place, local_date, local_hour, {", ".join(f"arg_max({c}, issued_at_utc) AS {c}" for c in DESIGN[2:])}
FROM features.feat_demand_day_ahead JOIN asked_meters USING (meter_id)
WHERE issued_at_utc < $until GROUP BY ALL
"""

LARGE = """
SELECT kind, min(issued_at_utc) FROM features.feat_demand_day_ahead
GROUP BY kind HAVING count(DISTINCT meter_id) > $few ORDER BY kind
"""  # calendar and weather are those of features


def build_profiles(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """`forecasts.demand_profiles`: every run makes those that are missing, most runs none."""

    @dg.multi_asset(
        name="demand_profiles",
        specs=[
            table_spec(
                TABLE,
                group="forecasts",
                kinds={"numpy", "polars"},
                owner="team:forecasting",
                deps=[
                    dg.AssetKey(["features", "feat_demand_day_ahead"]),
                    dg.AssetKey(["intermediate", "int_demand_versions"]),
                ],
            )
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def demand_profiles(
        context: dg.AssetExecutionContext, energy: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        made = make_profiles(context, energy, issues)
        with energy.warehouse.connect(read_only=True) as con:
            metadata = table_metadata(con, TABLE)
        yield dg.MaterializeResult(asset_key=KEY, metadata=metadata | {"made": made})

    return demand_profiles


def make_profiles(context: dg.AssetExecutionContext, energy: WarehouseResource, issues: Issues) -> int:
    """Makes the profiles that models may ask for that are issued or trained at the issue times; returns how many."""
    made = 0
    with energy.warehouse.connect(read_only=True) as con:
        due = missing_profiles(con, issues, energy.config.forecast.training_days)
    for kind, blocks in due.items():
        context.log.info(f"{kind}: {len(blocks)} profiles of each meter, as of {block_end(blocks[-1]):%Y-%m-%d}")
        with energy.warehouse.connect(read_only=True) as con:
            rows = pl.concat(fitted(con, kind, blocks))
        with energy.warehouse.transaction() as con:
            made += append_new(con, TABLE, rows) // HOURS_A_DAY
    return made


def missing_profiles(con: duckdb.DuckDBPyConnection, issues: Issues, training_days: int) -> dict[str, list[int]]:
    """Blocks, by kind, of which a model may ask for profiles that are not there.

    Not tried are those with less than four weeks of features, and those between others that are there: no meter had
    enough days then.
    """
    first = last_block(issues.first_time - timedelta(days=training_days))
    due = {}
    for kind, begun in con.execute(LARGE, {"few": FEW_METERS}).fetchall():
        have = con.execute(
            f"SELECT min(known_from_utc), max(known_from_utc) FROM {TABLE.qualified} "
            "WHERE meter_id IN (SELECT meter_id FROM raw.meters WHERE kind = ?)",
            [kind],
        ).fetchall()[0]
        blocks = [
            block
            for block in range(max(first, last_block(begun) + 2), last_block(issues.last_time) + 1)
            if have[0] is None or not have[0] <= block_end(block) <= have[1]
        ]
        if blocks:
            due[kind] = blocks
    return due


def fitted(con: duckdb.DuckDBPyConnection, kind: str, blocks: list[int]) -> Iterator[pl.DataFrame]:
    """Profiles of all meters of a kind as of the ends of blocks, some meters at a time."""
    meters = fetch(con, PLACES, {"kind": kind})
    for some in meters.with_row_index("meter").iter_slices(AT_ONCE):
        asked = some.with_columns(meter=pl.int_range(pl.len()))
        with registered(con, asked, "asked_meters"):
            window = {"since": block_end(blocks[0] - BLOCKS), "until": block_end(blocks[-1]), "newest": blocks[-1]}
            hours = fetch(con, HOURS, window)
            designs = fetch(con, DESIGNS, {"until": window["until"]})
        for (place,), own in asked.group_by("place", maintain_order=True):
            first = own["meter"][0]
            rows = hours.filter(pl.col("meter").is_between(first, first + own.height - 1))
            demand = Demand.of(own["meter_id"].to_list(), rows.with_columns(pl.col("meter") - first))
            yield fit_profiles(demand, designs.filter(pl.col("place") == place), blocks)
