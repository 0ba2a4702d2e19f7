"""Contracts of the schema `flexibility`: peaks to come, and what may be done about them."""

from __future__ import annotations

from energy_assets.contracts.types import Column, Table, columns

BASES = ("capacity", "incumbent", "seasonal_quantile", "coincident")
METER_ID = Column("meter_id", "VARCHAR", "The meter", key=True)
ISSUED_AT = Column("issued_at_utc", "TIMESTAMPTZ", "Issue time of the forecast: nothing known later was used", key=True)
DEMAND_WINDOW = Column("demand_window", "VARCHAR", "Local hours and days that the demand charge looks at, e.g. 07:00-21:00 "
                       "workdays; all for every hour", key=True)
WINDOW_START = Column("window_start_utc", "TIMESTAMPTZ", "Start of the window")
WINDOW_END = Column("window_end_utc", "TIMESTAMPTZ", "End of the window")
THRESHOLD = Column("threshold_kw", "DOUBLE", "Power that may be exceeded, kW")
MODEL = Column("model_version", "VARCHAR", "Model whose quantiles were used")
LEAD_BUCKET = Column("lead_bucket", "VARCHAR", "Six-hour bucket of the lead time, e.g. 15-21")

TABLES = (
    Table("flexibility", "incumbent_peaks", "The ledger of billed power: per meter and demand charge the highest mean "
          "power of the running billing month", columns(
        METER_ID,
        Column("tariff_id", "VARCHAR", "The tariff whose demand charge it is; none: no demand charge, every hour counts",
               key=True),
        DEMAND_WINDOW,
        Column("billing_period", "VARCHAR", "Local calendar month, YYYY-MM", key=True),
        Column("as_of_utc", "TIMESTAMPTZ", "Issue time: only what was known then counts", key=True),
        Column("averaging_minutes", "INTEGER", "Billed power is the mean over so many minutes"),
        Column("billing_basis", "VARCHAR", "What is billed: the month's maximum, or the mean of the last twelve maxima",
               allowed=("monthly_maximum", "mean_of_last_twelve")),
        Column("incumbent_peak_kw", "DOUBLE", "Highest mean power in the period so far, kW: only more than this costs more"),
        Column("peak_at_utc", "TIMESTAMPTZ", "Start of the interval of that peak"),
        Column("billed_peak_kw", "DOUBLE", "What would be billed as it stands, kW: the same, or its mean with the maxima of "
               "the up to eleven months before"),
    )),
    Table("flexibility", "demand_peaks", "Windows of the next day in which a threshold may be exceeded", columns(
        Column("peak_id", "VARCHAR", "Hash of meter, issue time, model, threshold basis and window", key=True),
        Column("meter_id", "VARCHAR", "The meter"),
        Column("issued_at_utc", "TIMESTAMPTZ", "Issue time of the forecast"),
        MODEL, WINDOW_START, WINDOW_END,
        Column("lead_minutes", "INTEGER", "Minutes from issue time to the window's start"),
        Column("peak_hour_utc", "TIMESTAMPTZ", "Start of the most likely hour of the peak"),
        THRESHOLD,
        Column("threshold_basis", "VARCHAR", "Where the threshold comes from: contracted capacity, the billed peak so far, a "
               "quantile of the season, or that of the zone that the meter belongs to (coincident)", allowed=BASES),
        Column("threshold_meter_id", "VARCHAR", "Meter whose power is held against the threshold: its own, or its zone"),
        Column("demand_window", "VARCHAR", "Of an incumbent: hours and days that the demand charge looks at; else all"),
        Column("averaging_minutes", "INTEGER", "Power is the mean over so many minutes"),
        Column("probability", "DOUBLE", "Probability that the power exceeds the threshold at any time in the window"),
        Column("peak_p10_kw", "DOUBLE", "10 % quantile of the window's peak, kW"),
        Column("peak_p50_kw", "DOUBLE", "Median of the window's peak, kW"),
        Column("peak_p90_kw", "DOUBLE", "90 % quantile of the window's peak, kW"),
        Column("level", "INTEGER", "0 unlikely, 1 possible, 2 likely, 3 nearly certain"),
        Column("billing_period", "VARCHAR", "Local calendar month, YYYY-MM"),
        Column("incumbent_peak_kw", "DOUBLE", "Highest billed peak of the meter's period so far, kW", nullable=True),
        Column("own_p50_kw", "DOUBLE", "Median of the meter's own power in the most likely hour, kW", nullable=True),
    )),
    Table("flexibility", "peak_probabilities", "Probability of each hour of the next day to exceed a threshold, and how often "
          "the season's hours did", columns(
        METER_ID, ISSUED_AT,
        Column("threshold_basis", "VARCHAR", "Where the threshold comes from", key=True, allowed=BASES[:3]),
        DEMAND_WINDOW,
        Column("interval_start_utc", "TIMESTAMPTZ", "Start of the hour", key=True),
        Column("interval_end_utc", "TIMESTAMPTZ", "End of the hour"),
        MODEL,
        Column("lead_minutes", "INTEGER", "Minutes from issue time to the hour's start"),
        THRESHOLD,
        Column("averaging_minutes", "INTEGER", "Power is the mean over so many minutes"),
        Column("probability", "DOUBLE", "Probability that the hour's power exceeds the threshold"),
        Column("climatology", "DOUBLE", "Share of the same local hours of the season, known at issue time, whose power did",
               nullable=True),
    )),
    Table("flexibility", "peak_outcomes", "What came of each flagged window, and of each exceedance that nobody flagged", columns(
        Column("outcome_id", "VARCHAR", "The flagged window's peak_id, or a hash of the missed event", key=True),
        Column("peak_id", "VARCHAR", "The window; null: nothing was said of this event", nullable=True),
        Column("meter_id", "VARCHAR", "The meter"),
        Column("issued_at_utc", "TIMESTAMPTZ", "Issue time of the forecast"),
        Column("threshold_basis", "VARCHAR", "Where the threshold comes from", allowed=BASES),
        Column("demand_window", "VARCHAR", "Hours and days that the demand charge looks at; else all"),
        THRESHOLD, WINDOW_START, WINDOW_END,
        Column("lead_minutes", "INTEGER", "Minutes from issue time to the window's start"),
        LEAD_BUCKET,
        Column("probability", "DOUBLE", "Probability that was given to the window; of a missed event that of its likeliest hour"),
        Column("level", "INTEGER", "Level that was given; 0 is no warning"),
        Column("outcome", "VARCHAR", "hit (warned, exceeded), false_alarm (warned, not exceeded), miss (exceeded without a "
               "warning), correct_rejection (neither)", allowed=("hit", "false_alarm", "miss", "correct_rejection")),
        Column("actual_peak_kw", "DOUBLE", "Highest power of the window, kW"),
        Column("actual_peak_at_utc", "TIMESTAMPTZ", "Start of the hour in which it was highest"),
        Column("size_error_kw", "DOUBLE", "Forecast median of the window's peak less the actual one, kW", nullable=True),
        Column("hour_error", "DOUBLE", "Hours from the actual peak to the forecast one", nullable=True),
        Column("known_at_utc", "TIMESTAMPTZ", "When the last reading of the window was known"),
    )),
    Table("flexibility", "peak_scores", "Sums of which the Brier score of hourly probabilities, its skill and reliability are "
          "made: of any days, meters and lead times", columns(
        METER_ID, ISSUED_AT,
        Column("threshold_basis", "VARCHAR", "Where the threshold comes from", key=True, allowed=BASES[:3]),
        DEMAND_WINDOW,
        Column("lead_bucket", "VARCHAR", "Six-hour bucket of the lead time, e.g. 15-21", key=True),
        Column("probability_bin", "INTEGER", "Tenth that the probabilities lie in: 0 for 0 to below 0.1, …, 9 for 0.9 to 1",
               key=True),
        Column("hours", "INTEGER", "Hours with a probability, a climatology and an outcome"),
        Column("exceeded_hours", "INTEGER", "Of these, hours whose power exceeded the threshold"),
        Column("probability_sum", "DOUBLE", "Sum of their probabilities"),
        Column("squared_error_sum", "DOUBLE", "Sum of the squared errors of their probabilities: Brier's"),
        Column("climatology_error_sum", "DOUBLE", "The same of the climatology"),
    )),
)
