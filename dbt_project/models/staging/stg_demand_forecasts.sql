-- The newest word of each model for each issue: revisions before the last are history.
with source as (
    select * from {{ source('forecasts', 'demand_forecasts') }}
),

newest as (
    select meter_id, issued_at_utc, model_version, max(revision) as revision
    from source
    group by meter_id, issued_at_utc, model_version
)

select
    source.meter_id,
    source.issued_at_utc,
    source.model_version,
    source.interval_start_utc,
    source.interval_end_utc,
    source.quantile,
    source.revision,
    source.data_cutoff_utc,
    source.lead_minutes,
    source.demand_kwh,
    source.quality,
    source.quality_reason
from source
inner join newest using (meter_id, issued_at_utc, model_version, revision)
