select
    meter_id,
    issued_at_utc,
    lead_bucket,
    model_version,
    metric,
    baseline_name,
    local_date,
    issue_basis,
    value,
    n,
    baseline_value,
    skill
from {{ source('monitoring', 'forecast_scores') }}
