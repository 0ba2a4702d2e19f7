"""Contracts of the schema `forecasts`: models, their decisions, and what they said."""

from __future__ import annotations

from energy_assets.contracts.types import Column, Table, columns

METER_ID = Column("meter_id", "VARCHAR", "The meter", key=True)
ISSUED_AT = Column("issued_at_utc", "TIMESTAMPTZ", "Issue time: nothing known later was used", key=True)
START = Column("interval_start_utc", "TIMESTAMPTZ", "Start of the half-open interval", key=True)
END = Column("interval_end_utc", "TIMESTAMPTZ", "End of the half-open interval")
QUANTILE = Column("quantile", "DOUBLE", "Probability that demand stays at or below the value", key=True)
REVISION = Column("revision", "INTEGER", "0 first; +1 each time the same model said otherwise for the same issue", key=True)
CUTOFF = Column("data_cutoff_utc", "TIMESTAMPTZ", "Newest known reading of the meter at issue time", nullable=True)
LEAD = Column("lead_minutes", "INTEGER", "Minutes from issue time to the interval's start")
FALLBACK_REASON = Column("quality_reason", "VARCHAR", "Why a fallback was needed", nullable=True)
RUN_ID = Column("dagster_run_id", "VARCHAR", "Run that made it", audit=True)

