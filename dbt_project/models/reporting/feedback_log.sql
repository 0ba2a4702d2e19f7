-- What people said, what it was about, and what became of it; also what was replaced or withdrawn.
with targets as (
    select 'anomaly' as target_type, anomaly_id as target_id, message as target
    from {{ ref('stg_demand_anomalies') }}

    union all

    select
        'peak',
        peak_id,
        format(
            'Over {:.1f} kW ({}) with a probability of {:.0f} %', threshold_kw, threshold_basis, 100 * probability
        )
    from {{ ref('stg_demand_peaks') }}

    union all

    select 'advice', advice_id, sentence
    from {{ ref('stg_load_shift_advice') }}
),

statements as (
    select
        statements.*,
        meters.name as meter_name,
        meters.kind as meter_kind,
        meters.timezone,
        coalesce(targets.target, 'Forecast issued at ' || regexp_extract(target_id, '@(.*)$', 1)) as target,
        case
            when statements.superseded_by_id is not null then 'replaced'
            when statements.verdict = 'withdrawn' then 'withdrawn'
            else 'standing'
        end as status
    from {{ ref('stg_statements') }} as statements
    inner join {{ ref('dim_meters') }} as meters using (meter_id)
    left join targets using (target_type, target_id)
),

-- Decisions name the statement that they follow from.
decisions as (
    select
        regexp_extract(reason, '^feedback ([0-9a-f]+):', 1) as feedback_id,
        min(action) as action,
        sum(epoch(end_utc) - epoch(start_utc)) / 3600 as hours
    from {{ ref('stg_demand_exclusions') }}
    where starts_with(reason, 'feedback ')
    group by 1
),

energy as (
    select
        statements.feedback_id,
        {{ exact_sum('hourly.demand_reported_kwh') }} as reported_kwh,
        {{ exact_sum('hourly.demand_kwh') }} as demand_kwh
    from statements
    inner join {{ ref('fct_demand_hourly') }} as hourly
        on statements.meter_id = hourly.meter_id
        and hourly.interval_start_utc >= {{ hour_of('statements.interval_start_utc') }}
        and hourly.interval_start_utc < statements.interval_end_utc
    group by statements.feedback_id
)

select
    statements.feedback_id,
    statements.target_type,
    statements.target_id,
    statements.target,
    statements.meter_id,
    statements.meter_name,
    statements.meter_kind,
    {{ local_time('statements.interval_start_utc', 'statements.timezone') }} as interval_start_local,
    {{ local_time('statements.interval_end_utc', 'statements.timezone') }} as interval_end_local,
    statements.timezone,
    statements.interval_start_utc,
    statements.interval_end_utc,
    statements.verdict,
    statements.corrected_kwh,
    statements.reason,
    statements.author,
    statements.given_at_utc,
    statements.known_at_utc,
    statements.use_for_training,
    statements.status,
    statements.supersedes_id,
    statements.superseded_by_id,
    coalesce(decisions.action, 'none') as decided_action,
    coalesce(decisions.hours, 0) as decided_hours,
    energy.reported_kwh,
    energy.demand_kwh
from statements
left join decisions using (feedback_id)
left join energy using (feedback_id)
