select
    meter_id,
    direction,
    interval_start_utc,
    interval_end_utc,
    known_at_utc,
    energy_kwh,
    quality,
    source,
    load_id
from {{ source('raw', 'meter_readings') }}
