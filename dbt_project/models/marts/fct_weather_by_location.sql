{{ config(
    materialized='incremental',
    unique_key=['location_id', 'valid_at_utc', 'issued_at_utc'],
) }}

-- Weather per place: every issue that was ever known, the newest statement of each. Incremental: what a newer load spoke of.

{%- set seen = newest_load(this) if is_incremental() else -1 %}

select
    location_id,
    valid_at_utc,
    issued_at_utc,
    {%- for column in [
        'is_forecast', 'issue_basis', 'known_at_utc', 'temperature_c', 'relative_humidity_pct', 'wind_speed_ms',
        'cloud_cover_pct', 'precipitation_mm', 'solar_irradiance_wm2',
    ] %}
    arg_max_null(weather.{{ column }}, (not weather.is_forecast, weather.known_at_utc)) as {{ column }},
    {%- endfor %}
    max(load_id) as load_id
from {{ ref('stg_weather') }} as weather
{%- if is_incremental() %}
semi join (
    select location_id, valid_at_utc, issued_at_utc from {{ ref('stg_weather') }} where load_id > {{ seen }}
) as newer using (location_id, valid_at_utc, issued_at_utc)
{%- endif %}
group by location_id, valid_at_utc, issued_at_utc
