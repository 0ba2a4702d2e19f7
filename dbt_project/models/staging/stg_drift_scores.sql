select
    meter_id,
    column_name,
    method,
    role,
    current_end_utc,
    current_start_utc,
    reference_start_utc,
    reference_end_utc,
    score,
    threshold,
    threshold_source,
    drifted,
    importance,
    report_path
from {{ source('monitoring', 'drift_scores') }}
