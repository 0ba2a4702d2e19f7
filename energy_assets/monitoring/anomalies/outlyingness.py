"""How far an hour is from everything the meter has done at that hour: a continuous score, without labels.

Belongs here: the two distances and their mean. Does not belong here: from which score on an hour is flagged
(`contextual.py`).

An hour is out of character if it is far from its own hour of the week, and if no fair share of past days, of whatever
weekday, looks like it at that time of day. The first alone takes every holiday for an event, the second alone misses a
Saturday that looks like a Friday; their geometric mean asks for both. A share of the past days, rather than the
nearest one, keeps what has happened a few times odd, as k-th nearest neighbours do (Ramaswamy, Rastogi and Shim, 2000).
Everything is in logarithms: half and double are equally far.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from energy_assets.monitoring.anomalies.expectation import Sight

HISTORY = ("meter_id", "interval_start_utc", "local_date", "local_hour", "day_of_week", "demand_kwh")
CUSHION = 0.05  # of the typical hour: keeps logarithms of small numbers small
TYPICAL_HOURS = 28 * 24
WEEKS = 52
MIN_WEEKS = 2
LEVEL_HOURS = 168
LEVEL_SHARE, LEVEL_BOUND = (
    0.5,
    0.35,
)  # how far the usual follows the last week's level: a season half way, a fault little
LEAST_ERROR = 0.25  # in logarithms, added to the usual one: a regular meter may vary, too
PAST_DAYS = 365
MIN_PAST_DAYS = 7
SHARE = 0.2  # of the past days that have to be near
WIDTHS = (3, 12)  # hours up to the one scored that are compared
UNLIKENESS = tuple(f"unlikeness_{width}h" for width in WIDTHS)
DAY_HOURS = 24  # cells of a local day, one of them empty or shared when clocks change

Cells = npt.NDArray[np.float32]

_CELL = ["meter_id", "local_date", "local_hour"]


def outlyingness(
    hours: pl.DataFrame, days: pl.Series, history: pl.DataFrame | None = None, sight: Sight = Sight.PAST
) -> pl.DataFrame:
    """The hours of some days with their distances.

    Added columns: `deviation` (log ratio to the hour of the week's median, half way to the last week's level,
    over its usual error, signed),
    `unlikeness_3h` and `unlikeness_12h` (mean absolute log ratio of so many hours up to this one to the same hours of
    that past day which is nearer than four in five of them are not), and `outlyingness`, the geometric mean of the
    deviation's size and the mean unlikeness; null where the past is shorter than a week.

    Args:
        hours: meter_id, interval_start_utc, local_date, local_hour, day_of_week, demand_reported_kwh, demand_kwh.
        days: local dates to score.
        history: rows before those, with the columns `HISTORY`, which are compared with and not scored. A year of both
            gives the best judgement, three weeks some.
        sight: `BOTH` compares with the days after an hour as well.
    """
    rows = hours.select(*HISTORY, "demand_reported_kwh")
    if history is not None:
        before = pl.col("interval_start_utc") < hours["interval_start_utc"].min()
        rows = pl.concat([history.select(HISTORY).filter(before), rows], how="diagonal_relaxed")
    rows = _with_logs(rows, sight)
    scored = (
        hours.filter(pl.col("local_date").is_in(days.implode()))
        .join(_deviation(rows, days, sight), on=["meter_id", "interval_start_utc"], how="left", maintain_order="left")
        .join(_unlikeness(rows, days, sight), on=_CELL, how="left", maintain_order="left")
    )
    unlike = pl.mean_horizontal(pl.col(name).log() for name in UNLIKENESS)
    return scored.with_columns(outlyingness=(0.5 * (pl.col("deviation").abs().log() + unlike)).exp())


def _with_logs(hours: pl.DataFrame, sight: Sight) -> pl.DataFrame:
    """Sorted, with `log_value` and `log_clean`."""
    lag, center = _window(sight)
    past = pl.col("demand_kwh").abs().shift(lag)
    cushion = CUSHION * past.rolling_mean(TYPICAL_HOURS, min_samples=48, center=center).over("meter_id")
    return hours.sort("meter_id", "interval_start_utc").with_columns(
        pl.when(cushion > 0).then((pl.col(value).clip(0.0) + cushion).log()).alias(name)
        for name, value in (("log_value", "demand_reported_kwh"), ("log_clean", "demand_kwh"))
    )


def _deviation(rows: pl.DataFrame, days: pl.Series, sight: Sight) -> pl.DataFrame:
    """`deviation` by meter_id and interval_start_utc, over the hour of the week and its neighbours' errors."""
    lag, center = _window(sight)
    same = ["meter_id", "day_of_week", "local_hour"]
    usual = pl.col("log_clean").shift(lag)
    rows = rows.with_columns(usual=usual.rolling_median(WEEKS, min_samples=MIN_WEEKS, center=center).over(same))
    ratio = pl.col("log_clean") - pl.col("usual")
    error = ratio.abs().shift(lag).rolling_median(WEEKS, min_samples=1, center=center).over(same)
    # of the earlier hours only those are asked further that the first scored day's level takes
    near = (pl.col("local_date") >= days.min()).shift(-LEVEL_HOURS - 1, fill_value=True).over("meter_id")
    rows = rows.with_columns(error=error, near=near).filter("near")
    level = ratio.shift(lag).rolling_median(LEVEL_HOURS, min_samples=24, center=center).over("meter_id")
    rows = rows.with_columns(usual=pl.col("usual") + LEVEL_SHARE * level.clip(-LEVEL_BOUND, LEVEL_BOUND).fill_null(0.0))
    # an hour's error is known a week before, so that the one after it is no look ahead
    error = 1.4826 * pl.col("error").rolling_mean(3, min_samples=1, center=True).over("meter_id").fill_null(0.0)
    deviation = (pl.col("log_value") - pl.col("usual")) / (error + LEAST_ERROR)
    return rows.select("meter_id", "interval_start_utc", deviation=deviation)


