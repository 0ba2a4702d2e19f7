"""Frames that several assets fetch: features with labels as they were known, recent history, forecasts.

Belongs here: SQL that reads. Everything takes the instant as of which it is asked; nothing known later comes back.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from energy_assets.config import WarehouseConfig
from energy_assets.defs.issues import Issues
from energy_assets.forecasting import WINDOW_DAYS
from energy_assets.forecasting.profiles import VALID, with_profiles
from energy_assets.forecasting.selection import LEAST_KEEP_DAYS
from energy_assets.warehouse import fetch
from energy_assets.warehouse.intervals import INTERVAL_VERSIONS
from energy_assets.warehouse.standing import STANDING_FORECASTS
from energy_assets.warehouse.writes import registered

# The version of an hour that was in force at $as_of.
AS_OF = "known_from_utc <= $as_of AND (known_to_utc IS NULL OR known_to_utc > $as_of)"
# A join: list_contains would compare every row with every meter.
OF_METERS = "meter_id IN (SELECT unnest($meters::VARCHAR[]))"
# Whether a meter is learned from on an issue's day (dbt's macro `in_turn`); f: features, t: turns.
IN_TURN = "(epoch_us(f.issued_at_utc) // 86400000000 + t.turn) % t.step = 0"
LEARNED = f"(f.issued_at_utc >= $whole_since OR t.is_judged AND f.issued_at_utc >= $judged_since OR {IN_TURN})"
NEWEST_DAYS = LEAST_KEEP_DAYS + 1  # of which training looks at all meters
ALWAYS = ("meter_id", "kind", "issued_at_utc", "interval_start_utc", "interval_end_utc", "local_date")
LONGEST_DAY = timedelta(hours=64)  # from the earliest hour of an issue day to the end of the day after, in any zone


def kinds_of_meters(con: duckdb.DuckDBPyConnection, meter_ids: Sequence[str] = ()) -> list[str]:
    """Kinds that have day-ahead features, in order; of the meters named, if any are."""
    rows = con.execute(
        """SELECT DISTINCT kind FROM features.feat_demand_day_ahead
        WHERE len($meters::VARCHAR[]) = 0 OR list_contains($meters::VARCHAR[], meter_id) ORDER BY 1""",
        {"meters": list(meter_ids)},
    ).fetchall()
    return [kind for (kind,) in rows]


def features_at(con: duckdb.DuckDBPyConnection, issued_at: datetime) -> pl.DataFrame:
    """Features of one issue time, all meters."""
    rows = fetch(
        con,
        "SELECT * EXCLUDE (load_id) FROM features.feat_demand_day_ahead WHERE issued_at_utc = $issued_at "
        "ORDER BY meter_id, interval_start_utc",
        parameters={"issued_at": issued_at},
    )
    return _profiled(con, rows)


def _profiled(con: duckdb.DuckDBPyConnection, rows: pl.DataFrame) -> pl.DataFrame:
    """Features with what the meters' load profiles say of them."""
    first, last = rows.select(first=pl.col("issued_at_utc").min(), last=pl.col("issued_at_utc").max()).row(0)
    with registered(con, rows.select("meter_id").unique()) as asked:
        profiles = fetch(
            con,
            f"SELECT * FROM forecasts.demand_profiles SEMI JOIN {asked} USING (meter_id) "
            "WHERE known_from_utc > $since AND known_from_utc <= $until",
            {"since": None if first is None else first - VALID, "until": last},
        )
    return with_profiles(rows, profiles)


def issue_times(config: WarehouseConfig, *, as_of: datetime, days: int) -> list[datetime]:
    """The warehouse's own issue times of the `days` days before `as_of`, ascending.

    Features may be there for other hours too: a backtest asked for them.
    """
    since = as_of - timedelta(days=days)
    first, last = (at.astimezone(ZoneInfo(config.market.timezone)).date() for at in (since, as_of))
    every = Issues(first, last, config.forecast.issue_hour, config.market.timezone).times
    return [at for at in every if since <= at < as_of]


