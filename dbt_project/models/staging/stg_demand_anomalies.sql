select
    anomaly_id,
    meter_id,
    start_utc,
    end_utc,
    kind,
    detector,
    score,
    threshold,
    severity,
    observed_kwh,
    expected_kwh,
    excess_kwh,
    detected_at_utc,
    action,
    message
from {{ source('monitoring', 'demand_anomalies') }}
