-- What detectors found in the readings, and what people said about it.
with verdicts as (
    select target_id as anomaly_id, verdict, reason as verdict_reason, given_at_utc as verdict_at_utc
    from {{ ref('stg_feedback') }}
    where target_type = 'anomaly'
    qualify row_number() over (partition by target_id order by given_at_utc desc, feedback_id) = 1
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
    verdicts.verdict,
    verdicts.verdict_reason,
    verdicts.verdict_at_utc
from {{ ref('stg_demand_anomalies') }} as anomalies
inner join {{ ref('dim_meters') }} as meters using (meter_id)
left join verdicts using (anomaly_id)
