{{ config(
    materialized='incremental',
    unique_key=['meter_id', 'interval_start_utc'],
) }}

{#-
    The newest version of every hour, and a row for every hour between a meter's first and its newest that nothing is known
    of. Plain readings (macros/hours.sql) are their hours' only versions and go straight through; all other hours have been
    replayed. Incremental: hours that a newer load touched, and the gaps that open when a meter's range grows.
-#}

{%- set seen = newest_load(this) if is_incremental() else -1 %}

with meters as (
    select meter_id, timezone, capacity_kw from {{ ref('stg_meters') }}
),

-- asking for the local time of every reading takes longer than looking it up; the calendar covers all plain readings
clock as (
    select
        timezone,
        local_date,
        unnest(generate_series(day_start_utc, day_end_utc - interval '1 hour', interval '1 hour')) as interval_start_utc
    from {{ ref('int_local_days') }}
),

local_hours as (
    select *, {{ local_hour('interval_start_utc', 'timezone') }} as local_hour
    from clock
),

plain as not materialized (
    select
        readings.meter_id,
        readings.interval_start_utc,
        readings.interval_end_utc,
        local_hours.local_date,
        local_hours.local_hour,
        cast(cast(readings.energy_kwh as decimal(18, 6)) as double) as demand_kwh,
        case
            when readings.energy_kwh is null then 'missing'
            when readings.quality in ('measured', 'corrected', 'estimated') then readings.quality
            else 'missing'
        end as quality,
        readings.known_at_utc,
        readings.load_id
    from {{ ref('stg_meter_readings') }} as readings
    inner join meters using (meter_id)
    anti join {{ ref('int_demand_replayed') }} as replayed
        on readings.meter_id = replayed.meter_id and readings.interval_start_utc = replayed.interval_start_utc
    left join local_hours
        on meters.timezone = local_hours.timezone and readings.interval_start_utc = local_hours.interval_start_utc
    where readings.direction = 'import'
        and readings.load_id > {{ seen }}
        and {{ is_plain_reading('readings', 'meters.capacity_kw') }}
),

newest as not materialized (
    select
        meter_id,
        interval_start_utc,
        interval_end_utc,
        local_date,
        local_hour,
        demand_kwh as demand_reported_kwh,
        demand_kwh,
        quality,
        false as is_gap,
        cast(null as varchar) as excluded_reason,
        case when demand_kwh is null then 0.0::double else 1.0::double end as coverage,
        known_at_utc,
        load_id
    from plain

    union all by name

    select
        * exclude (known_from_utc, known_to_utc),
        known_from_utc as known_at_utc,
        false as is_gap
    from {{ ref('int_demand_replayed') }}
    where known_to_utc is null
        and load_id > {{ seen }}
),

-- a stamp in the far future does not stretch the range
extremes as (
    select meter_id, first_plain_hour as first_hour, last_plain_hour as last_hour, load_id
    from {{ ref('int_reading_days') }}
    where load_id > {{ seen }}

    union all

    select
        meter_id,
        {{ hour_number('epoch_us(interval_start_utc)') }} as first_hour,
        {{ hour_number('epoch_us(interval_start_utc)') }} as last_hour,
        load_id
    from {{ ref('int_demand_replayed') }}
    where known_to_utc is null
        and load_id > {{ seen }}
        and excluded_reason is distinct from 'in_future'
),

touched as (
    select meter_id, min(first_hour) as first_hour, max(last_hour) as last_hour, max(load_id) as load_id
    from extremes
    group by meter_id
),

{%- if is_incremental() %}

before as (
    select
        meter_id,
        {{ hour_number('epoch_us(min(interval_start_utc))') }} as first_hour,
        {{ hour_number('epoch_us(max(interval_start_utc))') }} as last_hour
    from {{ this }}
    where excluded_reason is distinct from 'in_future'
    group by meter_id
),

ranges as (
    select
        touched.meter_id,
        touched.load_id,
        coalesce(before.last_hour + 1, touched.first_hour) as from_hour,
        touched.last_hour as until_hour
    from touched
    left join before using (meter_id)

    union all

    select touched.meter_id, touched.load_id, touched.first_hour, before.first_hour - 1
    from touched
    inner join before using (meter_id)
),
{%- else %}

ranges as (
    select meter_id, load_id, first_hour as from_hour, last_hour as until_hour from touched
),
{%- endif %}

-- a day's bits say which of its hours have readings; full days have no gaps
days as (
    select
        meter_id,
        load_id,
        from_hour,
        until_hour,
        cast(unnest(range(from_hour // 24, until_hour // 24 + 1)) as integer) as day_number
    from ranges
),

gap_hours as (
    select
        days.meter_id,
        days.load_id,
        days.from_hour,
        days.until_hour,
        coalesce(known.hours_known, 0) as hours_known,
        days.day_number * 24 + unnest(range(24)) as hour_number
    from days
    left join {{ ref('int_reading_days') }} as known using (meter_id, day_number)
    where coalesce(known.hours_known, 0) <> (1 << 24) - 1
),

gaps as (
    select
        meter_id,
        {{ hour_start('hour_number') }} as interval_start_utc,
        {{ hour_start('hour_number + 1') }} as interval_end_utc,
        load_id
    from gap_hours
    where hour_number between from_hour and until_hour
        and hours_known & (1 << cast(hour_number % 24 as integer)) = 0
)

select * from newest

union all by name

select
    gaps.meter_id,
    gaps.interval_start_utc,
    gaps.interval_end_utc,
    {{ local_date('gaps.interval_start_utc', 'meters.timezone') }} as local_date,
    {{ local_hour('gaps.interval_start_utc', 'meters.timezone') }} as local_hour,
    cast(null as double) as demand_reported_kwh,
    cast(null as double) as demand_kwh,
    'missing' as quality,
    true as is_gap,
    cast(null as varchar) as excluded_reason,
    cast(0 as double) as coverage,
    cast(null as timestamptz) as known_at_utc,
    gaps.load_id
from gaps
inner join meters using (meter_id)
