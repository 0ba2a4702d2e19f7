"""Issue times and target days: when a forecast is made and which hours it is for.

Belongs here: arithmetic of local days and hours. A local day has 23, 24 or 25 hours; nothing here counts to 24.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def issue_time(issue_date: date, issue_hour: int, timezone: str) -> datetime:
    """The instant at which forecasts of `issue_date` are made, in UTC.

    >>> issue_time(date(2022, 11, 20), 9, "Europe/Paris").isoformat()
    '2022-11-20T08:00:00+00:00'
    """
    return datetime.combine(issue_date, time(issue_hour), ZoneInfo(timezone)).astimezone(UTC)


def latest_issue_date(now: datetime, issue_hour: int, timezone: str) -> date:
    """The newest date whose issue time has come.

    >>> latest_issue_date(datetime(2026, 3, 1, 7, 59, tzinfo=UTC), 9, "Europe/Paris").isoformat()
    '2026-02-28'
    """
    today = now.astimezone(ZoneInfo(timezone)).date()
    return today if issue_time(today, issue_hour, timezone) <= now else today - timedelta(days=1)


def local_day(day: date, timezone: str) -> tuple[datetime, datetime]:
    """Start and end of a local day in UTC, half-open.

    >>> start, end = local_day(date(2026, 3, 29), "Europe/Paris")
    >>> (end - start).total_seconds() / 3600
    23.0
    """
    zone = ZoneInfo(timezone)
    start = datetime.combine(day, time(), zone)
    end = datetime.combine(day + timedelta(days=1), time(), zone)
    return start.astimezone(UTC), end.astimezone(UTC)


def newest_issue_date(
    newest_reading_known: datetime, newest_weather_valid: datetime | None, now: datetime, issue_hour: int, timezone: str
) -> date:
    """The newest issue date that the data allows.

    It must have come; readings must be known until a day before it at most; and where there is weather, it must cover
    the whole target day.
    """
    newest = latest_issue_date(min(now, newest_reading_known + timedelta(days=1)), issue_hour, timezone)
    if newest_weather_valid is None:
        return newest
    covered = newest_weather_valid + timedelta(hours=1)
    while local_day(newest + timedelta(days=1), timezone)[1] > covered:
        days_short = (local_day(newest + timedelta(days=1), timezone)[1] - covered).days
        newest -= timedelta(days=max(days_short, 1))
    return newest
