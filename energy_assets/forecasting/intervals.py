"""Forecasts of parts of the hour, for meters that are read more often than hourly.

Belongs here: from hourly quantile forecasts, and what was known of the parts of past hours, to quantile forecasts per
part, and the naive forecast per part. Does not belong here: the hourly forecasts, which readings there are (SQL),
scores.

The hour's median is shared out by how energy was spread over the parts of the hour in the last weeks, per local hour
and group of days; a group is held towards all days, and all days towards equal parts. The bands begin with those of the
hour and the spread of the shares, and become conformal as forecasts come true: the errors of the last days, measured in
the widths expected of them, say how many widths each quantile is away (as in `online.bands`, per meter).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import NormalDist

import polars as pl

from energy_assets.forecasting.backtest import KEYS, PUBLISHER
from energy_assets.forecasting.baselines import SEASONAL_NAIVE

COLUMNS = (*KEYS, "quantile", "interval_end_utc", "demand_kwh")
CALENDAR = ("local_date", "local_hour", "day_group")
BAND_DAYS = 60  # issue days whose errors make the bands
LOOK_BACK = timedelta(days=56)  # of the shares
REACH = timedelta(days=max(BAND_DAYS + 2, 56))  # further back nothing is looked at
HALF_LIFE_DAYS = 28.0  # of the weight of a day, in shares and bands
GROUP_DAYS, EQUAL_DAYS = 3.0, 2.0  # days' worth of evidence that a group and all days have to overcome
ERROR_DAYS = 8.0  # days' worth of errors after which they count as much as the expected bands
LEAST_WIDTH = 1e-3  # of the mean forecast: no part of an hour is known better
WEEKS = (1, 2, 3, 4)
_HOUR = ["meter_id", "hour_utc"]
_PART = ["meter_id", "local_hour", "part"]
_WEIGHT = pl.col("weight")


def at_own_interval(hourly: pl.DataFrame, readings: pl.DataFrame, calendar: pl.DataFrame) -> pl.DataFrame:
    """Quantile forecasts of one model per part of the hour; those of each issue time use what was known by then.

    Args:
        hourly: meter_id, issued_at_utc, interval_start_utc, quantile (0.5 among them), demand_kwh, of as many issue
            times as there are: bands are made of the errors of earlier ones.
        readings: every version of the parts' demand: meter_id, interval_start_utc, interval_end_utc, demand_kwh,
            known_from_utc, known_to_utc (null: still in force). Parts of a meter are equally long and divide the hour.
        calendar: meter_id, interval_start_utc (of hours), local_date, local_hour, day_group; hours that are not in it
            are shared out equally and teach nothing.

    Returns:
        `COLUMNS` (kWh per part, never below 0, quantiles never crossing), sorted by key and quantile; the medians of an
        hour's parts sum up to its own. Meters without readings are left out. A point forecast stays one.
    """
    levels = sorted(hourly["quantile"].unique().to_list())
    days = calendar.select("meter_id", *CALENDAR, hour_utc="interval_start_utc").unique(_HOUR)
    lengths = readings.select("meter_id", minutes=_minutes()).unique("meter_id")
    wide = hourly.rename({"interval_start_utc": "hour_utc"}).with_columns(pl.col("quantile").cast(pl.String))
    wide = wide.pivot("quantile", index=["issued_at_utc", *_HOUR], values="demand_kwh").join(lengths, on="meter_id")
    due = wide.join(days, on=_HOUR, how="left").sort("issued_at_utc", *_HOUR)
    parts = _parts(readings, days)
    expected: list[pl.DataFrame] = []
    made = [_empty()]
    for hours in due.partition_by("issued_at_utc", maintain_order=True):
        issued = hours["issued_at_utc"][0]
        known = _known(parts, issued)
        rows = _shared_out(hours, known, issued, levels)
        earlier = [e for e in expected if e["issued_at_utc"][0] >= issued - timedelta(days=BAND_DAYS)]
        made.append(_long(_conformal(rows, earlier, known, issued, levels), levels))
        expected.append(rows)
    return pl.concat(made).sort(*KEYS, "quantile")


def backtest_at_own_interval(backtest: pl.DataFrame, readings: pl.DataFrame, calendar: pl.DataFrame) -> pl.DataFrame:
    """A backtest of hours as one of their parts, for the meters that have readings of parts.

    Args:
        backtest: what `rolling_origin` gives. What a publisher said of hours says nothing of their parts and is left
            out; the seasonal naive forecast becomes that of the same part one week before.
        readings: see `at_own_interval`.
        calendar: see `at_own_interval`.

    Returns:
        The columns of `backtest`, sorted in the same way.
    """
    made = [backtest.clear()]
    models = backtest.filter(pl.col("model_name") != PUBLISHER).partition_by("model_name", as_dict=True)
    for (name,), hourly in models.items():
        rows = at_own_interval(hourly.select(*KEYS, "quantile", "demand_kwh"), readings, calendar)
        if name == SEASONAL_NAIVE:
            rows = _same_part_last_week(rows, readings, calendar)
        named = rows.with_columns(model_name=pl.lit(name), publisher=pl.lit(None, dtype=pl.String))
        made.append(named.select(backtest.columns))
    return pl.concat(made).sort(*KEYS, "model_name", "quantile")


def _same_part_last_week(rows: pl.DataFrame, readings: pl.DataFrame, calendar: pl.DataFrame) -> pl.DataFrame:
    """The same part of the same local hour one week before, or two to four where that was unknown, else `rows`."""
    days = calendar.select("meter_id", *CALENDAR, hour_utc="interval_start_utc").unique(_HOUR)
    hour, length = pl.col("interval_start_utc").dt.truncate("1h"), _minutes()
    part = (pl.col("interval_start_utc") - hour).dt.total_minutes() // length
    wanted = rows.with_columns(hour_utc=hour, part=part).join(days, on=_HOUR)
    at = ["meter_id", "local_date", "local_hour", "part"]
    values = _parts(readings, days).filter(pl.col("demand_kwh").is_finite())
    found = [
        wanted.select(*KEYS, *at[2:], local_date=pl.col("local_date").dt.offset_by(f"-{week}w"))
        .join(values.select(*at, "hour_utc", "known_from_utc", "known_to_utc", "demand_kwh"), on=at)
        .filter(_in_force(pl.col("issued_at_utc")))
        .with_columns(week=pl.lit(week))
        for week in WEEKS
    ]  # an hour that clocks repeat is there twice: the first of them counts
    newest = pl.concat(found).sort(*KEYS, "week", "hour_utc").unique(KEYS, keep="first", maintain_order=True)
    joined = rows.join(newest.select(*KEYS, naive="demand_kwh"), on=KEYS, how="left", maintain_order="left")
    return joined.with_columns(demand_kwh=pl.coalesce("naive", "demand_kwh").clip(lower_bound=0)).drop("naive")


def _minutes() -> pl.Expr:
    return (pl.col("interval_end_utc") - pl.col("interval_start_utc")).dt.total_minutes()


def _in_force(at: pl.Expr) -> pl.Expr:
    return (pl.col("known_from_utc") <= at) & (pl.col("known_to_utc").is_null() | (pl.col("known_to_utc") > at))


def _parts(readings: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Readings with their hour, their number within it, how many there are of it, and its place in the calendar."""
    hour = pl.col("interval_start_utc").dt.truncate("1h")
    return readings.with_columns(
        hour_utc=hour,
        part=(pl.col("interval_start_utc") - hour).dt.total_minutes() // _minutes(),
        parts=60 // _minutes(),
    ).join(days, on=_HOUR)


