"""Times of files to UTC instants: texts, naive local times, both days on which the clock changes.

Belongs here: parsing and zones. Does not belong here: what a time marks (start or end), or which rows are kept.

The rules. A time with an offset is an instant. A naive time is local to a zone. A local time that the zone skips
(spring) does not exist and has no instant. A local time that the zone repeats (autumn) is resolved by the order of
the rows: from where the local time first stands still or steps back, rows belong to the second pass; before, to the
first. A file that holds the repeated hour once means its first pass. Nothing is guessed from the values.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from energy_assets.config import PublishedAt
from energy_assets.sources.sieve import Sieve

UTC_TIME = pl.Datetime("us", "UTC")
NAIVE_TIME = pl.Datetime("us")
EARLIEST_YEAR = 1980  # before it there are only clocks that were reset

_OFFSET = r"(?:\d{2}:\d{2}|\d{2}:\d{2}:\d{2}(?:[.,]\d+)?)\s*(Z|z|UTC|[+-]\d{2}(?::?\d{2})?)$"
_OFFSET_END = r"\s*(?:Z|z|UTC|[+-]\d{2}(?::?\d{2})?)$"
_END_OF_DAY = r"(^|[ T])24:00(:00)?(\D|$)"


def with_stamps(frame: pl.DataFrame, column: str, name: str, datetime_format: str | None = None) -> pl.DataFrame:
    """The frame with `<name>_instant` (UTC) for times with an offset and `<name>_naive` for times without.

    Both are null where the cell is no time. Text is ISO 8601 or `datetime_format` (strftime); 24:00 is the next
    midnight. Years before 1980 are no time: they come from clocks that were reset.

    >>> frame = with_stamps(pl.DataFrame({"t": ["2020-01-01 24:00", "2020-01-01T12:00+01:00", "soon"]}), "t", "at")
    >>> [str(t) for t in frame["at_naive"]], [str(t) for t in frame["at_instant"]]
    (['2020-01-02 00:00:00', 'None', 'None'], ['None', '2020-01-01 11:00:00+00:00', 'None'])
    """
    kind = frame.schema[column]
    none_naive, none_instant = pl.lit(None, dtype=NAIVE_TIME), pl.lit(None, dtype=UTC_TIME)
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        naive, instant = none_naive, pl.col(column).dt.convert_time_zone("UTC").cast(UTC_TIME)
    elif isinstance(kind, pl.Datetime) or kind == pl.Date:
        naive, instant = pl.col(column).cast(NAIVE_TIME), none_instant
    elif datetime_format and "%z" in datetime_format:
        naive = none_naive
        instant = (
            pl.col(column)
            .cast(pl.String)
            .str.strip_chars()
            .str.to_datetime(datetime_format, time_unit="us", time_zone="UTC", strict=False)
        )
    else:
        naive, instant = _from_text(pl.col(column).cast(pl.String).str.strip_chars(), datetime_format)
    frame = frame.with_columns(naive.alias(f"{name}_naive"), instant.alias(f"{name}_instant"))
    return frame.with_columns(
        pl.when(pl.col(c).dt.year() >= EARLIEST_YEAR).then(pl.col(c)) for c in (f"{name}_naive", f"{name}_instant")
    )


def _from_text(text: pl.Expr, datetime_format: str | None) -> tuple[pl.Expr, pl.Expr]:
    late = text.str.contains(_END_OF_DAY)
    text = pl.when(late).then(text.str.replace(_END_OF_DAY, "${1}00:00${2}${3}")).otherwise(text)
    a_day = pl.when(late).then(pl.duration(days=1)).otherwise(pl.duration())
    if datetime_format:
        parsed = text.str.to_datetime(datetime_format, time_unit="us", strict=False)
        return parsed + a_day, pl.lit(None, dtype=UTC_TIME)
    offset = text.str.extract(_OFFSET, 1)
    bare = pl.when(offset.is_null()).then(text).otherwise(text.str.replace(_OFFSET_END, "")).str.replace("T", " ")
    local = pl.coalesce(
        bare.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False),
        bare.str.to_datetime("%Y-%m-%d %H:%M", time_unit="us", strict=False),
        bare.str.to_date("%Y-%m-%d", strict=False).cast(NAIVE_TIME),
    )
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    digits = offset.str.replace_all(r"\D", "")
    minutes = digits.str.slice(0, 2).cast(pl.Int64, strict=False).fill_null(0) * 60 + digits.str.slice(2, 2).cast(
        pl.Int64, strict=False
    ).fill_null(0)
    instant = (local + a_day - pl.duration(minutes=sign * minutes)).dt.replace_time_zone("UTC")
    return pl.when(offset.is_null()).then(local + a_day), pl.when(offset.is_not_null()).then(instant)


def with_instants(frame: pl.DataFrame, name: str, zone: str, by: Sequence[str] = ()) -> pl.DataFrame:
    """The frame with `name`: the instant of each row, UTC; null where the local time does not exist (or is null).

    Args:
        frame: with `<name>_naive` and `<name>_instant` (see `with_stamps`), rows in the order of the file.
        name: of the new column.
        zone: IANA zone of the naive times.
        by: columns of one series; the order of rows counts within it (and may run backwards through all of it).
    """
    naive = pl.col(f"{name}_naive")
    frame = frame.with_columns(
        _first=naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC"),
        _second=naive.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null").dt.convert_time_zone("UTC"),
    )
    repeated = (frame["_first"] != frame["_second"]).fill_null(value=False)
    chosen = frame["_first"]
    if repeated.any():
        late = _second_pass(frame, naive, repeated, list(by))
        chosen = frame.select(pl.when(pl.lit(late)).then("_second").otherwise("_first")).to_series()
    return frame.with_columns(pl.coalesce(f"{name}_instant", chosen).alias(name)).drop("_first", "_second")


def _second_pass(frame: pl.DataFrame, naive: pl.Expr, repeated: pl.Series, by: list[str]) -> pl.Series:
    """Which rows of a repeated hour stand in its second pass."""
    series = [pl.col(c) for c in by] or [pl.lit(0)]
    work = frame.select(*(e.alias(f"by{i}") for i, e in enumerate(series)), naive.alias("naive"))
    keys = [f"by{i}" for i in range(len(series))]
    step = pl.col("naive").diff()
    # Newest first is an order too: there the second pass comes first.
    work = work.with_columns(
        backwards=((step < pl.duration()).sum() > (step > pl.duration()).sum()).over(keys),
        at=pl.int_range(pl.len()),
    ).filter(repeated)
    work = work.with_columns(order=pl.when("backwards").then(-pl.col("at")).otherwise(pl.col("at"))).sort("order")
    fold = [*keys, pl.col("naive").dt.date()]
    stands_or_steps_back = (pl.col("naive") <= pl.col("naive").shift(1)).fill_null(value=False)
    late = work.with_columns(late=stands_or_steps_back.cast(pl.Int8).cum_max().over(fold) > 0).filter("late")["at"]
    return pl.int_range(frame.height, eager=True).is_in(late.implode())


def place_in_time(
    sieve: Sieve,
    name: str,
    raw: str,
    zone: str,
    *,
    column: str,
    datetime_format: str | None = None,
    by: Sequence[str] = (),
) -> None:
    """Adds the instant `name` of the times in `raw`; sets rows aside without one.

    `column` is the file's name of the column, `raw` the frame's. Reasons: `bad_timestamp`, `nonexistent_local_time`.
    """
    sieve.frame = with_stamps(sieve.frame, raw, name, datetime_format)
    set_aside_bad_times(sieve, name, raw, column, datetime_format)
    sieve.frame = with_instants(sieve.frame, name, zone, by)
    set_aside_nonexistent(sieve, name, raw, column, zone)


def set_aside_bad_times(sieve: Sieve, name: str, raw: str, column: str, datetime_format: str | None) -> None:
    """Sets rows aside whose cell is no time; belongs between `with_stamps` and `with_instants`."""
    wanted = f"a time as {datetime_format}" if datetime_format else "an ISO 8601 time"
    sieve.set_aside(
        pl.col(f"{name}_naive").is_null() & pl.col(f"{name}_instant").is_null(),
        reason="bad_timestamp",
        message=f"{wanted} from {EARLIEST_YEAR} on is expected",
        column=column,
        raw=raw,
    )


def set_aside_nonexistent(sieve: Sieve, name: str, raw: str, column: str, zone: str) -> None:
    """Sets rows aside whose local time the zone skips; belongs after `with_instants`.

    Where the frame has `_value` and `name` is the reading's own time (`at`), the rejected rows that hold a value keep
    the instant at which the clock was put forward as the start of their interval: somebody filled an hour that never
    was.
    """
    if name == "at" and "_value" in sieve.frame.columns and sieve.frame[name].has_nulls():
        before = (pl.col(f"{name}_naive") - pl.duration(hours=1)).dt.replace_time_zone(
            zone, ambiguous="earliest", non_existent="null"
        )
        skipped = pl.col(name).is_null() & pl.col("_value").is_not_null()
        sieve.frame = sieve.frame.with_columns(
            interval_start_utc=pl.when(skipped).then(
                before.dt.convert_time_zone("UTC").cast(UTC_TIME) + pl.duration(hours=1)
            )
        )
    sieve.set_aside(
        pl.col(name).is_null(),
        reason="nonexistent_local_time",
        message=f"clocks in {zone} skip this time; correct `timezone` in sources.yaml if the file uses another zone",
        column=column,
        raw=raw,
    )


def local_hour_of_day(instant: pl.Expr, zone: str, when: PublishedAt) -> pl.Expr:
    """The instant of a local hour relative to the local day of another instant, UTC.

    An hour that the clock skips is taken one hour later, one that it repeats at its first pass.

    >>> at = pl.lit("2022-03-01T00:00:00Z").str.to_datetime(time_zone="UTC")
    >>> str(pl.select(local_hour_of_day(at, "Europe/Paris", PublishedAt(day=-1, hour=10))).item())
    '2022-02-28 09:00:00+00:00'
    """
    day = instant.dt.convert_time_zone(zone).dt.date().cast(NAIVE_TIME)
    local = day + pl.duration(days=when.day, hours=when.hour, minutes=when.minute)
    there = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    later = (local + pl.duration(hours=1)).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return pl.coalesce(there, later).dt.convert_time_zone("UTC").cast(UTC_TIME)


def local_time(instant: pl.Expr, zone: str) -> pl.Expr:
    """The naive local time of an instant."""
    return instant.dt.convert_time_zone(zone).dt.replace_time_zone(None)
