{#-
    Demand as it was known at issue time: lags by local hour, days like the target day, the last days as a whole.
    `days_back` counts local days back from the target date: 1 is the issue's own day, known in part.
-#}

{% macro day_ahead_demand() %}
forecast_days as (
    select
        forecast_number,
        meter_id,
        issued_at_utc,
        data_cutoff_utc,
        timezone,
        days_back,
        target_date - days_back as local_date
    from forecasts
    cross join (select unnest([1, 2, 3, 4, 5, 6, 7, 8, 14, 21, 28]) as days_back) as offsets
),

demand_known as (
    select
        forecast_days.forecast_number,
        forecast_days.days_back,
        forecast_days.data_cutoff_utc,
        known.interval_start_utc,
        known.local_hour,
        known.demand_kwh
    from forecast_days
    inner join known
        on forecast_days.meter_id = known.meter_id
        and forecast_days.local_date = known.local_date
        and {{ known_at('known', 'forecast_days.issued_at_utc') }}
),

-- per local hour; an autumn hour that the clock shows twice counts as its mean
demand_by_hour as (
    select
        forecast_number,
        local_hour,
        {%- for days in [1, 2, 3, 4, 5, 6, 7, 8, 14, 21, 28] %}
        avg(case when days_back = {{ days }} then demand_kwh end) as lag_{{ days }}d{{ "," if not loop.last }}
        {%- endfor %}
    from demand_known
    group by forecast_number, local_hour
),

-- Days first, then what is known of them: a join of all demand with dates alone would hold each hour once for every day
-- that it is like. The median of a list: the aggregate keeps a state for each group that cannot leave the memory.
similar_days as materialized (
    select forecasts.forecast_number, forecasts.meter_id, forecasts.issued_at_utc, similar_dates.local_date
    from forecasts
    inner join similar_dates using (country, target_date)
),

similar_by_hour as (
    select
        similar_days.forecast_number,
        known.local_hour,
        list_median(list(known.demand_kwh)) as demand_similar_median_kwh,
        arg_max(known.demand_kwh, known.interval_start_utc) as demand_similar_last_kwh
    from similar_days
    inner join known
        on similar_days.meter_id = known.meter_id
        and similar_days.local_date = known.local_date
        and {{ known_at('known', 'similar_days.issued_at_utc') }}
    group by similar_days.forecast_number, known.local_hour
),

morning as (
    select
        forecast_number,
        {{ exact_sum('lag_1d') }} / nullif({{ exact_sum('lag_8d') }}, 0) as demand_morning_ratio
    from demand_by_hour
    where lag_1d is not null and lag_8d is not null
    group by forecast_number
),

demand_recent as (
    select
        forecast_number,
        arg_max(demand_kwh, interval_start_utc) as demand_last_known_kwh,
        {{ exact_mean('demand_kwh', where="interval_start_utc >= data_cutoff_utc - interval '24 hours'") }}
            as demand_mean_24h_kwh,
        {{ exact_mean('demand_kwh', where="interval_start_utc >= data_cutoff_utc - interval '168 hours'") }}
            as demand_mean_168h_kwh
    from demand_known
    where days_back <= 8
    group by forecast_number
),

demand_days as (
    select
        forecast_number,
        days_back,
        count(*) as hours,
        {{ exact_mean('demand_kwh') }} as mean_kwh,
        min(demand_kwh) as min_kwh,
        max(demand_kwh) as max_kwh
    from demand_known
    where days_back between 2 and 8
    group by forecast_number, days_back
),

last_full_day as (
    select
        demand_days.forecast_number,
        forecast_days.local_date,
        demand_days.days_back,
        demand_days.mean_kwh,
        demand_days.min_kwh,
        demand_days.max_kwh
    from demand_days
    inner join forecast_days using (forecast_number, days_back)
    inner join {{ ref('int_local_days') }} as local_days
        on forecast_days.timezone = local_days.timezone and forecast_days.local_date = local_days.local_date
    where demand_days.hours = local_days.hours_expected
    qualify row_number() over (partition by demand_days.forecast_number order by demand_days.days_back) = 1
)
{% endmacro %}
