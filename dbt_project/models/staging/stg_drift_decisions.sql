select
    meter_id,
    current_end_utc,
    issued_at_utc,
    kind,
    decision,
    because,
    raised_since_utc,
    drifted_methods,
    largest_excess,
    gap_share,
    moved_importance
from {{ source('monitoring', 'drift_decisions') }}
