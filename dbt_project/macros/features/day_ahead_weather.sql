{#- Weather as it was forecast at issue time: once per set of places, shared by all meters that use it. -#}

{#- Whose changes are features; the temperature's own are made of its lags. -#}
{% macro day_ahead_changing() %}
    {{- return([
        'heating_degrees', 'heating_mean_12h', 'heating_mean_24h', 'heating_mean_72h', 'hard_heating_degrees',
        'cooling_degrees', 'cooling_mean_24h', 'wind_heating'
    ]) -}}
{% endmacro %}

{#- Degrees below a base, 0 above; unknown stays unknown (greatest() alone would make 0 of it). -#}
{% macro degrees_below(value, base) -%}
    case when {{ value }} is not null then greatest(0, {{ base }} - ({{ value }})) end
{%- endmacro %}

{% macro day_ahead_weather(hours_back) %}
{%- set means = [('heating', 12), ('heating', 24), ('heating', 72), ('cooling', 24)] %}
{%- set changing = day_ahead_changing() -%}
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
    select
        zone_number,
        location_id,
        count(*) over (partition by zone_number) as place_count
    from (
        select distinct zones.zone_number, locations.location_id
        from zones
        inner join place_sets using (places)
        inner join {{ ref('int_meter_locations') }} as locations using (meter_id)
    ) as places
),

weather_hours as (
    select
        zone_number,
        timezone,
        issued_at_utc,
        target_start_utc,
        unnest(generate_series(
            target_start_utc - interval '{{ hours_back }} hours',
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
        -- degrees per place: where one is cold and another warm, both heat and cool
        {{ exact_mean(degrees_below('weather.temperature_c', 17)) }} as heating_degrees_c,
        {{ exact_mean(degrees_below('weather.temperature_c', 12)) }} as hard_heating_degrees_c,
        {{ exact_mean(degrees_below('-weather.temperature_c', -20)) }} as cooling_degrees_c,
        {{ exact_mean(
            degrees_below('weather.temperature_c', 17) ~ ' * sqrt(greatest(0, weather.wind_speed_ms))'
        ) }} as wind_heating_c,
        -- a model may weigh the places; where one is missing, none is told from the other
        case when count(weather.temperature_c) = max(zone_places.place_count) then list(
            {{ degrees_below('weather.temperature_c', 17) }} order by weather.location_id
        ) end as heating_by_place_c,
        max(weather.issued_at_utc) as weather_issued_at_utc,
        -- of assumed and reported the more doubtful
        min(weather.issue_basis) as issue_basis
    from weather_hours as hours
    inner join zone_places using (zone_number)
    inner join {{ ref('int_weather_versions') }} as weather
        on zone_places.location_id = weather.location_id
        and hours.valid_at_utc = weather.valid_at_utc
        and {{ known_at('weather', 'hours.issued_at_utc') }}
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
        {%- for degrees, hours in means %}
        {{ exact_mean_over(
            degrees ~ '_degrees_c', '(series rows between ' ~ (hours - 1) ~ ' preceding and current row)'
        ) }} as {{ degrees }}_mean_{{ hours }}h_c,
        {%- endfor %}
        lag(temperature_c, 24) over series as temperature_lag_24h_c,
        lag(temperature_c, 48) over series as temperature_lag_48h_c,
        lag(temperature_c, 168) over series as temperature_lag_168h_c
    from weather_series
    window series as (partition by zone_number, issued_at_utc, target_start_utc order by valid_at_utc)
),

-- against the days whose demand is known: what differs is what the target day asks for more
weather_changes as (
    select
        *
        {%- for name in changing %}
        {%- for hours in [24, 48, 168] %},
        {{ name }}_c - lag({{ name }}_c, {{ hours }}) over series as {{ name }}_change_{{ hours }}h_c
        {%- endfor %}
        {%- endfor %}
    from weather_windows
    window series as (partition by zone_number, issued_at_utc, target_start_utc order by valid_at_utc)
),

target_weather as (
    select
        *,
        min(temperature_c) over target_day as temperature_day_min_c,
        max(temperature_c) over target_day as temperature_day_max_c,
        {{ exact_mean_over('temperature_c', 'target_day') }} as temperature_day_mean_c
    from weather_changes
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
)
{% endmacro %}
