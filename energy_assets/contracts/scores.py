"""Contracts of the scores of forecasts, issued or of a backtest."""

from __future__ import annotations

from energy_assets.contracts.types import Column, Table, columns

TABLES = (
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
)
