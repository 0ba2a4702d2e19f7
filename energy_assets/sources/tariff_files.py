"""`tariff_files`: prices from a CSV or Parquet that has the columns of raw.tariffs.

Format: `tariff_id, component, window, valid_from, price, unit`, and, where they are not the default, `valid_to`
(empty: still holds), `calendar` (all), `currency` (the market's), `known_at` (valid_from: a price is known at the
latest when it holds), and for demand charges `averaging_minutes` (60; or 15) and `billing_basis` (monthly_maximum; or
mean_of_last_twelve). `window` is `all` or local hours as 06:00-22:00 (over midnight: 22:00-06:00; each hour counts to
its own day). Units: currency per kWh for `energy`, kW_month or kW_year for `demand`, month, or kW_month and kW_year of
the contracted capacity, for `fixed`. Dynamic prices are one row per hour. Times: dates or times, instants if they have
an offset, else local to `timezone`.
"""

from __future__ import annotations

import polars as pl

from energy_assets.config import TariffFiles
from energy_assets.contracts import table as contract
from energy_assets.sources.base import Batch
from energy_assets.sources.numbers import with_number
from energy_assets.sources.readings import Reading, shape
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.tabular import own_names, read_table
from energy_assets.sources.timestamps import UTC_TIME, place_in_time, with_instants, with_stamps

TARIFFS = "raw.tariffs"
NEEDED = ("tariff_id", "component", "window", "valid_from", "price", "unit")
OPTIONAL = ("valid_to", "calendar", "currency", "known_at", "averaging_minutes", "billing_basis")
CHOICES = ("component", "calendar", "unit")
UNITS = {"energy": ["kWh"], "demand": ["kW_month", "kW_year"], "fixed": ["month", "kW_month", "kW_year"]}
WINDOW = r"^(?:all|(?:[01]\d|2[0-3]):[0-5]\d-(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00))$"


def read_tariff_files(source: TariffFiles, reading: Reading) -> Batch:
    """One file of prices as raw.tariffs. A row with a word that is not foreseen is rejected as `bad_value`.

    Raises:
        SourceError: the file as a whole cannot be read (see `tabular.read_table`).
    """
    table = read_table(reading.file, source.delimiter, list(NEEDED), TARIFFS)
    own = {f"_{n}": n for n in (*NEEDED, *OPTIONAL) if n in table.frame.columns}
    sieve = Sieve(own_names(table.frame, own), TARIFFS, table.rejected)
    _take_words(sieve, reading)
    _take_billing(sieve, source)
    _take_times(sieve, source, reading)
    sieve.frame = with_number(sieve.frame, "_price", "price", source.null_values)
    sieve.set_aside(
        pl.col("price").is_null(), reason="not_a_number", message="a price is expected", column="price", raw="_price"
    )
    sieve.set_aside_duplicates(
        list(contract(TARIFFS).key), ["valid_to_utc", "price", "averaging_minutes", "billing_basis", "currency"],
        raw="_price", message="tariff, component, window, calendar, unit and start",
    )  # fmt: skip
    tariffs = shape(sieve.frame.with_columns(source=pl.lit(source.name)), TARIFFS)
    return Batch(
        rows=table.rows,
        tables={TARIFFS: tariffs},
        rejected=sieve.rejected(),
        loaded_rows=sieve.frame["file_row"],
    )


def _take_words(sieve: Sieve, reading: Reading) -> None:
    defaults = {"calendar": "all", "currency": reading.market.currency}
    for name in ("tariff_id", "component", "window", "unit", "calendar", "currency"):
        word = pl.lit(None, dtype=pl.String)
        if f"_{name}" in sieve.frame.columns:
            word = pl.col(f"_{name}").cast(pl.String).str.strip_chars()
            word = pl.when(word != "").then(word)
        sieve.frame = sieve.frame.with_columns(pl.coalesce(word, pl.lit(defaults.get(name))).alias(name))
    patterns = {n: "^(?:" + "|".join(contract(TARIFFS).by_name[n].allowed) + ")$" for n in CHOICES}
    patterns |= {"window": WINDOW, "currency": r"^[A-Z]{3}$", "tariff_id": "."}
    for name, pattern in patterns.items():
        sieve.set_aside(
            ~pl.col(name).str.contains(pattern).fill_null(value=False),
            reason="bad_value",
            message=f"{name} as {pattern} is expected",
            column=name,
            raw=name,
        )


