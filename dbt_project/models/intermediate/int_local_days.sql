-- Every local day of every time zone that meters live in, as the UTC hours that start in it: 23, 24 or 25. Counting
-- hours forward from UTC has no nonexistent and no ambiguous times. In zones with half-hour offsets the day's first hour
-- starts at half past midnight: hours are UTC hours everywhere.
with meters as (
    select meter_id, timezone from {{ ref('stg_meters') }}
),

readings as (
    select meter_id, min(interval_start_utc) as first_utc, max(interval_start_utc) as last_utc
    from {{ ref('stg_meter_readings') }}
    where epoch_us(interval_end_utc) <= epoch_us(known_at_utc) + 86400000000 -- a stamp in the far future makes no calendar
    group by meter_id
),

spans as (
    select
        meters.timezone,
        coalesce(min(readings.first_utc), cast('{{ run_setting("issue_first_date") }} 00:00:00+00' as timestamptz)) as first_utc,
        greatest(max(readings.last_utc), cast('{{ run_setting("issue_last_date") }} 00:00:00+00' as timestamptz)) as last_utc
    from meters
    left join readings using (meter_id)
    group by meters.timezone
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
)

select
    timezone,
    local_date,
    day_start_utc,
    day_end_utc,
    cast(hours_expected as integer) as hours_expected
from days
-- the outermost days of the series are cut off
qualify local_date not in (
    min(local_date) over (partition by timezone), max(local_date) over (partition by timezone)
)