def _known(parts: pl.DataFrame, issued: datetime) -> pl.DataFrame:
    """What was known at the issue time of the last weeks, a day counting half after each half-life."""
    age = (pl.lit(issued) - pl.col("hour_utc")).dt.total_seconds() / 86_400
    recent = parts.filter(pl.col("hour_utc").is_between(issued - REACH, issued), pl.col("demand_kwh").is_finite())
    return recent.filter(_in_force(pl.lit(issued))).with_columns(weight=0.5 ** (age / HALF_LIFE_DAYS))


def _shares(known: pl.DataFrame, issued: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Shares of the hour by part and group of days, and those of all days with their spread, of whole hours."""
    rows = known.filter(pl.col("hour_utc") >= issued - LOOK_BACK, pl.len().over(_HOUR) == pl.col("parts"))
    rows = rows.with_columns(hour_kwh=pl.col("demand_kwh").sum().over(_HOUR))
    sums = [
        (_WEIGHT * pl.col("demand_kwh")).sum().alias("part_kwh"),
        (_WEIGHT * pl.col("hour_kwh")).sum().alias("hours_kwh"),
    ]
    # the mean of an hour makes days' worth of evidence of the prior; a share of nothing is no number
    usual = rows.group_by(*_PART, "parts").agg(*sums, mean=pl.col("hour_kwh").mean())
    usual = usual.with_columns(usual=_held_towards(1 / pl.col("parts"), EQUAL_DAYS)).drop("part_kwh", "hours_kwh")
    groups = rows.group_by(*_PART, "day_group").agg(*sums).join(usual, on=_PART)
    groups = groups.with_columns(share=_held_towards(pl.col("usual"), GROUP_DAYS)).select(*_PART, "day_group", "share")
    off = _WEIGHT * (pl.col("demand_kwh") - pl.col("share") * pl.col("hour_kwh")) ** 2
    spread = (
        rows.join(groups, on=[*_PART, "day_group"])
        .group_by(_PART)
        .agg(spread=(off.sum() / (_WEIGHT * pl.col("hour_kwh") ** 2).sum()).sqrt().fill_nan(0.0))
    )
    return groups, usual.join(spread, on=_PART).select(*_PART, "usual", "spread")


def _held_towards(prior: pl.Expr, days: float) -> pl.Expr:
    worth = days * pl.col("mean")
    share = (pl.col("part_kwh") + worth * prior) / (pl.col("hours_kwh") + worth)
    return pl.when(share.is_finite()).then(share).otherwise(prior)


def _shared_out(hours: pl.DataFrame, known: pl.DataFrame, issued: datetime, levels: Sequence[float]) -> pl.DataFrame:
    """Parts of the hours with their point, the expected distance of each quantile (`d<level>`) and the `width`."""
    groups, usual = _shares(known, issued)
    start = pl.col("hour_utc") + pl.duration(minutes=pl.col("part") * pl.col("minutes"))
    rows = (
        hours.with_columns(part=pl.int_ranges(60 // pl.col("minutes")))
        .explode("part")
        .join(usual, on=_PART, how="left", maintain_order="left")
        .join(groups, on=[*_PART, "day_group"], how="left", maintain_order="left")
        .with_columns(
            share=pl.coalesce("share", "usual", pl.col("minutes") / 60),
            interval_start_utc=start,
            interval_end_utc=start + pl.duration(minutes=pl.col("minutes")),
        )
    )
    median = pl.col("0.5")
    chance = pl.col("spread").fill_null(0.0) * median

    def distance(level: float) -> pl.Expr:
        of_hour = pl.col("share") * (pl.col(str(level)) - median)
        away = (of_hour**2 + (NormalDist().inv_cdf(level) * chance) ** 2).sqrt()
        return away if level > 0.5 else -away

    rows = rows.with_columns(
        (pl.col("share") * median).alias("point"), *(distance(q).alias(f"d{q}") for q in levels if q != 0.5)
    )
    if len(levels) == 1:
        return rows
    between = pl.max_horizontal(f"d{q}" for q in levels if q > 0.5) - pl.min_horizontal(
        f"d{q}" for q in levels if q < 0.5
    )
    least = LEAST_WIDTH * pl.col("point").mean().over("meter_id")
    return rows.with_columns(width=pl.max_horizontal(between, least))


def _conformal(
    rows: pl.DataFrame, earlier: Sequence[pl.DataFrame], known: pl.DataFrame, issued: datetime, levels: Sequence[float]
) -> pl.DataFrame:
    """The distances held against the errors of earlier forecasts, as far as there are any."""
    banded = [q for q in levels if q != 0.5]
    if not earlier or not banded:
        return rows
    part = ["meter_id", "interval_start_utc", "interval_end_utc"]
    errors = (
        pl.concat(earlier)
        .select(*part, "point", "width", "minutes")
        .join(known.select(*part, "demand_kwh", "weight"), on=part)
        .filter(pl.col("width") > 0)
        .with_columns(ratio=(pl.col("demand_kwh") - pl.col("point")) / pl.col("width"))
        .sort("meter_id", "ratio")
        .with_columns(rising=_WEIGHT.cum_sum().over("meter_id") / _WEIGHT.sum().over("meter_id"))
    )
    reached = [pl.col("ratio").filter(pl.col("rising") >= q - 1e-12).first().alias(f"r{q}") for q in banded]
    days = _WEIGHT.sum() * pl.col("minutes").first() / 1440
    found = errors.group_by("meter_id").agg(*reached, days=days)
    believed = pl.col("days") / (pl.col("days") + ERROR_DAYS)
    joined = rows.join(found, on="meter_id", how="left", maintain_order="left")
    return joined.with_columns(
        pl.coalesce(believed * pl.col(f"r{q}") * pl.col("width") + (1 - believed) * pl.col(f"d{q}"), f"d{q}").alias(
            f"d{q}"
        )
        for q in banded
    )


def _long(rows: pl.DataFrame, levels: Sequence[float]) -> pl.DataFrame:
    """One row per quantile. Errors of one sign cannot push a quantile over the median."""

    def value(level: float) -> pl.Expr:
        if level == 0.5:
            return pl.col("point")
        distance = pl.col(f"d{level}")
        return pl.col("point") + (distance.clip(lower_bound=0) if level > 0.5 else distance.clip(upper_bound=0))

    values = rows.select(*KEYS, "interval_end_utc", *(value(q).clip(lower_bound=0).alias(str(q)) for q in levels))
    long = values.unpivot(
        [str(q) for q in levels], index=[*KEYS, "interval_end_utc"], variable_name="quantile", value_name="demand_kwh"
    )
    return long.with_columns(pl.col("quantile").cast(pl.Float64)).drop_nulls("demand_kwh").select(COLUMNS)


def _empty() -> pl.DataFrame:
    instant = pl.Datetime("us", "UTC")
    types = {"meter_id": pl.String(), "quantile": pl.Float64(), "demand_kwh": pl.Float64()}
    return pl.DataFrame(schema={name: types.get(name, instant) for name in COLUMNS})
