"""Contracts of the schema `monitoring`: anomalies, drift and the scores of forecasts."""

from __future__ import annotations

from energy_assets.contracts.types import Column, Table, columns

ANOMALY_KINDS = ("missing", "duplicate", "negative", "flatline", "zero_run", "spike", "unit_scale", "contextual")

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
        Column("detected_at_utc", "TIMESTAMPTZ", "Issue time of the run that found it"),
        Column("action", "VARCHAR", "What was done about it", allowed=("none", "exclude", "impute", "quarantine")),
        Column("message", "VARCHAR", "The finding in a sentence"),
    )),
    Table("monitoring", "forecast_scores", "Errors of forecasts once actuals are in", columns(
        Column("meter_id", "VARCHAR", "The meter", key=True),
        Column("issued_at_utc", "TIMESTAMPTZ", "Issue time of the forecast", key=True),
        Column("lead_bucket", "VARCHAR", "Lead time bucket in hours, e.g. 15-21; all for the whole day", key=True),
        Column("model_version", "VARCHAR", "The model that was scored", key=True),
        Column("metric", "VARCHAR", "mae, rmse, mape, wape, bias, pinball, crps_share, coverage_ and width_ of 50, 80 and 90 % bands, "
               "peak_error (kWh), peak_hour_hit (within an hour)", key=True),
        Column("baseline_name", "VARCHAR", "What it is compared with", key=True),
        Column("local_date", "DATE", "Local day that was forecast"),
        Column("issue_basis", "VARCHAR", "Whether the weather's issue times were reported or assumed; none without weather",
               allowed=("reported", "assumed", "none")),
        Column("value", "DOUBLE", "The metric; kWh, or a share", nullable=True),
        Column("n", "INTEGER", "Intervals scored"),
        Column("baseline_value", "DOUBLE", "The same metric of the baseline on the same intervals", nullable=True),
        Column("skill", "DOUBLE", "1 - value / baseline_value", nullable=True),
    )),
    Table("monitoring", "backtest_scores", "Metrics of a backtest per model and slice", columns(
        Column("backtest_id", "VARCHAR", "The backtest", key=True),
        Column("meter_id", "VARCHAR", "The meter; all:<kind> for all of a kind", key=True),
        Column("model_name", "VARCHAR", "Model, baseline or publisher", key=True),
        Column("slice", "VARCHAR", "all, lead:15-21 (hours); of all of a kind also hour:07, month:2023-01, quarter:2023Q1, "
               "day_type:bridge_day, temperature:5 to 10 (°C); publisher:<name> of a forecast that was not compared with", key=True),
        Column("metric", "VARCHAR", "mae, rmse, mape, wape, bias, pinball, crps_share, coverage_ and width_ of 50, 80 and 90 % bands, "
               "peak_error, peak_hour_hit, skill_<model> (1 - MAE / its MAE), dm_statistic and dm_p_value (Diebold-Mariano "
               "against the publisher), flag_<finding> (why a publisher was not compared with)", key=True),
        Column("value", "DOUBLE", "The metric; kWh, or a share", nullable=True),
        Column("n", "INTEGER", "Intervals scored; days of dm_ metrics"),
    )),
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
