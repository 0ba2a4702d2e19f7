{{ config(
    materialized='incremental',
    unique_key=['location_id', 'valid_at_utc', 'issued_at_utc'],
) }}

-- Weather per place: every issue that was ever known, the newest statement of each. Incremental: what a newer load spoke of.

{%- set seen = newest_load(this) if is_incremental() else -1 %}

with statements as (
    select
        location_id,
        valid_at_utc,
        issued_at_utc,
        arg_max(weather, (not is_forecast, known_at_utc)) as newest,
        max(load_id) as load_id
    from {{ ref('stg_weather') }} as weather
    {%- if is_incremental() %}
    semi join (
        select location_id, valid_at_utc, issued_at_utc from {{ ref('stg_weather') }} where load_id > {{ seen }}
    ) as newer using (location_id, valid_at_utc, issued_at_utc)
    {%- endif %}
    group by location_id, valid_at_utc, issued_at_utc
)

select
    location_id,
    valid_at_utc,
    issued_at_utc,
    newest.is_forecast,
    newest.issue_basis,
    newest.known_at_utc,
    newest.temperature_c,
    newest.relative_humidity_pct,
    newest.wind_speed_ms,
    newest.cloud_cover_pct,
    newest.precipitation_mm,
    newest.solar_irradiance_wm2,
    load_id
from statements
