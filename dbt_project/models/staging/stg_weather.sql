select
    location_id,
    valid_at_utc,
    issued_at_utc,
    is_forecast,
    known_at_utc,
    issue_basis,
    temperature_c,
    relative_humidity_pct,
    wind_speed_ms,
    cloud_cover_pct,
    precipitation_mm,
    solar_irradiance_wm2,
    load_id
from {{ source('raw', 'weather') }}
