-- What detectors found in the readings, and what people said about it.
with verdicts as (
    {{ newest_verdicts('anomaly') }}
)

select
    anomalies.anomaly_id,
    anomalies.meter_id,
    meters.name as meter_name,
    meters.kind as meter_kind,
    meters.site_id,
    anomalies.kind,
    anomalies.severity,
    {{ local_time('anomalies.start_utc', 'meters.timezone') }} as start_local,
    {{ local_time('anomalies.end_utc', 'meters.timezone') }} as end_local,
    meters.timezone,
    anomalies.start_utc,
    anomalies.end_utc,
    (epoch(anomalies.end_utc) - epoch(anomalies.start_utc)) / 3600 as duration_hours,
    anomalies.observed_kwh,
    anomalies.expected_kwh,
    anomalies.excess_kwh,
    anomalies.score,
    anomalies.threshold,
    anomalies.detector,
    anomalies.action,
    anomalies.message,
    anomalies.detected_at_utc,
    (epoch(anomalies.detected_at_utc) - epoch(anomalies.start_utc)) / 3600 as detection_delay_hours,
    verdicts.verdict,
    verdicts.verdict_reason,
    verdicts.verdict_at_utc
from {{ ref('stg_demand_anomalies') }} as anomalies
inner join {{ ref('dim_meters') }} as meters using (meter_id)
left join verdicts on anomalies.anomaly_id = verdicts.target_id
