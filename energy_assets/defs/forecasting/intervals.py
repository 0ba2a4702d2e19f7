"""Forecasts at the meters' own interval, for sources that ask for them."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import dagster as dg
import duckdb
import polars as pl

from energy_assets import forecasting, plots
from energy_assets.config import WarehouseConfig
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.forecasts import KEY as HOURLY
from energy_assets.defs.forecasting.models import FEATURES, LABELS
from energy_assets.defs.frames import interval_versions, issue_forecasts, issue_times
from energy_assets.defs.issues import run_issues
from energy_assets.defs.metadata import plot, table_metadata, table_spec
from energy_assets.defs.resources import POOL, WarehouseResource
from energy_assets.forecasting.backtest import KEYS
from energy_assets.forecasting.intervals import BAND_DAYS, REACH
from energy_assets.warehouse import append_revisions, fetch

TABLE = TABLES["forecasts.interval_forecasts"]
KEY = dg.AssetKey([TABLE.schema, TABLE.name])
OF_THE_HOUR = ("model_version", "data_cutoff_utc", "quality", "quality_reason")
ROUNDING = 1e-6  # of an hour's median


def build_interval_forecasts(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """`forecasts.interval_forecasts`, partitioned by issue day."""

    @dg.multi_asset(
        name="interval_forecasts",
        specs=[
            table_spec(
                TABLE,
                group="forecasts",
                kinds={"polars"},
                owner="team:forecasting",
                deps=[HOURLY, FEATURES, LABELS, dg.AssetKey(["raw", "meter_readings"])],
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "quantiles_do_not_cross",
                asset=KEY,
                blocking=True,
                description="A higher quantile is never a lower demand.",
            ),
            dg.AssetCheckSpec(
                "parts_sum_up_to_hours",
                asset=KEY,
                blocking=True,
                description="The medians of an hour's parts sum up to that of the hour's forecast that stands.",
            ),
            dg.AssetCheckSpec(
                "every_source_that_asks_has_one",
                asset=KEY,
                description="Each source in `forecast.own_interval` has a meter with such forecasts on the issue day.",
            ),
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def interval_forecasts(
        context: dg.AssetExecutionContext, energy: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        issues = run_issues(context, energy.config, energy.warehouse, energy.now())
        with energy.warehouse.connect(read_only=True) as con:
            asking = _asking(con, energy.config.forecast.own_interval)
            hourly = _hourly(con, energy.config, issues.times, asking["meter_id"].to_list())
            rows = _forecast(con, hourly, issues.times)
        with energy.warehouse.transaction() as con:
            new = append_revisions(con, TABLE, rows.with_columns(dagster_run_id=pl.lit(context.run.run_id)))
        with energy.warehouse.connect(read_only=True) as con:
            metadata = table_metadata(con, TABLE) | {"new_rows": new}
        of_day = rows.filter(pl.col("issued_at_utc") == issues.last_time)
        if of_day.height:
            metadata["plot"] = plot(_band(of_day, asking))
        forecast = asking.join(of_day, on="meter_id", how="semi")
        yield dg.MaterializeResult(
            asset_key=KEY,
            metadata=metadata,
            check_results=[
                quantiles_do_not_cross(rows),
                parts_sum_up_to_hours(rows, hourly),
                every_source_that_asks_has_one(energy.config, forecast),
            ],
        )

    return interval_forecasts


def _asking(con: duckdb.DuckDBPyConnection, sources: Sequence[str]) -> pl.DataFrame:
    """Meters of the sources that ask."""
    return fetch(
        con,
        "SELECT meter_id, source, timezone FROM raw.meters WHERE list_contains($sources, source) AND kind <> 'machine' "
        "AND interval_minutes < 60 ORDER BY meter_id",
        parameters={"sources": list(sources)},
    )


def _hourly(
    con: duckdb.DuckDBPyConnection, config: WarehouseConfig, issued: Sequence[datetime], meters: Sequence[str]
) -> pl.DataFrame:
    """The hourly forecasts of the meters that stand: of the issue times, and of those before them that make bands."""
    if not meters:
        return issue_forecasts(con, issued[0]).clear()
    days = (issued[-1] - issued[0]).days + BAND_DAYS
    times = dict.fromkeys([*issue_times(config, as_of=issued[-1], days=days + 1), *issued])
    return pl.concat(issue_forecasts(con, at).filter(pl.col("meter_id").is_in(list(meters))) for at in times)


def _forecast(con: duckdb.DuckDBPyConnection, hourly: pl.DataFrame, issued: Sequence[datetime]) -> pl.DataFrame:
    """Rows of the table for the issue times."""
    meters = hourly["meter_id"].unique().sort().to_list()
    since, until = min([*hourly["issued_at_utc"], issued[0]]) - REACH, issued[-1]
    readings = interval_versions(con, as_of=issued[-1], since=since, until=until, meter_ids=meters)
    calendar = fetch(
        con,
        """SELECT DISTINCT meter_id, interval_start_utc, local_date, local_hour, day_group
        FROM features.feat_demand_day_ahead
        WHERE list_contains($meters, meter_id) AND interval_start_utc >= $since AND issued_at_utc <= $until""",
        parameters={"meters": meters, "since": since, "until": until},
    )
    made = forecasting.at_own_interval(hourly.select(*KEYS, "quantile", "demand_kwh"), readings, calendar)
    of_hours = hourly.select(*KEYS[:2], *OF_THE_HOUR, hour_utc="interval_start_utc").unique([*KEYS[:2], "hour_utc"])
    lead = (pl.col("interval_start_utc") - pl.col("issued_at_utc")).dt.total_minutes().cast(pl.Int32)
    return (
        made.filter(pl.col("issued_at_utc").is_in(list(issued)))
        .with_columns(hour_utc=pl.col("interval_start_utc").dt.truncate("1h"), lead_minutes=lead)
        .join(of_hours, on=[*KEYS[:2], "hour_utc"], maintain_order="left")
        .drop("hour_utc")
    )


def quantiles_do_not_cross(rows: pl.DataFrame) -> dg.AssetCheckResult:
    """Each quantile against the next lower one of its interval."""
    before = pl.col("demand_kwh").shift(1).over(*KEYS, order_by="quantile")
    crossing = rows.filter(pl.col("demand_kwh") < before).height
    return dg.AssetCheckResult(
        check_name="quantiles_do_not_cross", asset_key=KEY, passed=crossing == 0, metadata={"crossing": crossing}
    )


def parts_sum_up_to_hours(rows: pl.DataFrame, hourly: pl.DataFrame) -> dg.AssetCheckResult:
    """Parts against their hours; an hour without some of its parts is off as well."""
    hour = [*KEYS[:2], "interval_start_utc"]
    sums = (
        rows.filter(pl.col("quantile") == 0.5)
        .group_by(*KEYS[:2], pl.col("interval_start_utc").dt.truncate("1h"))
        .agg(parts_kwh=pl.col("demand_kwh").sum())
    )
    medians = hourly.filter(pl.col("quantile") == 0.5).select(*hour, "demand_kwh")
    off = (pl.col("parts_kwh") - pl.col("demand_kwh")).abs() > ROUNDING * (1 + pl.col("demand_kwh").abs())
    wrong = sums.join(medians, on=hour, how="left").filter(off.fill_null(value=True))
    return dg.AssetCheckResult(
        check_name="parts_sum_up_to_hours",
        asset_key=KEY,
        passed=wrong.is_empty(),
        metadata={"hours": sums.height, "wrong": wrong.height, "meters": ", ".join(wrong["meter_id"].unique().sort())},
    )


def every_source_that_asks_has_one(config: WarehouseConfig, forecast: pl.DataFrame) -> dg.AssetCheckResult:
    """Sources that ask against those of the meters (meter_id, source) that were forecast."""
    silent = sorted(set(config.forecast.own_interval) - set(forecast["source"]))
    return dg.AssetCheckResult(
        check_name="every_source_that_asks_has_one",
        asset_key=KEY,
        passed=not silent,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "asked": ", ".join(config.forecast.own_interval) or "none",
            "meters": forecast.height,
            "without": ", ".join(silent) or "none",
            "next": "a source needs meters whose interval is finer than an hour and divides it, with hourly forecasts "
            "and parts that were known at issue time",
        },
    )


def _band(rows: pl.DataFrame, asking: pl.DataFrame) -> bytes:
    """The meter with the largest demand, as mean power."""
    largest = rows.group_by("meter_id").agg(pl.col("demand_kwh").sum()).sort("demand_kwh", "meter_id")["meter_id"][-1]
    timezone = asking.filter(pl.col("meter_id") == largest)["timezone"][0]
    hours = (pl.col("interval_end_utc") - pl.col("interval_start_utc")).dt.total_seconds() / 3600
    of_meter = rows.filter(pl.col("meter_id") == largest).with_columns(pl.col("demand_kwh") / hours)
    return plots.forecast_band(of_meter, title=f"{largest}, mean power", timezone=timezone)
