select
    meter_id,
    issued_at_utc,
    threshold_basis,
    lead_bucket,
    probability_bin,
    hours,
    exceeded_hours,
    probability_sum,
    squared_error_sum,
    climatology_error_sum
from {{ source('flexibility', 'peak_scores') }}
