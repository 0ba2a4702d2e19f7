{{ config(materialized='view') }}

-- Weather per place and instant with the time it stood: from when it was known until something issued later was known.
-- At any time exactly one row per place and instant stands: the newest issue known then (an observation is issued at the
-- instant itself, so it comes after every forecast of it).
select
    location_id,
    valid_at_utc,
    issued_at_utc,
    is_forecast,
    known_at_utc as known_from_utc,
    min(known_at_utc) over (
        partition by location_id, valid_at_utc
        order by issued_at_utc, is_forecast desc, known_at_utc
        rows between 1 following and unbounded following
    ) as known_to_utc,
    issue_basis,
    temperature_c,
    relative_humidity_pct,
    wind_speed_ms,
    cloud_cover_pct,
    precipitation_mm,
    solar_irradiance_wm2,
    load_id
from {{ ref('stg_weather') }}
