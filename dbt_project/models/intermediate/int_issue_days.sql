-- Forecasts to make: each meter that is not silent, each issue date asked for. Issued at the market's local hour (the first
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
    select meter_id, kind, timezone, country
    from {{ ref('stg_meters') }}
    where kind <> 'machine'
),

-- the newest hour known of each meter, as it grew
cutoffs as (
    select
        meter_id,
        known_from_utc,
        max(max(interval_end_utc)) over (partition by meter_id order by known_from_utc) as data_cutoff_utc
    from {{ ref('int_demand_versions') }}
    where demand_kwh is not null
    group by meter_id, known_from_utc
),

zone_issues as (
    select
        zones.timezone,
        issues.issue_date,
        issues.issued_at_utc,
        {{ local_date('issues.issued_at_utc', 'zones.timezone') }} + 1 as target_date
    from issues
    cross join (select distinct timezone from meters) as zones
)

select
    meters.meter_id,
    meters.kind,
    meters.timezone,
    meters.country,
    zone_issues.issue_date,
    zone_issues.issued_at_utc,
    zone_issues.target_date,
    days.day_start_utc as target_start_utc,
    days.day_end_utc as target_end_utc
from meters
inner join zone_issues using (timezone)
asof join cutoffs
    on meters.meter_id = cutoffs.meter_id and zone_issues.issued_at_utc >= cutoffs.known_from_utc
inner join {{ ref('int_local_days') }} as days
    on zone_issues.timezone = days.timezone and zone_issues.target_date = days.local_date
-- a meter that has been silent for longer has nothing that a feature looks back on
where cutoffs.data_cutoff_utc >= zone_issues.issued_at_utc - interval '45 days'
