select
    machine_id,
    observed_at_utc,
    known_at_utc,
    temperature_c,
    vibration_ms2,
    pressure_bar,
    power_w,
    load_id
from {{ source('raw', 'telemetry') }}
