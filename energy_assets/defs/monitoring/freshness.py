"""How old the newest event is, whatever was materialized when: a backfill of an old day makes no table fresh."""

import dagster as dg

from energy_assets.defs.issues import run_issues
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.warehouse import first_row

STALE_HOURS = 26


def build_freshness_checks() -> list[dg.AssetChecksDefinition]:
    """Checks on event time for readings and weather, per meter and place against the issue time."""

    @dg.asset_check(
        asset=["marts", "fct_demand_hourly"],
        name="readings_are_recent",
        description=f"Every meter's newest reading is at most {STALE_HOURS} h before the issue time; else a fallback.",
        pool=POOL,
    )
    def readings_are_recent(context: dg.AssetCheckExecutionContext, energy: WarehouseResource) -> dg.AssetCheckResult:
        at = run_issues(context, energy.config, energy.warehouse, energy.now()).last_time
        with energy.warehouse.connect(read_only=True) as con:
            stale = con.execute(
                """SELECT meter_id, strftime(max(interval_end_utc), '%Y-%m-%d %H:%M')
                FROM marts.fct_demand_hourly WHERE NOT is_gap AND interval_end_utc <= $at
                GROUP BY meter_id HAVING max(interval_end_utc) < $at::TIMESTAMPTZ - to_hours($hours) ORDER BY 1""",
                {"at": at, "hours": STALE_HOURS},
            ).fetchall()
        return dg.AssetCheckResult(
            passed=not stale,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"stale_meters": len(stale), "newest": dg.MetadataValue.json(dict(stale[:200]))},
        )

    @dg.asset_check(
        asset=["marts", "fct_weather_hourly"],
        name="weather_covers_tomorrow",
        description="Weather known at issue time reaches to the end of the day after it.",
        pool=POOL,
    )
    def weather_covers_tomorrow(
        context: dg.AssetCheckExecutionContext, energy: WarehouseResource
    ) -> dg.AssetCheckResult:
        at = run_issues(context, energy.config, energy.warehouse, energy.now()).last_time
        with energy.warehouse.connect(read_only=True) as con:
            row = first_row(
                con,
                "SELECT strftime(max(valid_at_utc), '%Y-%m-%d %H:%M'), "
                "max(valid_at_utc) >= $at::TIMESTAMPTZ + INTERVAL 37 HOUR FROM raw.weather WHERE known_at_utc <= $at",
                {"at": at},
            )
        newest, covers = row if row else (None, False)
        return dg.AssetCheckResult(
            passed=bool(covers),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"weather_until": newest or "none loaded"},
        )

    return [readings_are_recent, weather_covers_tomorrow]