def _take_billing(sieve: Sieve, source: TariffFiles) -> None:
    """How billed power is measured; only demand charges have it, and the usual form stands in where it is not said."""
    fits = pl.any_horizontal((pl.col("component") == c) & pl.col("unit").is_in(units) for c, units in UNITS.items())
    sieve.set_aside(~fits, reason="bad_value", message=f"a unit of {UNITS} is expected", column="unit", raw="unit")
    given = {n: f"_{n}" if f"_{n}" in sieve.frame.columns else None for n in ("averaging_minutes", "billing_basis")}
    columns = [pl.lit(None, dtype=pl.String).alias(f"_{n}") for n, raw in given.items() if raw is None]
    sieve.frame = with_number(sieve.frame.with_columns(columns), "_averaging_minutes", "minutes", source.null_values)
    basis = pl.col("_billing_basis").cast(pl.String).str.strip_chars()
    basis = pl.when(~basis.is_in(["", *source.null_values])).then(basis)
    demand = pl.col("component") == "demand"
    sieve.frame = sieve.frame.with_columns(
        minutes=pl.when(demand).then(pl.col("minutes").fill_null(60)),
        billing_basis=pl.when(demand).then(basis.fill_null("monthly_maximum")),
    )
    sieve.set_aside(
        pl.col("minutes_bad") | ~pl.col("minutes").is_in([15.0, 60.0]), reason="bad_value",
        message="15 or 60 is expected", column="averaging_minutes", raw="_averaging_minutes",
    )  # fmt: skip
    allowed = list(contract(TARIFFS).by_name["billing_basis"].allowed)
    sieve.set_aside(
        ~pl.col("billing_basis").is_in(allowed), reason="bad_value", message=f"one of {allowed} is expected",
        column="billing_basis", raw="_billing_basis",
    )  # fmt: skip
    sieve.frame = sieve.frame.with_columns(averaging_minutes=pl.col("minutes").cast(pl.Int32))


def _take_times(sieve: Sieve, source: TariffFiles, reading: Reading) -> None:
    zone, form = source.timezone or reading.market.timezone, source.datetime_format
    place_in_time(sieve, "valid_from_utc", "_valid_from", zone, column="valid_from", datetime_format=form)
    for name, ours in (("valid_to", "valid_to_utc"), ("known_at", "known_at_utc")):
        raw = f"_{name}"
        if raw not in sieve.frame.columns:
            sieve.frame = sieve.frame.with_columns(pl.lit(None, dtype=UTC_TIME).alias(ours))
            continue
        given = pl.col(raw).cast(pl.String).str.strip_chars()
        empty = given.is_null() | given.is_in(source.null_values)
        sieve.frame = with_stamps(sieve.frame, raw, ours, form).with_columns(_empty=empty)
        sieve.set_aside(
            pl.col(f"{ours}_naive").is_null() & pl.col(f"{ours}_instant").is_null() & ~pl.col("_empty"),
            reason="bad_timestamp",
            message="a date or time, or nothing, is expected",
            column=name,
            raw=raw,
        )
        sieve.frame = with_instants(sieve.frame, ours, zone)
        skipped = pl.col(ours).is_null() & ~pl.col("_empty")
        sieve.set_aside(
            skipped, reason="nonexistent_local_time", message=f"clocks in {zone} skip it", column=name, raw=raw
        )
    sieve.frame = sieve.frame.with_columns(known_at_utc=pl.coalesce("known_at_utc", "valid_from_utc"))
    sieve.set_aside(
        pl.col("valid_to_utc") <= pl.col("valid_from_utc"),
        reason="bad_value",
        message="valid_to after valid_from is expected",
        column="valid_to",
        raw="_valid_to" if "_valid_to" in sieve.frame.columns else None,
    )
