"""When things run by themselves: every morning, every week, and when a file lands."""

import hashlib
import json
from datetime import timedelta

import dagster as dg

from energy_assets.config import WarehouseConfig
from energy_assets.schedule import latest_issue_date
from energy_assets.settings import Settings


def build_schedules(config: WarehouseConfig, jobs: dict[str, object]) -> list[dg.ScheduleDefinition]:
    """The morning run five minutes after the issue hour, and the weekly training on Sunday."""
    hour, timezone = config.forecast.issue_hour, config.market.timezone

    def requests(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = latest_issue_date(context.scheduled_execution_time, hour, timezone).isoformat()
        return dg.RunRequest(run_key=day, partition_key=day)

    return [
        dg.ScheduleDefinition(
            name="every_morning",
            job=jobs["daily"],  # type: ignore[arg-type]
            cron_schedule=f"5 {hour} * * 1-6",
            execution_timezone=timezone,
            execution_fn=requests,
            description="Loads, forecasts and publishes after the issue hour.",
        ),
        dg.ScheduleDefinition(
            name="every_sunday_with_training",
            job=jobs["weekly_training"],  # type: ignore[arg-type]
            cron_schedule=f"5 {hour} * * 0",
            execution_timezone=timezone,
            execution_fn=requests,
            description="The same, and a challenger is trained for each kind of meter.",
        ),
    ]


def build_landing_sensor(config: WarehouseConfig, jobs: dict[str, object]) -> dg.SensorDefinition:
    """Watches `landing/`: when a file is new or has changed, the newest day is run."""

    @dg.sensor(
        name="landing",
        job=jobs["daily"],  # type: ignore[arg-type]
        minimum_interval_seconds=30,
        description="Runs the newest day when a file in landing/ is new or has changed.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        settings = Settings()
        files = sorted(p for p in settings.landing.glob("**/*") if p.is_file()) if settings.landing.is_dir() else []
        if not files:
            return dg.SkipReason(f"no file in {settings.landing}")
        state = json.dumps([(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files])
        cursor = hashlib.sha256(state.encode()).hexdigest()
        if cursor == context.cursor:
            return dg.SkipReason(f"nothing new among {len(files)} files in {settings.landing}")
        # A file that is still being written would be read in half: wait until it has been left alone for a while.
        newest = max(p.stat().st_mtime for p in files)
        if settings.now().timestamp() - newest < timedelta(seconds=10).total_seconds():
            return dg.SkipReason("the newest file is still warm")
        day = latest_issue_date(settings.now(), config.forecast.issue_hour, config.market.timezone).isoformat()
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=cursor, partition_key=day)], cursor=cursor)

    return landing
