{{ config(materialized='view') }}

-- The weather that may stand for each meter. A view, because it repeats each place's weather for every meter that uses it;
-- over marts alone, so that it is published as a view.
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
from {{ ref('fct_weather_by_location') }} as weather
inner join {{ ref('bridge_meter_locations') }} as locations using (location_id)
