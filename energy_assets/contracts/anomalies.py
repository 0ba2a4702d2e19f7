"""Contracts of what is found in the readings: events that do not look like demand."""

from __future__ import annotations

from energy_assets.contracts.types import Column, Table, columns

ANOMALY_KINDS = (
    "missing", "duplicate", "dst_fold", "negative", "zero_run", "flatline", "spike", "dip", "level_shift", "unit_scale",
    "meter_reset", "rollover", "sentinel", "estimated_run", "clock_shift", "night_baseload", "contextual",
)  # fmt: skip
ACTIONS = ("none", "exclude", "impute", "quarantine")

TABLES = (
    Table("monitoring", "demand_anomalies", "Events in the readings that do not look like demand", columns(
        Column("anomaly_id", "VARCHAR", "Hash of meter, kind, detector and start", key=True),
        Column("meter_id", "VARCHAR", "The meter"),
        Column("start_utc", "TIMESTAMPTZ", "Start of the event"),
        Column("end_utc", "TIMESTAMPTZ", "End of the event"),
        Column("kind", "VARCHAR", "Reason code", allowed=ANOMALY_KINDS),
        Column("detector", "VARCHAR", "Rule or model that found it"),
        Column("score", "DOUBLE", "How far beyond usual, in the detector's own measure"),
        Column("threshold", "DOUBLE", "Score from which the detector speaks"),
        Column("severity", "VARCHAR", "How much it matters", allowed=("low", "medium", "high")),
        Column("observed_kwh", "DOUBLE", "Energy reported over the event, kWh", nullable=True),
        Column("expected_kwh", "DOUBLE", "Energy expected over the event, kWh", nullable=True),
        Column("excess_kwh", "DOUBLE", "Reported less expected, kWh: below zero where energy is missing", nullable=True),
        Column("detected_at_utc", "TIMESTAMPTZ", "Issue time of the run that found it"),
        Column("action", "VARCHAR", "What was done about it", allowed=ACTIONS),
        Column("message", "VARCHAR", "The finding in a sentence"),
    )),
)
