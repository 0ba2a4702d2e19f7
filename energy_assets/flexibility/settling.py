"""What became of advice: answered, expired, and what it saved once the day's demand is known.

Belongs here: answers and actual demand put beside the advice of one issue. Does not belong here: the bill
(`savings.py`), statements of people as such.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from energy_assets.flexibility.clock import in_window, on_calendar, with_local_time
from energy_assets.flexibility.incumbents import demand_charges
from energy_assets.flexibility.programme import DemandCharge
from energy_assets.flexibility.savings import realised
from energy_assets.flexibility.tariffs import demand_prices, energy_prices

ANSWERS = {"correct": "accepted", "incorrect": "rejected"}
_AT = ["meter_id", "interval_start_utc"]


def settled(
    advice: pl.DataFrame,
    schedules: pl.DataFrame,
    answers: pl.DataFrame,
    actual: pl.DataFrame,
    meters: pl.DataFrame,
    tariffs: pl.DataFrame,
    days: pl.DataFrame,
    as_of: datetime,
) -> pl.DataFrame:
    """The advice of one issue with its status and savings as of an instant.

    Args:
        advice: rows of `flexibility.load_shift_advice` of one issue time.
        schedules: rows of `flexibility.load_shift_schedules` of it.
        answers: target_id, verdict, given_at_utc: the statements about advice that stand; of several about one advice
            the last row counts.
        actual: meter_id, averaging_minutes, interval_start_utc, power_kw that was known at `as_of`, from the beginning
            of the month of the advised day.
        meters: meter_id, timezone, country, tariff_id, interval_minutes.
        tariffs: rows of `raw.tariffs`.
        days: country, local_date, is_workday.
        as_of: aware.

    Returns:
        The rows. Savings are null until every interval of the day is known.
    """
    at = as_of.astimezone(UTC)
    verdicts = answers.select("target_id", "verdict", "given_at_utc").filter(pl.col("verdict").is_in(list(ANSWERS)))
    said = verdicts.unique("target_id", keep="last", maintain_order=True)
    begins = schedules.group_by("advice_id").agg(begins=pl.col("interval_start_utc").min())
    answered = (
        advice.join(said, left_on="advice_id", right_on="target_id", how="left", maintain_order="left")
        .join(begins, on="advice_id", how="left", maintain_order="left")
        .with_columns(
            status=pl.when(pl.col("status") == "none").then("status")
            .when(pl.col("verdict").is_not_null()).then(pl.col("verdict").replace_strict(ANSWERS, default=None))
            .when(pl.col("begins") <= at).then(pl.lit("expired"))
            .otherwise(pl.lit("proposed")),
            answered_at_utc="given_at_utc",
        )
    )  # fmt: skip
    saved = _savings(answered, schedules, actual, meters, tariffs, days, at)
    taken = pl.col("status") == "accepted"
    return (
        answered.join(saved, on="advice_id", how="left", maintain_order="left")
        .with_columns(
            realised_saving=pl.when(taken).then("saved"), potential_saving=pl.when(~taken).then("saved")
        )
        .select(advice.columns)
    )  # fmt: skip


def _savings(
    advice: pl.DataFrame, schedules: pl.DataFrame, actual: pl.DataFrame, meters: pl.DataFrame, tariffs: pl.DataFrame,
    days: pl.DataFrame, at: datetime,
) -> pl.DataFrame:  # fmt: skip
    """advice_id, saved: of the meters whose day is known as a whole, at the prices that came to hold."""
    none = pl.DataFrame(schema={"advice_id": pl.String, "saved": pl.Float64})
    moves = advice.filter(pl.col("shiftable_load_id").is_not_null()).select(
        "advice_id", "meter_id", "shifted_kwh", "status", "issued_at_utc"
    )
    if moves.is_empty():
        return none
    issued_at = moves["issued_at_utc"][0]
    minutes = (pl.col("interval_end_utc") - pl.col("interval_start_utc")).dt.total_minutes().cast(pl.Int32)
    drawn = schedules.join(moves, on="advice_id").with_columns(averaging_minutes=minutes)
    of_day = drawn.select(*_AT, "averaging_minutes").unique().join(actual, on=[*_AT, "averaging_minutes"], how="left")
    whole = pl.col("power_kw").is_not_null().all().over("meter_id")
    of_day = of_day.filter(whole).join(meters, on="meter_id").sort(_AT)
    if of_day.is_empty():
        return none
    of_day = energy_prices(tariffs, _local(of_day, days), at)
    of_day = of_day.filter(pl.col("price").is_not_null().all().over("meter_id"))
    charges = demand_charges(meters, tariffs, issued_at).join(
        demand_prices(tariffs, issued_at), on=["tariff_id", "demand_window"]
    )
    split = {
        "charge": _billed(of_day, charges, actual, meters, days).partition_by("meter_id", as_dict=True),
        "drawn": drawn.sort(
            "meter_id", pl.col("shifted_kwh").neg(), "advice_id", "interval_start_utc"
        ).partition_by("meter_id", as_dict=True, maintain_order=True),
    }  # fmt: skip
    results = []
    for key, day in of_day.partition_by("meter_id", as_dict=True, maintain_order=True).items():
        own = split["drawn"][key]
        names = own.select("advice_id", "status").unique("advice_id", maintain_order=True)
        usual, advised = (own[name].to_numpy().reshape(names.height, -1) for name in ("usual_kw", "advised_kw"))
        billed = [
            DemandCharge(float(c["price_per_kw"][0]), c["billed"].to_numpy(), float(c["incumbent_kw"][0]))
            for c in (split["charge"][key].partition_by("demand_window") if key in split["charge"] else [])
        ]
        saved = realised(
            day["power_kw"].to_numpy(), usual, advised, (names["status"] == "accepted").to_list(),
            float(day["averaging_minutes"][0]) / 60.0, day["price"].to_numpy(), billed,
        )  # fmt: skip
        results.append(names.select("advice_id").with_columns(saved=pl.Series(np.asarray(saved))))
    return pl.concat([none, *results])


def _local(rows: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """The rows, which have timezone and country, with local_time and is_workday."""
    local = with_local_time(rows, "interval_start_utc").with_columns(local_date=pl.col("local_time").dt.date())
    known = days.select("country", "local_date", "is_workday")
    return local.join(known, on=["country", "local_date"], how="left", maintain_order="left").with_columns(
        is_workday=pl.coalesce("is_workday", pl.col("local_time").dt.weekday() <= 5)
    )


def _billed(
    of_day: pl.DataFrame, charges: pl.DataFrame, actual: pl.DataFrame, meters: pl.DataFrame, days: pl.DataFrame
) -> pl.DataFrame:
    """meter_id, demand_window, price_per_kw, incumbent_kw (billed before the day), billed (whether it looks there)."""
    looks = in_window(pl.col("window"), pl.col("local_time")) & on_calendar(pl.col("calendar"), pl.col("is_workday"))
    columns = ["meter_id", "demand_window", "window", "calendar", "price_per_kw"]
    first = of_day.group_by("meter_id", "averaging_minutes").agg(
        first=pl.col("interval_start_utc").min(), period=pl.col("local_time").min().dt.strftime("%Y-%m")
    )
    earlier = actual.join(first, on=["meter_id", "averaging_minutes"]).filter(
        pl.col("interval_start_utc") < pl.col("first")
    )
    before = (
        _local(earlier.join(meters.select("meter_id", "timezone", "country"), on="meter_id"), days)
        .filter(pl.col("local_time").dt.strftime("%Y-%m") == pl.col("period"))
        .join(charges.select(columns), on="meter_id")
        .filter(looks)
        .group_by("meter_id", "demand_window")
        .agg(incumbent_kw=pl.col("power_kw").max())
    )
    return (
        of_day.select(*_AT, "local_time", "is_workday")
        .join(charges.select(columns), on="meter_id")
        .join(before, on=["meter_id", "demand_window"], how="left")
        .select(*_AT, "demand_window", "price_per_kw", pl.col("incumbent_kw").fill_null(0.0), billed=looks)
        .sort("meter_id", "demand_window", "interval_start_utc")
    )
