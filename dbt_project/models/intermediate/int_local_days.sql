{{ config(
    materialized='incremental',
    unique_key=['timezone', 'local_date'],
) }}

-- Every local day of every time zone that meters live in, as the UTC hours that start in it: 23, 24 or 25. Counting
-- hours forward from UTC has no nonexistent and no ambiguous times. In zones with half-hour offsets the day's first hour
-- starts at half past midnight: hours are UTC hours everywhere. Incremental: days that readings of newer loads and the
-- issue dates reach to, and what lies between them and the days that are there.

{%- set seen = newest_load(this) if is_incremental() else -1 %}

with meters as (
    select meter_id, timezone from {{ ref('stg_meters') }}
),

readings as (
    select meter_id, min(interval_start_utc) as first_utc, max(interval_start_utc) as last_utc
    from {{ ref('stg_meter_readings') }}
    where epoch_us(interval_end_utc) <= epoch_us(known_at_utc) + 86400000000 -- a stamp in the far future makes no calendar
        {%- if is_incremental() %}
        and load_id > {{ seen }}
        {%- endif %}
    group by meter_id
),

reached as (
    select
        meters.timezone,
        min(readings.first_utc) as first_utc,
        greatest(max(readings.last_utc), cast('{{ run_setting("issue_last_date") }} 00:00:00+00' as timestamptz)) as last_utc
    from meters
    left join readings using (meter_id)
    group by meters.timezone
),

{%- if is_incremental() %}

standing as (
    select timezone, min(day_start_utc) as first_utc, max(day_start_utc) as last_utc
    from {{ this }}
    group by timezone
),
{%- endif %}

spans as (
    select
        reached.timezone,
        {%- if is_incremental() %}
        coalesce(
            least(reached.first_utc, standing.last_utc), cast('{{ run_setting("issue_first_date") }} 00:00:00+00' as timestamptz)
        ) as first_utc,
        greatest(reached.last_utc, standing.first_utc) as last_utc
        {%- else %}
        coalesce(reached.first_utc, cast('{{ run_setting("issue_first_date") }} 00:00:00+00' as timestamptz)) as first_utc,
        reached.last_utc
        {%- endif %}
    from reached
    {%- if is_incremental() %}
    left join standing using (timezone)
    {%- endif %}
),

hours as (
    select
        timezone,
        unnest(generate_series(
            {{ hour_of('first_utc') }} - interval '48 hours',
            {{ hour_of('last_utc') }} + interval '120 hours',
            interval '1 hour'
        )) as hour_start_utc
    from spans
),

days as (
    select
        timezone,
        {{ local_date('hour_start_utc', 'timezone') }} as local_date,
        min(hour_start_utc) as day_start_utc,
        max(hour_start_utc) + interval '1 hour' as day_end_utc,
        count(*) as hours_expected
    from hours
    group by all
),

whole as (
    select *
    from days
    -- the outermost days of the series are cut off
    qualify local_date not in (
        min(local_date) over (partition by timezone), max(local_date) over (partition by timezone)
    )
)

select
    timezone,
    local_date,
    day_start_utc,
    day_end_utc,
    cast(hours_expected as integer) as hours_expected,
    (select coalesce(max(load_id), -1) from {{ ref('stg_meter_readings') }}) as load_id
from whole
{%- if is_incremental() %}
anti join {{ this }} as known using (timezone, local_date)
{%- endif %}
