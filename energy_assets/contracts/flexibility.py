"""Contracts of the schema `flexibility`: peaks to come, and what may be done about them."""

from __future__ import annotations

from energy_assets.contracts.types import Column, Table, columns

TABLES = (
    Table("flexibility", "incumbent_peaks", "The highest billed power so far, per meter and billing month", columns(
        Column("meter_id", "VARCHAR", "The meter", key=True),
        Column("billing_period", "VARCHAR", "Local calendar month, YYYY-MM", key=True),
        Column("as_of_utc", "TIMESTAMPTZ", "Issue time: only what was known then counts", key=True),
        Column("incumbent_peak_kw", "DOUBLE", "Highest mean power of an hour in the period so far, kW"),
        Column("peak_at_utc", "TIMESTAMPTZ", "Start of the hour of that peak"),
    )),
    Table("flexibility", "demand_peaks", "Windows of the next day in which a threshold may be exceeded", columns(
        Column("peak_id", "VARCHAR", "Hash of meter, issue time, threshold basis and window", key=True),
        Column("meter_id", "VARCHAR", "The meter"),
        Column("issued_at_utc", "TIMESTAMPTZ", "Issue time of the forecast"),
        Column("model_version", "VARCHAR", "Model whose quantiles were used"),
        Column("window_start_utc", "TIMESTAMPTZ", "Start of the window"),
        Column("window_end_utc", "TIMESTAMPTZ", "End of the window"),
        Column("peak_hour_utc", "TIMESTAMPTZ", "Start of the most likely hour of the peak"),
        Column("threshold_kw", "DOUBLE", "Power that may be exceeded, kW"),
        Column("threshold_basis", "VARCHAR", "Where the threshold comes from",
               allowed=("capacity", "incumbent", "seasonal_quantile")),
        Column("probability", "DOUBLE", "Probability that the window exceeds the threshold"),
        Column("peak_p10_kw", "DOUBLE", "10 % quantile of the window's peak, kW"),
        Column("peak_p50_kw", "DOUBLE", "Median of the window's peak, kW"),
        Column("peak_p90_kw", "DOUBLE", "90 % quantile of the window's peak, kW"),
        Column("level", "INTEGER", "0 unlikely, 1 possible, 2 likely, 3 nearly certain"),
        Column("billing_period", "VARCHAR", "Local calendar month, YYYY-MM"),
        Column("incumbent_peak_kw", "DOUBLE", "Billed peak of the period so far, kW", nullable=True),
    )),
)
