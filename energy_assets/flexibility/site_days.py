"""A site's next local day as frames: its intervals, its loads in them, paths of its demand.

Belongs here: local clocks, windows, calendars, paths at the interval that power is billed by. Does not belong here: the
programme, prices, what comes of a plan.

Forecasts hold the loads at their usual times. Paths of the rest are the forecast less the usual runs, never below zero:
where a load did not run on the days that the forecast learnt from, part of its run is taken off what is not there.
"""

from __future__ import annotations

import polars as pl

from energy_assets.flexibility.clock import with_local_time

HOUR = 60
_METER_DAY = ["meter_id", "timezone", "local_date"]


def day_intervals(hours: pl.DataFrame, meters: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """The forecast hours at the interval that each meter's power is billed by.

    Args:
        hours: meter_id, interval_start_utc, interval_end_utc of the forecast hours of one local day per meter.
        meters: meter_id, site_id, tariff_id, timezone, country, averaging_minutes (15 or 60).
        days: country, local_date, is_workday; days that are not in it are workdays unless on a weekend.

    Returns:
        meter_id, site_id, tariff_id, timezone, hour_utc, interval_start_utc, interval_end_utc, local_time, local_date,
        is_workday, step_minutes; sorted by meter and time.
    """
    length = pl.col("averaging_minutes")
    split = (
        hours.select("meter_id", hour_utc="interval_start_utc")
        .unique()
        .join(meters, on="meter_id")
        .with_columns(part=pl.int_ranges(0, HOUR // length))
        .explode("part")
        .with_columns(interval_start_utc=pl.col("hour_utc") + pl.duration(minutes=pl.col("part") * length))
    )
    local = with_local_time(split, "interval_start_utc").with_columns(local_date=pl.col("local_time").dt.date())
    calendar = days.select("country", "local_date", "is_workday")
    return (
        local.join(calendar, on=["country", "local_date"], how="left")
        .select(
            "meter_id", "site_id", "tariff_id", "timezone", "hour_utc", "interval_start_utc",
            (pl.col("interval_start_utc") + pl.duration(minutes=length)).alias("interval_end_utc"), "local_time",
            "local_date", pl.coalesce("is_workday", pl.col("local_time").dt.weekday() <= 5).alias("is_workday"),
            length.cast(pl.Int32).alias("step_minutes"),
        )
        .sort("meter_id", "interval_start_utc")
    )  # fmt: skip


def load_intervals(loads: pl.DataFrame, intervals: pl.DataFrame) -> pl.DataFrame:
    """Where each load may run and what it usually draws.

    A clock time that the clock skips counts as the one an hour later, one that it repeats as its first pass. A load
    whose calendar leaves the day out has no rows.

    Args:
        loads: rows of `raw.shiftable_loads`.
        intervals: what `day_intervals` gives.

    Returns:
        meter_id, shiftable_load_id, interval_start_utc, allowed, usual_kw; sorted, all intervals of the day.
    """
    day = intervals.group_by(*_METER_DAY).agg(
        pl.col("is_workday").first(), pl.col("interval_start_utc").min().alias("first")
    )
    windows = loads.join(day, on="meter_id").filter(
        (pl.col("calendar") == "all") | ((pl.col("calendar") == "workdays") == pl.col("is_workday"))
    )
    for name in ("earliest", "latest", "usual_start"):
        windows = _instant(windows, f"{name}_local", name)
    length = pl.duration(minutes="duration_minutes")
    far = pl.duration(minutes="maximum_shift_minutes")
    windows = windows.with_columns(
        earliest=pl.max_horizontal("earliest", pl.col("usual_start") - far),
        latest=pl.min_horizontal("latest", pl.col("usual_start") + length + far),
        usual_end=pl.col("usual_start") + length,
    )
    start, end = pl.col("interval_start_utc"), pl.col("interval_end_utc")
    overlap = pl.min_horizontal(end, "usual_end") - pl.max_horizontal(start, "usual_start")
    share = overlap.dt.total_minutes().clip(lower_bound=0) / pl.col("step_minutes")
    share = pl.when(pl.col("usual_start").is_not_null()).then(share).otherwise(0.0)  # batteries rest
    return (
        windows.select("meter_id", "shiftable_load_id", "power_kw", "earliest", "latest", "usual_start", "usual_end")
        .join(intervals.select("meter_id", "interval_start_utc", "interval_end_utc", "step_minutes"), on="meter_id")
        .select(
            "meter_id", "shiftable_load_id", "interval_start_utc",
            ((start >= pl.col("earliest")) & (end <= pl.col("latest"))).fill_null(value=False).alias("allowed"),
            (pl.col("power_kw") * share).alias("usual_kw"),
        )
        .sort("meter_id", "shiftable_load_id", "interval_start_utc")
    )  # fmt: skip


def within_hour_ratios(parts: pl.DataFrame, meters: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """How quarter hours stood to the mean of their hour, per past local day.

    Args:
        parts: meter_id, interval_start_utc, power_kw of quarter hours that were known at the issue time.
        meters: meter_id, timezone, country.
        days: country, local_date, is_workday.

    Returns:
        meter_id, is_workday, day (0 for the newest of its kind), minute (of the local day), ratio; days whose hours are
        whole.
    """
    hour = ["meter_id", pl.col("interval_start_utc").dt.truncate("1h").alias("hour_utc")]
    ratio = pl.col("power_kw") / pl.col("power_kw").mean().over(hour)
    known = (
        parts.filter(pl.len().over(hour) == 4)
        .with_columns(ratio=pl.when(ratio.is_finite()).then(ratio).otherwise(1.0))
        .join(meters.select("meter_id", "timezone", "country"), on="meter_id")
    )
    local = with_local_time(known, "interval_start_utc").with_columns(local_date=pl.col("local_time").dt.date())
    local = local.join(days.select("country", "local_date", "is_workday"), on=["country", "local_date"], how="left")
    local = local.with_columns(is_workday=pl.coalesce("is_workday", pl.col("local_time").dt.weekday() <= 5))
    return local.unique(["meter_id", "local_time"], keep="first", maintain_order=True).select(
        "meter_id",
        "is_workday",
        day=(pl.col("local_date").rank("dense", descending=True).over("meter_id", "is_workday") - 1).cast(pl.Int32),
        minute=_minute("local_time"),
        ratio="ratio",
    )


def demand_paths(scenarios: pl.DataFrame, intervals: pl.DataFrame, ratios: pl.DataFrame) -> pl.DataFrame:
    """Paths of mean power at the billed interval.

    Within an hour, path i goes as the i-th newest known day of the same kind did; where no day is known, evenly.

    Args:
        scenarios: meter_id, scenario, interval_start_utc, demand_kwh of hours.
        intervals: what `day_intervals` gives.
        ratios: what `within_hour_ratios` gives.

    Returns:
        meter_id, scenario, interval_start_utc, demand_kw; sorted. A meter with an hour that has no path is left out.
    """
    known = ratios.group_by("meter_id", "is_workday").agg(known_days=pl.col("day").max() + 1)
    wanted = (
        intervals.join(
            scenarios.select("meter_id", "scenario", hour_utc="interval_start_utc", hour_kwh="demand_kwh"),
            on=["meter_id", "hour_utc"],
        )
        .join(known, on=["meter_id", "is_workday"], how="left")
        .with_columns(
            day=pl.when(pl.col("step_minutes") < HOUR).then(pl.col("scenario") % pl.col("known_days")).cast(pl.Int32),
            minute=_minute("local_time"),
        )
    )
    found = wanted.join(ratios, on=["meter_id", "is_workday", "day", "minute"], how="left")
    paths = found.select(
        "meter_id", "scenario", "interval_start_utc", demand_kw=pl.col("hour_kwh") * pl.col("ratio").fill_null(1.0)
    ).sort("meter_id", "scenario", "interval_start_utc")
    expected = intervals.group_by("meter_id").len("intervals")
    whole = (
        paths.group_by("meter_id", "scenario").len().join(expected, on="meter_id")
        .group_by("meter_id").agg(whole=(pl.col("len") == pl.col("intervals")).all())
        .filter("whole")
    )  # fmt: skip
    return paths.join(whole.select("meter_id"), on="meter_id", how="semi", maintain_order="left")


def _instant(frame: pl.DataFrame, clock: str, name: str) -> pl.DataFrame:
    """A clock time HH:MM of the row's local date as an instant; 24:00 is the end of the day."""
    minutes = pl.col(clock).str.slice(0, 2).cast(pl.Int32) * 60 + pl.col(clock).str.slice(3, 2).cast(pl.Int32)
    wall = pl.col("local_date").cast(pl.Datetime("us")) + pl.duration(minutes=minutes)

    def there(zone: str, at: pl.Expr) -> pl.Expr:
        return at.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")

    found = [
        pl.when(pl.col("timezone") == zone).then(
            pl.coalesce(there(zone, wall), there(zone, wall + pl.duration(hours=1)))
        )
        for zone in frame["timezone"].unique().sort()
    ]
    none = pl.lit(None, dtype=pl.Datetime("us", "UTC"))
    return frame.with_columns(pl.coalesce([*found, none]).alias(name))


def _minute(local_time: str) -> pl.Expr:
    clock = pl.col(local_time).dt
    return clock.hour().cast(pl.Int32) * 60 + clock.minute().cast(pl.Int32)
