"""Which of several forecasts of one issue time stands, and which of several backtests.

Belongs here: the rules, as SQL over `forecasts.*` of the working file or the published copy; the first one is also that
of `reporting.next_day_demand`. A day that is forecast again after a promotion has the words of two models; a warehouse
is evaluated every day and whenever somebody asks.
"""

STANDING_FORECASTS = """
WITH said AS (
    SELECT * FROM forecasts.demand_forecasts WHERE issued_at_utc = $issued_at
    QUALIFY revision = max(revision) OVER (PARTITION BY meter_id, model_version, interval_start_utc, quantile)
), speakers AS (
    SELECT DISTINCT meter_id, model_version, quality FROM said
), chosen AS (
    SELECT s.meter_id, s.model_version
    FROM speakers s LEFT JOIN forecasts.model_versions v ON v.model_version = s.model_version
    QUALIFY row_number() OVER (
        PARTITION BY s.meter_id
        ORDER BY coalesce(list_position(['champion', 'retired', 'challenger'], v.role), 4),
            s.quality <> 'primary', v.trained_at_utc DESC NULLS LAST, s.model_version
    ) = 1
)
SELECT said.* FROM said SEMI JOIN chosen USING (meter_id, model_version)
"""  # with the parameter $issued_at: the champion's words, else those of a champion before it; newest revision

NEWEST_BACKTESTS = """
SELECT kind, arg_max(backtest_id, (as_of_utc, number)) AS backtest_id
FROM forecasts.backtests WHERE made_for = 'daily' AND as_of_utc <= $at GROUP BY kind
"""  # with the parameter $at: of each kind the newest one of a daily run; what people asked for stands beside it
