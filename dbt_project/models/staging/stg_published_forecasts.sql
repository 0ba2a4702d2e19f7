select
    meter_id,
    publisher,
    interval_start_utc,
    interval_end_utc,
    known_at_utc,
    energy_kwh,
    load_id
from {{ source('raw', 'published_forecasts') }}
