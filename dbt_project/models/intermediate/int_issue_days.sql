-- Forecasts to make: each meter that is not silent, each issue date asked for (of the older ones those that training looks
-- at). Issued at the market's local hour (the first
-- instant of the day at or after it, where clocks change), for the meter's own next local day.
with dates as (
    select unnest(generate_series(
        cast('{{ run_setting("issue_first_date") }}' as date),
        cast('{{ run_setting("issue_last_date") }}' as date),
        interval '1 day'
    )) as day
),

instants as (
    -- a quarter of an hour divides every offset from UTC
    select
        cast(day as date) as issue_date,
        unnest(generate_series(
            cast(cast(day as date) || ' 00:00:00+00' as timestamptz) - interval '15 hours',
            cast(cast(day as date) || ' 00:00:00+00' as timestamptz) + interval '39 hours',
            interval '15 minutes'
        )) as instant_utc
    from dates
),

issues as (
    select issue_date, min(instant_utc) as issued_at_utc
    from instants
    where {{ local_date('instant_utc', "'" ~ run_setting('market_timezone') ~ "'") }} = issue_date
        and {{ local_hour('instant_utc', "'" ~ run_setting('market_timezone') ~ "'") }} >= {{ run_setting('issue_hour') }}
    group by issue_date
),

meters as (
    select
        meters.meter_id,
        meters.kind,
        meters.timezone,
        meters.country,
        turns.turn,
        turns.step,
        turns.is_judged
    from {{ ref('stg_meters') }} as meters
    inner join {{ ref('int_training_turns') }} as turns using (meter_id)
),

-- the newest day of which something is known of each meter, as it grew; what is older than the limit below is not read
newest_days as (
    select
        meter_id,
        first_known_utc,
        max(local_date) over (partition by meter_id order by first_known_utc) as newest_date
    from {{ ref('int_demand_days') }}
    where first_known_utc is not null
        and local_date >= cast('{{ run_setting("issue_first_date") }}' as date) - 50
),

zone_issues as (
    select
        zones.timezone,
        issues.issue_date,
        issues.issued_at_utc,
        {{ local_date('issues.issued_at_utc', 'zones.timezone') }} + 1 as target_date
    from issues
    cross join (select distinct timezone from meters) as zones
),

-- a meter that has been silent for longer has nothing that a feature looks back on
limited as (
    select
        meters.*,
        zone_issues.issue_date,
        zone_issues.issued_at_utc,
        zone_issues.target_date,
        zone_issues.issued_at_utc - interval '45 days' as silent_since_utc,
        newest_days.newest_date,
        {{ local_date("zone_issues.issued_at_utc - interval '45 days'", 'meters.timezone') }} as limit_date
    from meters
    inner join zone_issues using (timezone)
    asof join newest_days
        on meters.meter_id = newest_days.meter_id and zone_issues.issued_at_utc >= newest_days.first_known_utc
    where zone_issues.issue_date >= cast('{{ run_setting("issue_whole_date") }}' as date)
        or meters.is_judged and zone_issues.issue_date >= cast('{{ run_setting("issue_judged_date") }}' as date)
        or {{ in_turn('zone_issues.issued_at_utc', 'meters') }}
),

-- on the day of the limit the hour counts
on_the_limit as (
    select limited.meter_id, limited.issued_at_utc
    from limited
    inner join {{ ref('int_demand_versions') }} as versions
        on limited.meter_id = versions.meter_id
        and limited.newest_date = versions.local_date
        and limited.issued_at_utc >= versions.known_from_utc
        and limited.silent_since_utc <= versions.interval_end_utc
    where limited.newest_date = limited.limit_date
        and versions.demand_kwh is not null
),

heard_of as (
    select * from limited where newest_date > limit_date

    union all

    select * from limited semi join on_the_limit using (meter_id, issued_at_utc) where newest_date = limit_date
)

select
    heard_of.meter_id,
    heard_of.kind,
    heard_of.timezone,
    heard_of.country,
    heard_of.issue_date,
    heard_of.issued_at_utc,
    heard_of.target_date,
    days.day_start_utc as target_start_utc,
    days.day_end_utc as target_end_utc
from heard_of
inner join {{ ref('int_local_days') }} as days
    on heard_of.timezone = days.timezone and heard_of.target_date = days.local_date
