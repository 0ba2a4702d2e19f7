{{ config(
    unique_key=['meter_id', 'issued_at_utc'],
) }}

{#-
    What was known at issue time about every hour of the meter's next local day, and nothing else. Demand comes from
    int_demand_versions (a version counts if known_from <= issued_at < known_to), weather from int_weather_versions by the
    same rule. `days_back` counts local days back from the target date: 1 is the issue's own day, known in part.

    A "forecast" is a meter and an issue time. Computed are those that are missing, and those that a newer load may have
    changed: it brought something known by their issue time within the days they look back on, or a day that was not known
    at all before.
-#}

{%- set seen = newest_load(this) if is_incremental() else -1 %}
{%- set weather_hours_back = 216 %}
{%- set similar_days = 5 %}
{%- set similar_days_back = 36 %}

with meters as (
    select meter_id, kind, timezone, coalesce(country, 'none') as country
    from {{ ref('stg_meters') }}
),

newest as (
    select greatest(
        coalesce((select max(load_id) from {{ ref('int_demand_versions') }}), -1),
        coalesce((select max(load_id) from {{ ref('stg_weather') }}), -1)
    ) as load_id
),

-- which forecasts -----------------------------------------------------------------------------------------------------

{%- if is_incremental() %}

existing as (
    select
        meter_id,
        issued_at_utc,
        min(local_date) as target_date,
        min(interval_start_utc) as target_start_utc,
        max(interval_end_utc) as target_end_utc
    from {{ this }}
    group by meter_id, issued_at_utc
),

new_demand as (
    select
        meter_id,
        local_date,
        min(case when load_id > {{ seen }} then known_from_utc end) as known_from_utc,
        min(load_id) > {{ seen }} as is_new_day
    from {{ ref('int_demand_versions') }}
    group by meter_id, local_date
    having max(load_id) > {{ seen }}
),

new_weather as (
    select location_id, {{ hour_of('valid_at_utc', 1440) }} as day_start_utc, min(known_at_utc) as known_from_utc
    from {{ ref('stg_weather') }}
    where load_id > {{ seen }}
    group by all
),

touched as (
    select existing.meter_id, existing.issued_at_utc
    from existing
    inner join new_demand
        on existing.meter_id = new_demand.meter_id
        and existing.issued_at_utc >= new_demand.known_from_utc
        and (new_demand.is_new_day or new_demand.local_date >= existing.target_date - 40)

    union

    select locations.meter_id, issues.issued_at_utc
    from (select distinct issued_at_utc, target_start_utc, target_end_utc from existing) as issues
    inner join new_weather
        on issues.issued_at_utc >= new_weather.known_from_utc
        and new_weather.day_start_utc >= issues.target_start_utc - interval '{{ weather_hours_back + 24 }} hours'
        and new_weather.day_start_utc < issues.target_end_utc
    inner join {{ ref('int_meter_locations') }} as locations using (location_id)
),

asked as (
    select meter_id, issued_at_utc, target_date, target_start_utc, target_end_utc
    from {{ ref('int_issue_days') }}
    anti join existing using (meter_id, issued_at_utc)

    union all

    select meter_id, issued_at_utc, target_date, target_start_utc, target_end_utc
    from existing
    semi join touched using (meter_id, issued_at_utc)
),
{%- else %}

asked as (
    select meter_id, issued_at_utc, target_date, target_start_utc, target_end_utc
    from {{ ref('int_issue_days') }}
),
{%- endif %}

-- what is known of the meter as a whole --------------------------------------------------------------------------------

known as (
    select *
    from {{ ref('int_demand_versions') }}
    where demand_kwh is not null
        and meter_id in (select meter_id from asked)
),

cutoffs as (
    select
        meter_id,
        known_from_utc,
        max(max(interval_end_utc)) over (partition by meter_id order by known_from_utc) as data_cutoff_utc
    from known
    group by meter_id, known_from_utc
),

day_counts as (
    select meter_id, known_from_utc, count(*) over (partition by meter_id order by known_from_utc) as known_days
    from (
        select meter_id, local_date, min(known_from_utc) as known_from_utc
        from known
        group by meter_id, local_date
    ) as first_known
    qualify row_number() over (partition by meter_id, known_from_utc order by local_date) = 1
),

forecasts as (
    select
        row_number() over (order by asked.meter_id, asked.issued_at_utc) as forecast_number,
        asked.*,
        meters.kind,
        meters.timezone,
        meters.country,
        cutoffs.data_cutoff_utc,
        coalesce(day_counts.known_days, 0) as known_days
    from asked
    inner join meters using (meter_id)
    asof left join cutoffs
        on asked.meter_id = cutoffs.meter_id and asked.issued_at_utc >= cutoffs.known_from_utc
    asof left join day_counts
        on asked.meter_id = day_counts.meter_id and asked.issued_at_utc >= day_counts.known_from_utc
),

-- calendar: days by how they are worked; a public holiday is like a Sunday, and a first working day starts from rest -----

calendar_days as (
    select
        country,
        cast(unnest(generate_series(
            min(target_date) - {{ similar_days_back + 1 }}, max(target_date), interval '1 day'
        )) as date) as local_date
    from forecasts
    group by country
),

worked_days as (
    select
        days.country,
        days.local_date,
        isodow(days.local_date) as day_of_week,
        coalesce(dates.is_holiday, false) as is_holiday,
        coalesce(dates.is_holiday or dates.is_bridge_day, false) as is_special,
        isodow(days.local_date) >= 6 or coalesce(dates.is_holiday, false) as is_rest
    from calendar_days as days
    left join {{ ref('dim_dates') }} as dates using (country, local_date)
),

day_groups as (
    select
        country,
        local_date,
        case
            when is_holiday or day_of_week = 7 then 'sunday'
            when day_of_week = 6 then 'saturday'
            when lag(is_rest) over calendar then 'after_rest'
            else 'working'
        end as day_group,
        {%- for days in [1, 2, 7, 14] %}
        coalesce(lag(is_special, {{ days }}) over calendar, false) as is_lag_{{ days }}d_special,
        coalesce(lag(is_rest, {{ days }}) over calendar != is_rest, false) as is_lag_{{ days }}d_other{{ "," if not loop.last }}
        {%- endfor %}
    from worked_days
    window calendar as (partition by country order by local_date)
),

similar_dates as (
    select target.country, target.local_date as target_date, past.local_date
    from day_groups as target
    inner join day_groups as past
        on target.country = past.country
        and target.day_group = past.day_group
        and past.local_date between target.local_date - {{ similar_days_back }} and target.local_date - 2
    qualify row_number() over (
        partition by target.country, target.local_date order by past.local_date desc
    ) <= {{ similar_days }}
),

-- demand ----------------------------------------------------------------------------------------------------------------

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
        and forecast_days.issued_at_utc >= known.known_from_utc
        and (known.known_to_utc is null or forecast_days.issued_at_utc < known.known_to_utc)
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

similar_by_hour as (
    select
        forecasts.forecast_number,
        known.local_hour,
        median(known.demand_kwh) as demand_similar_median_kwh,
        arg_max(known.demand_kwh, known.interval_start_utc) as demand_similar_last_kwh
    from forecasts
    inner join similar_dates using (country, target_date)
    inner join known
        on forecasts.meter_id = known.meter_id
        and similar_dates.local_date = known.local_date
        and forecasts.issued_at_utc >= known.known_from_utc
        and (known.known_to_utc is null or forecasts.issued_at_utc < known.known_to_utc)
    group by forecasts.forecast_number, known.local_hour
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
),

-- weather: once per set of places, shared by all meters that use it ------------------------------------------------------

place_sets as (
    select meter_id, string_agg(location_id, '|' order by location_id) as places
    from {{ ref('int_meter_locations') }}
    group by meter_id
),

zones as (
    select places, timezone, row_number() over (order by places, timezone) as zone_number
    from (
        select distinct place_sets.places, forecasts.timezone
        from forecasts
        inner join place_sets using (meter_id)
    ) as combinations
),

zone_places as (
    select distinct zones.zone_number, locations.location_id
    from zones
    inner join place_sets using (places)
    inner join {{ ref('int_meter_locations') }} as locations using (meter_id)
),

weather_hours as (
    select
        zone_number,
        timezone,
        issued_at_utc,
        target_start_utc,
        unnest(generate_series(
            target_start_utc - interval '{{ weather_hours_back }} hours',
            target_end_utc - interval '1 hour',
            interval '1 hour'
        )) as valid_at_utc
    from (
        select distinct
            zones.zone_number, zones.timezone, forecasts.issued_at_utc, forecasts.target_start_utc, forecasts.target_end_utc
        from forecasts
        inner join place_sets using (meter_id)
        inner join zones using (places, timezone)
    ) as zone_issues
),

weather_known as (
    select
        hours.zone_number,
        hours.issued_at_utc,
        hours.valid_at_utc,
        {%- for channel in [
            'temperature_c', 'relative_humidity_pct', 'wind_speed_ms', 'cloud_cover_pct', 'solar_irradiance_wm2'
        ] %}
        {{ exact_mean('weather.' ~ channel) }} as {{ channel }},
        {%- endfor %}
        max(weather.issued_at_utc) as weather_issued_at_utc,
        -- of assumed and reported the more doubtful
        min(weather.issue_basis) as issue_basis
    from weather_hours as hours
    inner join zone_places using (zone_number)
    inner join {{ ref('int_weather_versions') }} as weather
        on zone_places.location_id = weather.location_id
        and hours.valid_at_utc = weather.valid_at_utc
        and hours.issued_at_utc >= weather.known_from_utc
        and (weather.known_to_utc is null or hours.issued_at_utc < weather.known_to_utc)
    group by hours.zone_number, hours.issued_at_utc, hours.valid_at_utc
),

weather_series as (
    select
        hours.*,
        known.* exclude (zone_number, issued_at_utc, valid_at_utc)
    from weather_hours as hours
    left join weather_known as known using (zone_number, issued_at_utc, valid_at_utc)
),

weather_windows as (
    select
        *,
        {{ exact_mean_over(
            'temperature_c', '(series rows between 23 preceding and current row)'
        ) }} as temperature_mean_24h_c,
        {{ exact_mean_over(
            'temperature_c', '(series rows between 71 preceding and current row)'
        ) }} as temperature_mean_72h_c,
        lag(temperature_c, 24) over series as temperature_lag_24h_c,
        lag(temperature_c, 48) over series as temperature_lag_48h_c,
        lag(temperature_c, 168) over series as temperature_lag_168h_c
    from weather_series
    window series as (partition by zone_number, issued_at_utc, target_start_utc order by valid_at_utc)
),

target_weather as (
    select
        *,
        min(temperature_c) over target_day as temperature_day_min_c,
        max(temperature_c) over target_day as temperature_day_max_c,
        {{ exact_mean_over('temperature_c', 'target_day') }} as temperature_day_mean_c
    from weather_windows
    where valid_at_utc >= target_start_utc
    window target_day as (partition by zone_number, issued_at_utc, target_start_utc)
),

weather_days as (
    select
        zone_number,
        issued_at_utc,
        target_start_utc,
        {{ local_date('valid_at_utc', 'timezone') }} as local_date,
        {{ exact_mean('temperature_c') }} as temperature_mean_c
    from weather_series
    where valid_at_utc < target_start_utc
    group by all
),

-- all together ------------------------------------------------------------------------------------------------------------

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
    -- greatest() would turn an unknown temperature into no degrees at all
    case when weather.temperature_c is not null then greatest(0, 15 - weather.temperature_c) end as heating_degrees_c,
    case when weather.temperature_c is not null then greatest(0, weather.temperature_c - 22) end as cooling_degrees_c,
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
left join weather_days
    on hours.zone_number = weather_days.zone_number
    and hours.issued_at_utc = weather_days.issued_at_utc
    and hours.target_start_utc = weather_days.target_start_utc
    and last_day.local_date = weather_days.local_date
