{{ config(
    materialized='incremental',
    unique_key=['meter_id', 'day_number'],
) }}

-- Which hours of a meter's UTC days have a reading, and whether each has one and a plain one: what later models have to
-- know of all readings without reading them again. Incremental: days with a reading of a newer load.

{%- set seen = newest_load(this) if is_incremental() else -1 %}
{%- set newer_days %}
    select {{ hour_number('epoch_us(interval_start_utc)') }} // 24 as day_number
    from {{ ref('stg_meter_readings') }}
    where load_id > {{ seen }}
{%- endset %}

with meters as (
    select meter_id, capacity_kw from {{ ref('stg_meters') }}
),

readings as not materialized (
    select
        readings.meter_id,
        {{ hour_number('epoch_us(interval_start_utc)') }} as first_hour,
        {{ hour_number('epoch_us(interval_end_utc) - 1') }} as last_hour,
        {{ is_plain_reading('readings', 'meters.capacity_kw') }} as is_plain,
        readings.load_id
    from {{ ref('stg_meter_readings') }} as readings
    inner join meters using (meter_id)
    where readings.direction = 'import'
        and readings.interval_end_utc > readings.interval_start_utc
        {%- if is_incremental() %}
        and readings.interval_end_utc > {{ earliest_day(newer_days) }}
        {%- endif %}
),

hours as not materialized (
    select meter_id, first_hour as hour_number, is_plain, load_id
    from readings

    union all

    select meter_id, unnest(range(first_hour + 1, last_hour + 1)) as hour_number, false as is_plain, load_id
    from readings
    where last_hour > first_hour
)

{%- if is_incremental() %},

affected as (
    select distinct meter_id, hour_number // 24 as day_number
    from hours
    where load_id > {{ seen }}
)
{%- endif %}

select
    meter_id,
    cast(hour_number // 24 as integer) as day_number,
    bit_or(1 << cast(hour_number % 24 as integer)) as hours_known,
    bool_and(is_plain) and count(*) = bit_count(bit_or(1 << cast(hour_number % 24 as integer))) as is_plain,
    min(case when is_plain then hour_number end) as first_plain_hour,
    max(case when is_plain then hour_number end) as last_plain_hour,
    max(load_id) as load_id
from hours
{%- if is_incremental() %}
semi join affected on hours.meter_id = affected.meter_id and hours.hour_number // 24 = affected.day_number
{%- endif %}
group by meter_id, hour_number // 24