def _window(sight: Sight) -> tuple[int, bool]:
    """By how many rows a window ends before its hour, and whether it is centred on it."""
    return (1, False) if sight is Sight.PAST else (0, True)


def _unlikeness(rows: pl.DataFrame, days: pl.Series, sight: Sight) -> pl.DataFrame:
    """One row per meter, local date and hour of the scored days with `unlikeness_3h` and `unlikeness_12h`."""
    # two rows of one local hour, when clocks go back, share a cell; the hour that clocks skip stays empty
    cells = rows.group_by(_CELL, maintain_order=True).agg(pl.col("log_value").mean(), pl.col("log_clean").mean())
    ids = cells["meter_id"].unique(maintain_order=True)
    dates = cells.select(pl.date_range(pl.col("local_date").min(), pl.col("local_date").max())).to_series()
    at = cells.select(
        pl.col("local_hour").cast(pl.Int64),
        pl.col("meter_id").replace_strict(ids, pl.int_range(len(ids), eager=True), return_dtype=pl.Int64),
        (pl.col("local_date") - dates[0]).dt.total_days(),
    )
    index = tuple(at.to_numpy().T)
    value, clean = (np.full((DAY_HOURS, len(ids), len(dates)), np.nan, dtype=np.float32) for _ in range(2))
    value[index], clean[index] = cells["log_value"].to_numpy(), cells["log_clean"].to_numpy()
    scored = np.flatnonzero(dates.is_in(days.implode()).to_numpy())
    distances = np.stack([_of_day(value, clean, int(day), sight) for day in scored])
    hour = np.indices(distances.shape[:3]).reshape(3, -1)
    result = pl.DataFrame(
        {
            "meter_id": ids.gather(hour[2]),
            "local_date": dates.gather(scored[hour[0]]),
            "local_hour": pl.Series(hour[1]).cast(rows.schema["local_hour"]),
        }
    )
    return result.with_columns(
        pl.Series(name, distances[..., i].ravel(), dtype=pl.Float64).fill_nan(None) for i, name in enumerate(UNLIKENESS)
    )


def _of_day(value: Cells, clean: Cells, day: int, sight: Sight) -> Cells:
    """Distances of one day's hours to the other days that count, (24, meters, widths); NaN where these are too few.

    Args:
        value: (24, meters, days), what is judged.
        clean: (24, meters, days), what it is compared with.
        day: index of the judged day; the windows of its first hours begin on the day before.
        sight: which of the other days count.
    """
    first = max(1, day - PAST_DAYS)
    last = day if sight is Sight.PAST else min(value.shape[2], day + PAST_DAYS + 1)
    result = np.full((DAY_HOURS, value.shape[1], len(WIDTHS)), np.nan, dtype=np.float32)
    if last - first - (day < last) < MIN_PAST_DAYS:
        return result
    lead = max(WIDTHS)  # hours of the day before that the windows of the first hours reach back to
    totals = np.empty((lead + DAY_HOURS, value.shape[1], last - first), dtype=np.float32)
    for at, hour in enumerate(range(-lead, DAY_HOURS)):
        back = hour // DAY_HOURS
        others = clean[hour % DAY_HOURS, :, first + back : last + back]
        np.subtract(others, value[hour % DAY_HOURS, :, day + back, None], out=totals[at])
    np.abs(totals, out=totals)
    if day < last:
        totals[..., day - first] = np.nan  # no day is compared with itself
    known = np.isfinite(totals)
    totals[~known] = 0
    counts = known.astype(np.float32)
    for at in range(1, len(totals)):  # running sums; numpy's own along the first axis take seven times as long
        totals[at] += totals[at - 1]
        counts[at] += counts[at - 1]
    for i, width in enumerate(WIDTHS):
        total, count = (sums[lead:] - sums[lead - width : -width] for sums in (totals, counts))
        np.divide(total, np.maximum(count, 1, out=count), out=total)
        # an hour that is unknown itself has no distance; gaps in the hours before it are left out
        total[~known[lead:]] = np.nan
        result[:, :, i] = _nearest_share(total)
    return result


def _nearest_share(distance: Cells) -> Cells:
    """The distance within which `SHARE` of the known days lie, along the last axis; NaN where too few are known."""
    ordered = np.sort(distance, axis=-1)  # unknown ones last
    known = np.isfinite(ordered).sum(axis=-1)
    rank = np.maximum(np.ceil(SHARE * known).astype(np.int64) - 1, 0)
    nearest = np.take_along_axis(ordered, rank[..., None], axis=-1)[..., 0]
    return np.where(known >= MIN_PAST_DAYS, nearest, np.nan)
