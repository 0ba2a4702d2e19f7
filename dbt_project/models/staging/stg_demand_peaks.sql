select
    peak_id,
    meter_id,
    issued_at_utc,
    model_version,
    window_start_utc,
    window_end_utc,
    peak_hour_utc,
    threshold_kw,
    threshold_basis,
    probability,
    peak_p10_kw,
    peak_p50_kw,
    peak_p90_kw,
    level,
    billing_period,
    incumbent_peak_kw
from {{ source('flexibility', 'demand_peaks') }}
