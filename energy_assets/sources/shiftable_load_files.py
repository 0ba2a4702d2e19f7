"""`shiftable_load_files`: loads whose time of use may be moved, from a CSV or Parquet that has the columns of
raw.shiftable_loads.

Format of a run: `shiftable_load_id, meter_id, power_kw, duration_minutes, earliest_local, latest_local,
usual_start_local`, and, where they are not the default, `name` (the id), `interruptible` (false),
`minimum_on_minutes` (15; of a run that may not be split its duration), `calendar` (all), `rebound_share` (0),
`maximum_shift_minutes` (none). `energy_kwh` is power times duration if absent.
Format of a battery: `shiftable_load_id, meter_id, power_kw, capacity_kwh`, and `efficiency` (0.9),
`minimum_charge_share` (0.1), `maximum_charge_share` (0.9). One file may hold both; with `capacity_kwh` it is a battery.
Units as the columns are named; clock times are HH:MM in the meter's own zone, and a window lies within one local day
(00:00 to 24:00). There is no time of knowledge: a row is what holds now.
"""

from __future__ import annotations

import polars as pl

from energy_assets.config import ShiftableLoadFiles
from energy_assets.contracts import table as contract
from energy_assets.sources.base import Batch
from energy_assets.sources.numbers import with_number
from energy_assets.sources.readings import Reading, shape
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.tabular import own_names, read_table

LOADS = "raw.shiftable_loads"
NEEDED = ("shiftable_load_id", "meter_id", "power_kw")
NUMBERS = (
    "power_kw", "energy_kwh", "duration_minutes", "minimum_on_minutes", "rebound_share", "maximum_shift_minutes",
    "capacity_kwh", "efficiency", "minimum_charge_share", "maximum_charge_share",
)  # fmt: skip
CLOCKS = ("earliest_local", "latest_local", "usual_start_local")
WORDS = ("shiftable_load_id", "meter_id", "name", "interruptible", "calendar")
CLOCK = r"^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$"


def read_shiftable_load_files(source: ShiftableLoadFiles, reading: Reading) -> Batch:
    """One file of loads as raw.shiftable_loads. A row that describes no load that could run is rejected.

    Raises:
        SourceError: the file as a whole cannot be read (see `tabular.read_table`).
    """
    table = read_table(reading.file, source.delimiter, list(NEEDED), LOADS)
    names = (*WORDS, *CLOCKS, *NUMBERS)
    own = {f"_{n}": n for n in names if n in table.frame.columns}
    frame = own_names(table.frame, own)
    absent = [pl.lit(None, dtype=pl.String).alias(f"_{n}") for n in names if n not in table.frame.columns]
    sieve = Sieve(frame.with_columns(absent), LOADS, table.rejected)
    _take_values(sieve, source)
    _fill(sieve)
    _check(sieve)
    key = contract(LOADS).key
    sieve.set_aside_duplicates(list(key), [*names[1:]], raw="_shiftable_load_id", message="load")
    loads = shape(sieve.frame.with_columns(source=pl.lit(source.name)), LOADS)
    return Batch(rows=table.rows, tables={LOADS: loads}, rejected=sieve.rejected(), loaded_rows=sieve.frame["file_row"])


def _take_values(sieve: Sieve, source: ShiftableLoadFiles) -> None:
    missing = ["", *source.null_values]
    for name in (*WORDS, *CLOCKS):
        text = pl.col(f"_{name}").cast(pl.String).str.strip_chars()
        sieve.frame = sieve.frame.with_columns(pl.when(~text.is_in(missing)).then(text).alias(name))
    for name in NUMBERS:
        sieve.frame = with_number(sieve.frame, f"_{name}", name, source.null_values)
        wrong = pl.col(f"{name}_bad") | (pl.col(name) < 0)
        sieve.set_aside(
            wrong, reason="not_a_number", message=f"{name}: a number, not negative", column=name, raw=f"_{name}"
        )


