"""Contracts of drift: scores, who says so, and what is to be done about it."""

from __future__ import annotations

from energy_assets.contracts.types import Column, Table, columns

SERIES = Column("meter_id", "VARCHAR", "The meter; all:<kind> for all of a kind", key=True)
DECISIONS = ("nothing", "watch", "retrain", "investigate")

TABLES = (
    Table("monitoring", "drift_scores", "How far a week is from the past, and who says so", columns(
        SERIES,
        Column("column_name", "VARCHAR", "What was compared: reference (demand against a reference held back) decides; forecast "
               "(demand against the quantiles that were issued), a feature, demand_kwh explain", key=True),
        Column("method", "VARCHAR", "level, hour_shape, spread; wasserstein_normed of the explaining rows", key=True),
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
    Table("monitoring", "drift_decisions", "What is to be done about drift, per meter and kind and week", columns(
        SERIES,
        Column("current_end_utc", "TIMESTAMPTZ", "End of the week that it was decided on", key=True),
        Column("issued_at_utc", "TIMESTAMPTZ", "Issue time at which it was decided: nothing known later was used"),
        Column("kind", "VARCHAR", "Kind of meter"),
        Column("decision", "VARCHAR", "nothing; watch (a first week beyond its threshold); retrain (two in "
               "a row: a challenger is made, the gate decides); investigate (one meter alone, or its data explain it)",
               allowed=DECISIONS),
        Column("because", "VARCHAR", "Why, in a sentence"),
        Column("raised_since_utc", "TIMESTAMPTZ", "Start of the first week of those in a row; null while nothing is raised",
               nullable=True),
        Column("drifted_methods", "VARCHAR", "JSON list of column_name/method beyond their thresholds"),
        Column("largest_excess", "DOUBLE", "Largest score as a multiple of its threshold", nullable=True),
        Column("gap_share", "DOUBLE", "Share of the week's hours without a measured value", nullable=True),
        Column("moved_importance", "DOUBLE", "Share of the features' importance, of those looked at, that has moved",
               nullable=True),
    )),
)
