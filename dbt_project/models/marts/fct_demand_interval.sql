{{ config(
    materialized='incremental',
    unique_key=['meter_id', 'interval_start_utc'],
) }}

-- The newest version of every interval of meters finer than an hour, judged by the rules of the hour. Incremental:
-- intervals with a reading or a decision of a newer load.

{%- set seen = newest_load(this) if is_incremental() else -1 %}

with meters as (
    select meter_id, timezone, capacity_kw
    from {{ ref('stg_meters') }}
    where interval_minutes < 60
),

readings as (
    select readings.*, meters.timezone, meters.capacity_kw
    from {{ ref('stg_meter_readings') }} as readings
    inner join meters using (meter_id)
    where readings.direction = 'import'
),

decisions as (
    select exclusions.*
    from {{ ref('stg_demand_exclusions') }} as exclusions
    inner join meters using (meter_id)
),

{%- if is_incremental() %}

affected as (
    select meter_id, interval_start_utc from readings where load_id > {{ seen }}

    union

    select readings.meter_id, readings.interval_start_utc
    from readings
    inner join decisions
        on readings.meter_id = decisions.meter_id
        and readings.interval_start_utc < decisions.end_utc
        and readings.interval_end_utc > decisions.start_utc
    where decisions.load_id > {{ seen }}
),
{%- endif %}

newest as (
    select *
    from readings
    {%- if is_incremental() %}
    semi join affected using (meter_id, interval_start_utc)
    where interval_start_utc >= (select min(interval_start_utc) from affected)
        and interval_start_utc <= (select max(interval_start_utc) from affected)
    {%- endif %}
    qualify lead(known_at_utc) over (partition by meter_id, interval_start_utc order by known_at_utc) is null
),

decided as (
    select
        newest.meter_id,
        newest.interval_start_utc,
        decisions.decided_at_utc,
        decisions.action,
        decisions.value_kwh,
        decisions.reason,
        max(decisions.load_id) over (partition by newest.meter_id, newest.interval_start_utc) as load_id
    from newest
    inner join decisions
        on newest.meter_id = decisions.meter_id
        and newest.interval_start_utc < decisions.end_utc
        and newest.interval_end_utc > decisions.start_utc
    qualify row_number() over (
        partition by newest.meter_id, newest.interval_start_utc
        order by decisions.decided_at_utc desc, decisions.load_id desc, decisions.action
    ) = 1
),

judged as (
    select
        newest.*,
        decided.action,
        decided.value_kwh,
        decided.decided_at_utc,
        greatest(newest.load_id, coalesce(decided.load_id, newest.load_id)) as newest_load_id,
        (epoch(newest.interval_end_utc) - epoch(newest.interval_start_utc)) / 3600 as hours,
        {{ exclusion_reason(
            'newest.energy_kwh * 3600 / (epoch(newest.interval_end_utc) - epoch(newest.interval_start_utc))',
            'newest.energy_kwh', 'newest.energy_kwh', 'newest.interval_end_utc', 'newest.known_at_utc',
            'newest.capacity_kw', 'decided.action', 'decided.reason',
        ) }} as excluded_reason
    from newest
    left join decided using (meter_id, interval_start_utc)
),

cleaned as (
    select
        *,
        case
            when action = 'impute' then value_kwh * hours
            when excluded_reason is null then energy_kwh
        end as demand_kwh
    from judged
)

select
    meter_id,
    interval_start_utc,
    interval_end_utc,
    {{ local_date('interval_start_utc', 'timezone') }} as local_date,
    {{ local_hour('interval_start_utc', 'timezone') }} as local_hour,
    energy_kwh as demand_reported_kwh,
    demand_kwh,
    case
        when demand_kwh is null then 'missing'
        when action = 'impute' then 'estimated'
        else quality
    end as quality,
    energy_kwh is null as is_gap,
    excluded_reason,
    greatest(known_at_utc, coalesce(decided_at_utc, known_at_utc)) as known_at_utc,
    newest_load_id as load_id
from cleaned
