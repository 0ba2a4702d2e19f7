{{ config(materialized='view') }}

-- The weather that may stand for each meter: every issue that was ever known, newest statement per issue. A view, because
-- it repeats each place's weather for every meter that uses it.
with weather as (
    select *
    from {{ ref('stg_weather') }}
    qualify row_number() over (
        partition by location_id, valid_at_utc, issued_at_utc
        order by is_forecast, known_at_utc desc
    ) = 1
)

select
    locations.meter_id,
    weather.location_id,
    weather.valid_at_utc,
    weather.issued_at_utc,
    weather.is_forecast,
    weather.issue_basis,
    weather.known_at_utc,
    weather.temperature_c,
    weather.relative_humidity_pct,
    weather.wind_speed_ms,
    weather.cloud_cover_pct,
    weather.precipitation_mm,
    weather.solar_irradiance_wm2
from weather
inner join {{ ref('int_meter_locations') }} as locations using (location_id)
