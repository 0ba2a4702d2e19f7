"""Contracts of drift: scores, and who says so."""

from __future__ import annotations

from energy_assets.contracts.types import Column, Table, columns

TABLES = (
    Table("monitoring", "drift_scores", "How far the present is from the past, and who says so", columns(
        Column("meter_id", "VARCHAR", "The meter", key=True),
        Column("column_name", "VARCHAR", "What was compared", key=True),
        Column("method", "VARCHAR", "How", key=True),
        Column("role", "VARCHAR", "decides (calibrated residuals) or explains (features, target)", key=True,
               allowed=("decides", "explains")),
        Column("current_end_utc", "TIMESTAMPTZ", "End of the current window", key=True),
        Column("current_start_utc", "TIMESTAMPTZ", "Start of the current window"),
        Column("reference_start_utc", "TIMESTAMPTZ", "Start of the reference window"),
        Column("reference_end_utc", "TIMESTAMPTZ", "End of the reference window"),
        Column("score", "DOUBLE", "The method's score", nullable=True),
        Column("threshold", "DOUBLE", "Score from which it counts as drift", nullable=True),
        Column("threshold_source", "VARCHAR", "Where the threshold comes from"),
        Column("drifted", "BOOLEAN", "Whether the score is beyond the threshold"),
        Column("importance", "DOUBLE", "Share of the feature in the model's gain", nullable=True),
        Column("report_path", "VARCHAR", "HTML report below the warehouse", nullable=True),
    )),
)