def labelled_features(
    con: duckdb.DuckDBPyConnection,
    config: WarehouseConfig,
    *,
    as_of: datetime,
    days: int,
    kind: str | None = None,
    whole_days: int | None = None,
    columns: Collection[str] | None = None,
) -> pl.DataFrame:
    """Features of the issue days before `as_of` with the demand that was known of them by then, of a kind or of all.

    Of a large kind, the newest `whole_days` have all meters, the newest `forecast.judged_days` those that are judged
    (none if `whole_days` are given), and the days before a share for training to learn from: those `in_turn`.
    Of `columns` those are read that there are, beside `ALWAYS`; all if absent.
    `demand_kwh` is null where it was not known or is set aside; `label_known_at_utc` says since when it is.
    """
    issues = issue_times(config, as_of=as_of, days=days)
    first, last = min(issues, default=as_of), max(issues, default=as_of)
    found = [name for name, *_ in con.execute("DESCRIBE features.feat_demand_day_ahead").fetchall()]
    chosen = [c for c in found if c != "load_id" and (columns is None or c in columns or c in ALWAYS)]
    rows = fetch(
        con,
        f"""SELECT {", ".join(f'f."{name}"' for name in chosen)}, v.demand_kwh, v.known_from_utc AS label_known_at_utc,
            {IN_TURN} AS in_turn
        FROM features.feat_demand_day_ahead f
        JOIN intermediate.int_training_turns t ON t.meter_id = f.meter_id
        LEFT JOIN (
            SELECT * FROM intermediate.int_demand_versions
            WHERE {AS_OF} AND interval_start_utc >= $first AND interval_start_utc < $until
        ) v ON v.meter_id = f.meter_id AND v.interval_start_utc = f.interval_start_utc
        WHERE f.issued_at_utc IN (SELECT unnest($issues::TIMESTAMPTZ[])) AND ($kind IS NULL OR f.kind = $kind)
            AND {LEARNED}""",
        parameters={
            "as_of": as_of,
            "issues": issues,
            "kind": kind,
            "first": first,
            "until": last + LONGEST_DAY,
            "whole_since": as_of - timedelta(days=whole_days or config.forecast.whole_days),
            "judged_since": as_of - timedelta(days=whole_days or config.forecast.judged_days),
        },
    )
    # here and not in DuckDB, whose sort of a hundred columns takes more memory than it is given
    rows = rows.sort("meter_id", "issued_at_utc", "interval_start_utc")
    return _profiled(con, rows) if columns is None else rows


def training_features(
    con: duckdb.DuckDBPyConnection, config: WarehouseConfig, *, as_of: datetime, kind: str | None = None
) -> pl.DataFrame:
    """The `labelled_features` that a model trained at `as_of` learns from."""
    days = config.forecast.training_days
    return labelled_features(con, config, as_of=as_of, days=days, kind=kind, whole_days=NEWEST_DAYS)


def learned_from(rows: pl.DataFrame, config: WarehouseConfig, *, as_of: datetime) -> pl.DataFrame:
    """The same, out of `labelled_features` of a later time."""
    issued = pl.col("issued_at_utc")
    newest = issued >= as_of - timedelta(days=NEWEST_DAYS)
    return rows.filter(issued >= as_of - timedelta(days=config.forecast.training_days), newest | pl.col("in_turn"))


def features_of(
    con: duckdb.DuckDBPyConnection,
    issues: Sequence[datetime],
    *,
    kind: str,
    judged_since: datetime,
    judged: Sequence[str] = (),
    meter_ids: Sequence[str] = (),
) -> pl.DataFrame:
    """Features of the issue times of one kind of meter, of all its meters or those of `meter_ids`.

    From `judged_since` on they are those of the meters to be `judged` (all if none are named), who look back on the
    days before; until then, of a large kind, those of the meters whose turn it is to be learned from.
    """
    rows = fetch(
        con,
        f"""SELECT f.* EXCLUDE (load_id) FROM features.feat_demand_day_ahead f
        JOIN intermediate.int_training_turns t ON t.meter_id = f.meter_id
        WHERE f.issued_at_utc IN (SELECT unnest($issues::TIMESTAMPTZ[])) AND kind = $kind
            AND (len($meters::VARCHAR[]) = 0 OR list_contains($meters::VARCHAR[], f.meter_id))
            AND (f.issued_at_utc < $judged_since AND {IN_TURN} OR f.issued_at_utc >= $whole_since
                AND (len($judged::VARCHAR[]) = 0 OR list_contains($judged::VARCHAR[], f.meter_id)))
        ORDER BY f.meter_id, f.issued_at_utc, f.interval_start_utc""",
        parameters={
            "issues": list(issues),
            "kind": kind,
            "meters": list(meter_ids),
            "judged": list(judged),
            "judged_since": judged_since,
            "whole_since": judged_since - timedelta(days=WINDOW_DAYS + 1),
        },
    )
    return _profiled(con, rows)


