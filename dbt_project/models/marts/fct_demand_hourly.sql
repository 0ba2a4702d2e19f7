{{ config(
    materialized='incremental',
    unique_key=['meter_id', 'interval_start_utc'],
) }}

-- The newest version of every hour, and a row for every hour between a meter's first and its newest that nothing is known
-- of. Incremental: hours that a newer load touched, and the gaps that open when a meter's range grows.

{%- set seen = newest_load(this) if is_incremental() else -1 %}

with newest as (
    select
        meter_id,
        interval_start_utc,
        interval_end_utc,
        local_date,
        local_hour,
        demand_reported_kwh,
        demand_kwh,
        quality,
        false as is_gap,
        excluded_reason,
        coverage,
        known_from_utc as known_at_utc,
        load_id
    from {{ ref('int_demand_versions') }}
    where known_to_utc is null
        and load_id > {{ seen }}
),

-- a stamp in the far future does not stretch the range
touched as (
    select
        meter_id,
        min(interval_start_utc) as first_utc,
        max(interval_start_utc) as last_utc,
        max(load_id) as load_id
    from newest
    where excluded_reason is distinct from 'in_future'
    group by meter_id
),

{%- if is_incremental() %}

before as (
    select meter_id, min(interval_start_utc) as first_utc, max(interval_start_utc) as last_utc
    from {{ this }}
    where excluded_reason is distinct from 'in_future'
        and meter_id in (select meter_id from touched)
    group by meter_id
),

ranges as (
    select
        touched.meter_id,
        touched.load_id,
        coalesce(before.last_utc + interval '1 hour', touched.first_utc) as from_utc,
        touched.last_utc as until_utc
    from touched
    left join before using (meter_id)

    union all

    select touched.meter_id, touched.load_id, touched.first_utc, before.first_utc - interval '1 hour'
    from touched
    inner join before using (meter_id)
),
{%- else %}

ranges as (
    select meter_id, load_id, first_utc as from_utc, last_utc as until_utc from touched
),
{%- endif %}

spine as (
    select meter_id, load_id, unnest(generate_series(from_utc, until_utc, interval '1 hour')) as interval_start_utc
    from ranges
),

gaps as (
    select
        spine.meter_id,
        spine.interval_start_utc,
        spine.interval_start_utc + interval '1 hour' as interval_end_utc,
        {{ local_date('spine.interval_start_utc', 'meters.timezone') }} as local_date,
        {{ local_hour('spine.interval_start_utc', 'meters.timezone') }} as local_hour,
        cast(null as double) as demand_reported_kwh,
        cast(null as double) as demand_kwh,
        'missing' as quality,
        true as is_gap,
        cast(null as varchar) as excluded_reason,
        cast(0 as double) as coverage,
        cast(null as timestamptz) as known_at_utc,
        spine.load_id
    from spine
    anti join newest using (meter_id, interval_start_utc)
    inner join {{ ref('stg_meters') }} as meters using (meter_id)
)

select * from newest
union all by name
select * from gaps