TABLES = (
    Table("forecasts", "model_versions", "One row per trained model", columns(
        Column("model_version", "VARCHAR", "Hash of everything that went into the model", key=True),
        Column("model_name", "VARCHAR", "What is modelled: method and kind of meter"),
        Column("kind", "VARCHAR", "Kind of meter it forecasts"),
        Column("role", "VARCHAR", "Standing", allowed=("champion", "challenger", "retired")),
        Column("trained_at_utc", "TIMESTAMPTZ", "As of when it was trained"),
        Column("train_start_utc", "TIMESTAMPTZ", "First interval it learned from"),
        Column("train_end_utc", "TIMESTAMPTZ", "End of the last interval it learned from"),
        Column("features", "VARCHAR", "JSON list of its features"),
        Column("params", "VARCHAR", "JSON of its parameters"),
        Column("metrics", "VARCHAR", "JSON of its metrics on days it did not learn from"),
        Column("artefact", "VARCHAR", "Path of the artefact below the warehouse"),
        Column("sha256", "VARCHAR", "Checksum of the artefact"),
        Column("decision", "VARCHAR", "What the gate said"),
        Column("decided_because", "VARCHAR", "Why"),
        Column("dagster_run_id", "VARCHAR", "Run that trained it", audit=True),
    )),
    Table("forecasts", "model_decisions", "Promotions, refusals and demotions, append-only", columns(
        Column("model_name", "VARCHAR", "What is modelled", key=True),
        Column("decided_at_utc", "TIMESTAMPTZ", "As of when it was decided; replays use what was promoted before", key=True),
        Column("from_version", "VARCHAR", "Champion before", nullable=True),
        Column("to_version", "VARCHAR", "Champion after"),
        Column("candidate_version", "VARCHAR", "What was judged: a model, or seasonal_naive", key=True),
        Column("decision", "VARCHAR", "first (nothing to compare with), promoted, kept (the champion stays), demoted (its "
               "predecessor is put back), withheld (the naive forecast speaks for it), restored (it speaks again)",
               allowed=("first", "promoted", "kept", "demoted", "withheld", "restored")),
        Column("test", "VARCHAR", "What was compared"),
        Column("figures", "VARCHAR", "JSON of the figures"),
        Column("reason", "VARCHAR", "Why, in a sentence"),
    )),
    Table("forecasts", "demand_profiles", "The usual demand of each meter of a large kind by local hour: regressions on "
          "calendar and weather, learned of a year anew every four weeks", columns(
        METER_ID,
        Column("known_from_utc", "TIMESTAMPTZ", "What became known in the 52 weeks before was learned from", key=True),
        Column("local_hour", "INTEGER", "Local hour, 0-23", key=True),
        Column("base_kwh", "FLOAT", "Demand of a working day without heating and cooling, kWh"),
        Column("saturday_kwh", "FLOAT", "What a Saturday adds, kWh"),
        Column("sunday_kwh", "FLOAT", "What a Sunday or holiday adds, kWh"),
        Column("heating_kwh", "FLOAT", "What a degree below 17 C adds, of the hour, kWh"),
        Column("heating_day_kwh", "FLOAT", "The same, of the mean of 24 hours, kWh"),
        Column("cooling_kwh", "FLOAT", "What a degree above 20 C adds, kWh"),
        Column("year_sin_kwh", "FLOAT", "Times the sine of the year's angle, kWh"),
        Column("year_cos_kwh", "FLOAT", "Times its cosine, kWh"),
        Column("level_kwh", "FLOAT", "The meter's mean demand of an hour, kWh"),
        Column("spread", "FLOAT", "Mean absolute log ratio of demand to profile in the newest eight weeks"),
    )),
    Table("forecasts", "demand_forecasts", "Quantile forecasts per meter and interval, append-only", columns(
        METER_ID, ISSUED_AT,
        Column("model_version", "VARCHAR", "The model that made it", key=True),
        START, QUANTILE,
        REVISION, END, CUTOFF, LEAD,
        Column("demand_kwh", "DOUBLE", "Demand over the interval, kWh"),
        Column("quality", "VARCHAR", "primary, or fallback where inputs were missing", allowed=("primary", "fallback")),
        FALLBACK_REASON, RUN_ID,
    )),
    Table("forecasts", "interval_forecasts", "Quantile forecasts at the meters' own interval where it is finer than an hour "
          "and its source asks for them (`forecast.own_interval`), append-only", columns(
        METER_ID, ISSUED_AT,
        Column("model_version", "VARCHAR", "The model that forecast the hour", key=True),
        START, QUANTILE,
        REVISION, END, CUTOFF, LEAD,
        Column("demand_kwh", "DOUBLE", "Demand over the interval, kWh; the medians of an hour's parts sum up to the hour's"),
        Column("quality", "VARCHAR", "That of the hour's forecast: primary or fallback", allowed=("primary", "fallback")),
        FALLBACK_REASON, RUN_ID,
    )),
    Table("forecasts", "demand_scenarios", "Joint paths over the horizon whose margins are the quantiles", columns(
        METER_ID, ISSUED_AT,
        Column("model_version", "VARCHAR", "The model that made it", key=True),
        Column("scenario", "INTEGER", "Number of the path", key=True),
        START, END,
        Column("demand_kwh", "DOUBLE", "Demand over the interval, kWh"),
    )),
    Table("forecasts", "backtests", "One row per rolling-origin evaluation: what was asked, of whom, as of when", columns(
        Column("backtest_id", "VARCHAR", "Hash of window, meters, settings, models and data", key=True),
        Column("kind", "VARCHAR", "Kind of meter"),
        Column("made_for", "VARCHAR", "daily (of every run: the last weeks), or asked by a person; the newest daily one is the "
               "warehouse's own", allowed=("daily", "asked")),
        Column("start_date", "DATE", "First local day that was forecast"),
        Column("end_date", "DATE", "Last local day that was forecast"),
        Column("issue_hour", "INTEGER", "Local hour of the day before at which forecasts were issued"),
        Column("refit_weeks", "INTEGER", "Weeks between two fits"),
        Column("training_days", "INTEGER", "Issue days before each fit that it could learn from"),
        Column("models", "VARCHAR", "JSON list of the models"),
        Column("meters", "VARCHAR", "JSON list of the meters that were asked for; null: all of the kind", nullable=True),
        Column("as_of_utc", "TIMESTAMPTZ", "Issue time of the run: what had come true by then is what it was scored by"),
        Column("number", "BIGINT", "Order in which this warehouse made them", audit=True),
        Column("forecast_interval", "VARCHAR", "hour, or own: the meters' own interval, of those that have a finer one",
               allowed=("hour", "own")),
    )),
    Table("forecasts", "backtest_forecasts", "Rolling-origin forecasts of ours, the baselines and the publisher", columns(
        Column("backtest_id", "VARCHAR", "The backtest", key=True),
        METER_ID, ISSUED_AT,
        Column("model_name", "VARCHAR", "Model, baseline or publisher", key=True),
        START, QUANTILE, END,
        Column("demand_kwh", "DOUBLE", "Demand over the interval, kWh"),
        Column("publisher", "VARCHAR", "Who published it; null for our models and baselines", nullable=True),
    )),
)