def demand_versions(con: duckdb.DuckDBPyConnection, hours: pl.DataFrame, *, as_of: datetime) -> pl.DataFrame:
    """Every version of the demand of some hours that was known by `as_of`, with when it was in force.

    Args:
        con: the working file.
        hours: meter_id, interval_start_utc.
        as_of: what is known later does not come back.
    """
    with registered(con, hours.select("meter_id", "interval_start_utc").unique()) as asked:
        return fetch(
            con,
            f"""SELECT meter_id, interval_start_utc, demand_kwh, known_from_utc,
                CASE WHEN known_to_utc <= $as_of THEN known_to_utc END AS known_to_utc
            FROM intermediate.int_demand_versions
            SEMI JOIN {asked} USING (meter_id, interval_start_utc)
            WHERE known_from_utc <= $as_of
                AND interval_start_utc >= (SELECT min(interval_start_utc) FROM {asked})
            ORDER BY ALL""",
            parameters={"as_of": as_of},
        )


def interval_versions(
    con: duckdb.DuckDBPyConnection, *, as_of: datetime, since: datetime, until: datetime, meter_ids: Sequence[str]
) -> pl.DataFrame:
    """The same at the meters' own interval, of those of the meters whose interval is finer than an hour."""
    return fetch(
        con,
        INTERVAL_VERSIONS,
        parameters={"as_of": as_of, "since": since, "until": until, "meters": list(meter_ids)},
    )


def meters(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Master data of all meters."""
    return fetch(con, "SELECT * FROM raw.meters ORDER BY meter_id")


def actuals(con: duckdb.DuckDBPyConnection, *, as_of: datetime, since: datetime) -> pl.DataFrame:
    """Demand per meter and hour as known at `as_of`, from `since` on."""
    return fetch(
        con,
        f"SELECT meter_id, interval_start_utc, demand_kwh, local_date FROM intermediate.int_demand_versions "
        f"WHERE {AS_OF} AND interval_start_utc >= $since AND demand_kwh IS NOT NULL ORDER BY ALL",
        parameters={"as_of": as_of, "since": since},
    )


def published(con: duckdb.DuckDBPyConnection, *, since: datetime, until: datetime) -> pl.DataFrame:
    """What others published per UTC hour and knew by `until`: every version, with when it was known."""
    return fetch(
        con,
        "SELECT meter_id, publisher, interval_start_utc, energy_kwh, known_at_utc "
        "FROM intermediate.int_published_by_hour "
        "WHERE interval_start_utc >= $since AND interval_start_utc < $until AND known_at_utc <= $until ORDER BY ALL",
        parameters={"since": since, "until": until},
    )


def machine_features(
    con: duckdb.DuckDBPyConnection, *, issued_at: datetime, labelled_days: int | None = None
) -> pl.DataFrame:
    """15-minute features of machines up to `issued_at`, with `energy_kwh` where the quarter hour is known by then.

    The label is the quarter as a later issue time first knew it (its newest quarter, lag 1): what arrives after that
    changes the mart, never a label. The newest issue time of each machine has none: it is the one to forecast.
    """
    return fetch(
        con,
        """SELECT f.*, t.energy_kwh
        FROM features.feat_machine_15min f
        LEFT JOIN (
            SELECT machine_id, data_cutoff_utc, arg_min(energy_lag_1_kwh, issued_at_utc) AS energy_kwh
            FROM features.feat_machine_15min WHERE issued_at_utc <= $at GROUP BY ALL
        ) t ON t.machine_id = f.machine_id AND t.data_cutoff_utc = f.interval_end_utc
        WHERE f.issued_at_utc <= $at AND f.issued_at_utc >= $since
        ORDER BY f.machine_id, f.issued_at_utc""",
        parameters={"at": issued_at, "since": issued_at - timedelta(days=labelled_days or 14)},
    )


def issue_forecasts(con: duckdb.DuckDBPyConnection, issued_at: datetime) -> pl.DataFrame:
    """The forecasts of one issue time that stand: one model per meter, newest revision."""
    return fetch(
        con,
        f"""SELECT * EXCLUDE (dagster_run_id) FROM ({STANDING_FORECASTS})
        ORDER BY meter_id, interval_start_utc, quantile""",
        parameters={"issued_at": issued_at},
    )
