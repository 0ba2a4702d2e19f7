"""Contracts of advice on load shifting: what to move, what it should save, and what it did."""

from __future__ import annotations

from energy_assets.contracts.types import Column, Table, columns

ADVICE_ID = Column("advice_id", "VARCHAR", "Hash of the load (or of the meter, where nothing is advised) and issue time", key=True)
STATUSES = ("proposed", "accepted", "rejected", "expired", "none")

TABLES = (
    Table("flexibility", "load_shift_advice", "What to run when on the next local day: one row per load to be moved, or one "
          "per meter that says why nothing is. The moves of a meter are planned together", columns(
        ADVICE_ID,
        Column("site_id", "VARCHAR", "Site; the meter itself where it names none"),
        Column("meter_id", "VARCHAR", "Meter that is billed"),
        Column("tariff_id", "VARCHAR", "Tariff that it is billed by"),
        Column("issued_at_utc", "TIMESTAMPTZ", "Issue time: nothing known later was used"),
        Column("local_date", "DATE", "Local day that is planned"),
        Column("peak_id", "VARCHAR", "Likeliest flagged peak that the move makes room in", nullable=True),
        Column("shiftable_load_id", "VARCHAR", "The load; null where nothing is advised", nullable=True),
        Column("from_start_utc", "TIMESTAMPTZ", "Start of the usual run; null for a battery", nullable=True),
        Column("from_end_utc", "TIMESTAMPTZ", "End of the usual run", nullable=True),
        Column("to_start_utc", "TIMESTAMPTZ", "Start of the first stretch advised", nullable=True),
        Column("to_end_utc", "TIMESTAMPTZ", "End of the last stretch advised", nullable=True),
        Column("shifted_kwh", "DOUBLE", "Energy that is drawn at another time; of a battery what it charges", nullable=True),
        Column("saving_energy", "DOUBLE", "Energy cost saved by the move, at the prices known or expected", nullable=True),
        Column("saving_demand", "DOUBLE", "Mean over the paths of the demand charge saved, by this move on top of those of the "
               "meter's rows before it", nullable=True),
        Column("currency", "VARCHAR", "ISO 4217 currency of the savings", nullable=True),
        Column("peak_before_kw", "DOUBLE", "Median over the paths of the day's highest billed power without any move", nullable=True),
        Column("peak_after_kw", "DOUBLE", "The same with all moves of the meter", nullable=True),
        Column("incumbent_peak_kw", "DOUBLE", "Highest billed power of the month so far, as known", nullable=True),
        Column("price_basis", "VARCHAR", "Whether all prices of the day were published at the issue time", nullable=True,
               allowed=("published", "expected")),
        Column("solver_status", "VARCHAR", "optimal; time_limit (the best found in time); no_solution; not_run (no forecast, or "
               "no price)", allowed=("optimal", "time_limit", "no_solution", "not_run")),
        Column("status", "VARCHAR", "proposed; accepted or rejected by a person; expired: its day began and nobody answered; "
               "none: nothing is advised", allowed=STATUSES),
        Column("answered_at_utc", "TIMESTAMPTZ", "When it was accepted or rejected", nullable=True),
        Column("realised_saving", "DOUBLE", "Accepted: what it saved, actual demand against the usual run in its stead",
               nullable=True),
        Column("potential_saving", "DOUBLE", "Not accepted: what it would have saved, actual demand against the move",
               nullable=True),
        Column("sentence", "VARCHAR", "The advice for people"),
        Column("model_version", "VARCHAR", "Model whose paths were used", nullable=True),
    )),
    Table("flexibility", "load_shift_schedules", "What each load that is advised to move draws, interval by interval", columns(
        ADVICE_ID,
        Column("interval_start_utc", "TIMESTAMPTZ", "Start of the interval", key=True),
        Column("interval_end_utc", "TIMESTAMPTZ", "End of the interval"),
        Column("usual_kw", "DOUBLE", "Draw when nobody moves it, kW"),
        Column("advised_kw", "DOUBLE", "Draw as advised, kW; below zero where a battery gives"),
    )),
    Table("flexibility", "load_shift_outlook", "The planned day of each meter with advice, interval by interval", columns(
        Column("meter_id", "VARCHAR", "Meter that is billed", key=True),
        Column("issued_at_utc", "TIMESTAMPTZ", "Issue time", key=True),
        Column("interval_start_utc", "TIMESTAMPTZ", "Start of the interval", key=True),
        Column("interval_end_utc", "TIMESTAMPTZ", "End of the interval"),
        Column("price", "DOUBLE", "Price of energy per kWh"),
        Column("price_basis", "VARCHAR", "published, or expected: that of the same hour of the week before",
               allowed=("published", "expected")),
        Column("currency", "VARCHAR", "ISO 4217 currency of the price"),
        Column("before_p10_kw", "DOUBLE", "10 % quantile of the power without any move, kW"),
        Column("before_p50_kw", "DOUBLE", "Its median, kW"),
        Column("before_p90_kw", "DOUBLE", "Its 90 % quantile, kW"),
        Column("moved_kw", "DOUBLE", "What the advised moves add, kW; below zero where they take away"),
        Column("incumbent_peak_kw", "DOUBLE", "Highest billed power of the month so far in the charge that looks at this "
               "interval, as known", nullable=True),
    )),
)