def _fill(sieve: Sieve) -> None:
    """Defaults, as the module's docstring has them."""
    battery, minutes = pl.col("capacity_kwh").is_not_null(), pl.col("duration_minutes")
    yes = pl.col("interruptible").str.to_lowercase()
    sieve.frame = sieve.frame.with_columns(
        is_battery=battery,
        name=pl.coalesce("name", "shiftable_load_id"),
        calendar=pl.col("calendar").fill_null("all"),
        rebound_share=pl.col("rebound_share").fill_null(0.0),
        interruptible=pl.when(battery).then(True).otherwise(yes.fill_null("false").replace_strict(
            {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}, default=None)),
        energy_kwh=pl.when(~battery).then(pl.coalesce("energy_kwh", pl.col("power_kw") * minutes / 60)),
        duration_minutes=pl.when(~battery).then(minutes),
        usual_start_local=pl.when(~battery).then("usual_start_local"),
        earliest_local=pl.when(battery).then(pl.col("earliest_local").fill_null("00:00")).otherwise("earliest_local"),
        latest_local=pl.when(battery).then(pl.col("latest_local").fill_null("24:00")).otherwise("latest_local"),
        **{n: pl.when(battery).then(pl.col(n).fill_null(value)) for n, value in
           {"efficiency": 0.9, "minimum_charge_share": 0.1, "maximum_charge_share": 0.9}.items()},
    )  # fmt: skip
    whole = pl.when("interruptible").then(pl.col("minimum_on_minutes").fill_null(15)).otherwise("duration_minutes")
    sieve.frame = sieve.frame.with_columns(minimum_on_minutes=whole)


def _check(sieve: Sieve) -> None:
    battery = pl.col("is_battery")
    earliest, latest, usual = (_minutes(pl.col(name)) for name in CLOCKS)
    length, energy = pl.col("duration_minutes"), pl.col("power_kw") * pl.col("duration_minutes") / 60
    for name in ("shiftable_load_id", "meter_id"):
        sieve.set_aside(
            pl.col(name).is_null(), reason="no_meter", message="an id is expected", column=name, raw=f"_{name}"
        )
    allowed = list(contract(LOADS).by_name["calendar"].allowed)
    charge = pl.col("minimum_charge_share") < pl.col("maximum_charge_share")
    rules = (
        ("power_kw", pl.col("power_kw") > 0, "more than 0 kW"),
        ("calendar", pl.col("calendar").is_in(allowed), f"one of {allowed}"),
        ("interruptible", pl.col("interruptible").is_not_null(), "true or false"),
        ("earliest_local", earliest.is_not_null(), "a clock time HH:MM"),
        ("latest_local", latest > earliest, "a clock time HH:MM after earliest_local"),
        ("usual_start_local", battery | usual.is_not_null(), "a clock time HH:MM: when it runs if nobody moves it"),
        ("duration_minutes", battery | (length > 0), "minutes that a run takes"),
        ("duration_minutes", battery | (length <= latest - earliest), "no longer than from earliest to latest"),
        ("usual_start_local", battery | ((usual >= earliest) & (usual + length <= latest)), "a run within the window"),
        ("energy_kwh", battery | ((pl.col("energy_kwh") - energy).abs() <= 0.01 * energy), "power times duration"),
        ("minimum_on_minutes", battery | (pl.col("minimum_on_minutes") <= length), "no longer than the run"),
        ("efficiency", ~battery | pl.col("efficiency").is_between(0.01, 1.0), "a share of 0.01 to 1"),
        (
            "maximum_charge_share",
            ~battery | (charge & (pl.col("maximum_charge_share") <= 1.0)),
            "more than minimum, up to 1",
        ),
    )
    for name, good, expected in rules:
        sieve.set_aside(
            ~good.fill_null(value=False),
            reason="bad_value",
            message=f"{name}: {expected} is expected",
            column=name,
            raw=f"_{name}",
        )


def _minutes(clock: pl.Expr) -> pl.Expr:
    """Minutes since midnight of HH:MM; null for anything else."""
    good = pl.when(clock.str.contains(CLOCK)).then(clock)
    return good.str.slice(0, 2).cast(pl.Int32) * 60 + good.str.slice(3, 2).cast(pl.Int32)
