"""Which issue dates a run is for: the partitions it was launched with, else the newest the data allows."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from energy_assets.config import WarehouseConfig, load_config
from energy_assets.schedule import issue_time, latest_issue_date, newest_issue_date
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse, first_row

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
PARTITION = "dagster/partition"


@dataclass(frozen=True)
class Issues:
    """A range of issue dates, both ends included, with the schedule that turns them into instants."""

    first: date
    last: date
    issue_hour: int
    timezone: str

    @property
    def times(self) -> list[datetime]:
        """Issue times in UTC, ascending."""
        days = (self.last - self.first).days + 1
        return [issue_time(self.first + timedelta(days=d), self.issue_hour, self.timezone) for d in range(days)]

    @property
    def first_time(self) -> datetime:
        """Issue time of the first date."""
        return issue_time(self.first, self.issue_hour, self.timezone)

    @property
    def last_time(self) -> datetime:
        """Issue time of the last date."""
        return issue_time(self.last, self.issue_hour, self.timezone)


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """The one partitions definition: event day for raw, issue day for forecasts, days of the market."""
    market = load_config(settings.sources_file).market
    return dg.DailyPartitionsDefinition(
        start_date=market.history_start.isoformat(), timezone=market.timezone, end_offset=1
    )


def issues_of(
    run_tags: dict[str, str] | object, config: WarehouseConfig, warehouse: Warehouse, now: datetime
) -> Issues:
    """The issue dates that a run's tags name, else the newest that the data allows."""
    tags = run_tags if isinstance(run_tags, dict) else {}
    if RANGE_START in tags:
        first, last = date.fromisoformat(tags[RANGE_START]), date.fromisoformat(tags[RANGE_END])
    elif PARTITION in tags:
        first = last = date.fromisoformat(tags[PARTITION])
    else:
        first = last = default_issue_date(config, warehouse, now)
    return Issues(first, last, config.forecast.issue_hour, config.market.timezone)


def default_issue_date(config: WarehouseConfig, warehouse: Warehouse, now: datetime) -> date:
    """The newest issue date that the loaded data allows; before anything is loaded, the newest that has come."""
    hour, zone = config.forecast.issue_hour, config.market.timezone
    if not warehouse.database.exists():
        return latest_issue_date(now, hour, zone)
    with warehouse.connect(read_only=True) as con:
        known = first_row(
            con,
            "SELECT max(known_at_utc) FROM raw.meter_readings WHERE known_at_utc <= ? AND quality <> 'corrected'",
            [now],
        )
        weather = first_row(con, "SELECT max(valid_at_utc) FROM raw.weather WHERE known_at_utc <= ?", [now])
    if known is None or known[0] is None:
        return latest_issue_date(now, hour, zone)
    return newest_issue_date(known[0], weather[0] if weather else None, now, hour, zone)


def all_known_date(config: WarehouseConfig, warehouse: Warehouse, now: datetime) -> date:
    """The first issue date at which all that is loaded is known, corrections of later years too; none after `now`."""
    hour, zone = config.forecast.issue_hour, config.market.timezone
    newest = latest_issue_date(now, hour, zone)
    if not warehouse.database.exists():
        return newest
    with warehouse.connect(read_only=True) as con:
        known = first_row(con, "SELECT max(known_at_utc) FROM raw.meter_readings WHERE known_at_utc <= ?", [now])
    if known is None or known[0] is None:
        return newest
    after: date = known[0].astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
    return min(newest, after)


def run_issues(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, config: WarehouseConfig,
               warehouse: Warehouse, now: datetime) -> Issues:  # fmt: skip
    """The issue dates of the run that `context` belongs to."""
    return issues_of(dict(context.run.tags), config, warehouse, now)
