{{ config(
    unique_key=['meter_id', 'issued_at_utc'],
) }}

{#-
    What was known at issue time about every hour of the meter's next local day, and nothing else. Demand comes from
    int_demand_versions (a version counts if known_from <= issued_at < known_to), weather from int_weather_versions by the
    same rule. The parts are in macros/features/.
-#}

{%- set weather_hours_back = 240 %} {#- a mean of 72 hours, a week back -#}

with {{ day_ahead_forecasts(weather_hours_back) }},

{{ day_ahead_calendar() }},

{{ day_ahead_demand() }},

{{ day_ahead_weather(weather_hours_back) }},

-- what others had published by the issue time; the newest of each hour
published_known as (
    select
        forecasts.forecast_number,
        published.interval_start_utc,
        arg_max(published.energy_kwh, (published.known_at_utc, published.publisher)) as energy_kwh
    from forecasts
    inner join {{ ref('int_published_by_hour') }} as published
        on forecasts.meter_id = published.meter_id
        and published.interval_start_utc >= forecasts.target_start_utc
        and published.interval_start_utc < forecasts.target_end_utc
        and published.known_at_utc <= forecasts.issued_at_utc
    group by all
),

target_hours as (
    select
        forecasts.*,
        zones.zone_number,
        unnest(generate_series(
            target_start_utc, target_end_utc - interval '1 hour', interval '1 hour'
        )) as interval_start_utc
    from forecasts
    left join place_sets using (meter_id)
    left join zones using (places, timezone)
),

localised as (
    select *, {{ local_hour('interval_start_utc', 'timezone') }} as local_hour
    from target_hours
)

select
    hours.meter_id,
    hours.kind,
    hours.issued_at_utc,
    hours.interval_start_utc,
    hours.interval_start_utc + interval '1 hour' as interval_end_utc,
    hours.target_date as local_date,
    hours.local_hour,
    cast((epoch(hours.interval_start_utc) - epoch(hours.issued_at_utc)) / 60 as integer) as lead_minutes,
    hours.data_cutoff_utc,
    cast(hours.known_days as integer) as known_days,

    cast(isodow(hours.target_date) as integer) as day_of_week,
    cast(dayofyear(hours.target_date) as integer) as day_of_year,
    isodow(hours.target_date) >= 6 as is_weekend,
    coalesce(dates.is_holiday, false) as is_holiday,
    coalesce(dates.is_day_before_holiday, false) as is_day_before_holiday,
    coalesce(dates.is_day_after_holiday, false) as is_day_after_holiday,
    coalesce(dates.is_bridge_day, false) as is_bridge_day,
    coalesce(
        dates.day_type, case when isodow(hours.target_date) >= 6 then 'weekend' else 'working_day' end
    ) as day_type,
    day_groups.day_group,
    {%- for days in [1, 2, 7, 14] %}
    day_groups.is_lag_{{ days }}d_special,
    day_groups.is_lag_{{ days }}d_other,
    {%- endfor %}

    weather.temperature_c,
    weather.temperature_mean_24h_c,
    weather.temperature_mean_72h_c,
    weather.temperature_lag_24h_c,
    weather.temperature_lag_48h_c,
    weather.temperature_lag_168h_c,
    weather.temperature_day_min_c,
    weather.temperature_day_max_c,
    weather.temperature_day_mean_c,
    weather.heating_degrees_c,
    weather.hard_heating_degrees_c,
    weather.cooling_degrees_c,
    weather.heating_mean_12h_c,
    weather.heating_mean_24h_c,
    weather.heating_mean_72h_c,
    weather.cooling_mean_24h_c,
    weather.wind_heating_c,
    weather.heating_by_place_c,
    {%- for name in day_ahead_changing() %}
    {%- for hours in [24, 48, 168] %}
    weather.{{ name }}_change_{{ hours }}h_c,
    {%- endfor %}
    {%- endfor %}
    weather.relative_humidity_pct,
    weather.wind_speed_ms,
    weather.cloud_cover_pct,
    weather.solar_irradiance_wm2,
    weather.weather_issued_at_utc,
    coalesce(weather.issue_basis, 'none') as issue_basis,

    lags.lag_1d as demand_lag_1d_kwh,
    lags.lag_2d as demand_lag_2d_kwh,
    lags.lag_7d as demand_lag_7d_kwh,
    lags.lag_8d as demand_lag_8d_kwh,
    lags.lag_14d as demand_lag_14d_kwh,
    lags.lag_21d as demand_lag_21d_kwh,
    lags.lag_28d as demand_lag_28d_kwh,
    (coalesce(lags.lag_7d, 0) + coalesce(lags.lag_14d, 0) + coalesce(lags.lag_21d, 0) + coalesce(lags.lag_28d, 0))
        / nullif(
            cast(lags.lag_7d is not null as integer) + cast(lags.lag_14d is not null as integer)
            + cast(lags.lag_21d is not null as integer) + cast(lags.lag_28d is not null as integer), 0
        ) as demand_same_weekday_mean_kwh,
    alike.demand_similar_median_kwh,
    alike.demand_similar_last_kwh,
    recent.demand_last_known_kwh,
    recent.demand_mean_24h_kwh,
    recent.demand_mean_168h_kwh,
    last_day.mean_kwh as demand_last_day_mean_kwh,
    last_day.min_kwh as demand_last_day_min_kwh,
    last_day.max_kwh as demand_last_day_max_kwh,
    case last_day.days_back
        {%- for days in range(2, 9) %}
        when {{ days }} then lags.lag_{{ days }}d
        {%- endfor %}
    end as demand_last_day_same_hour_kwh,
    morning.demand_morning_ratio,
    weather_days.temperature_mean_c as temperature_last_day_mean_c,
    published.energy_kwh as published_demand_kwh,
    newest.load_id
from localised as hours
cross join newest
left join {{ ref('dim_dates') }} as dates
    on hours.country = dates.country and hours.target_date = dates.local_date
left join demand_by_hour as lags
    on hours.forecast_number = lags.forecast_number and hours.local_hour = lags.local_hour
left join similar_by_hour as alike
    on hours.forecast_number = alike.forecast_number and hours.local_hour = alike.local_hour
left join day_groups
    on hours.country = day_groups.country and hours.target_date = day_groups.local_date
left join demand_recent as recent on hours.forecast_number = recent.forecast_number
left join morning on hours.forecast_number = morning.forecast_number
left join last_full_day as last_day on hours.forecast_number = last_day.forecast_number
left join target_weather as weather
    on hours.zone_number = weather.zone_number
    and hours.issued_at_utc = weather.issued_at_utc
    and hours.interval_start_utc = weather.valid_at_utc
    and hours.target_start_utc = weather.target_start_utc
left join published_known as published
    on hours.forecast_number = published.forecast_number and hours.interval_start_utc = published.interval_start_utc
left join weather_days
    on hours.zone_number = weather_days.zone_number
    and hours.issued_at_utc = weather_days.issued_at_utc
    and hours.target_start_utc = weather_days.target_start_utc
    and last_day.local_date = weather_days.local_date
-- weather and calendar repeat from meter to meter: by time the table takes a fourth of the room
order by hours.interval_start_utc, hours.meter_id
