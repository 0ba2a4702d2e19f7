select
    outcome_id,
    peak_id,
    meter_id,
    issued_at_utc,
    threshold_basis,
    lead_minutes,
    lead_bucket,
    probability,
    level,
    outcome,
    actual_peak_kw,
    actual_peak_at_utc,
    size_error_kw,
    hour_error
from {{ source('flexibility', 'peak_outcomes') }}
