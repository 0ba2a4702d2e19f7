select
    meter_id,
    start_utc,
    end_utc,
    decided_at_utc,
    action,
    value_kwh,
    reason,
    load_id
from {{ source('raw', 'demand_exclusions') }}
