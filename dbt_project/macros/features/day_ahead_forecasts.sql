{#-
    Which forecasts of the day ahead are computed, and what is known of their meters as a whole.

    A "forecast" is a meter and an issue time. Computed are those that are missing, and those that a newer load may have
    changed: it brought something known by their issue time within the days they look back on, or a day that was not known
    at all before.
-#}

{% macro day_ahead_forecasts(weather_hours_back) %}
{%- set seen = newest_load(this) if is_incremental() else -1 -%}

meters as (
    select meter_id, kind, timezone, coalesce(country, 'none') as country
    from {{ ref('stg_meters') }}
),

newest as (
    select greatest(
        coalesce((select max(load_id) from {{ ref('int_demand_versions') }}), -1),
        coalesce((select max(load_id) from {{ ref('stg_weather') }}), -1),
        coalesce((select max(load_id) from {{ ref('stg_published_forecasts') }}), -1)
    ) as load_id
),

{%- if is_incremental() %}

existing as (
    select
        meter_id,
        issued_at_utc,
        min(local_date) as target_date,
        min(interval_start_utc) as target_start_utc,
        max(interval_end_utc) as target_end_utc
    from {{ this }}
    group by meter_id, issued_at_utc
),

new_demand as (
    select
        meter_id,
        local_date,
        min(case when load_id > {{ seen }} then known_from_utc end) as known_from_utc,
        min(load_id) > {{ seen }} as is_new_day
    from {{ ref('int_demand_versions') }}
    semi join (
        select distinct meter_id, local_date
        from {{ ref('int_demand_versions') }}
        where load_id > {{ seen }}
    ) as days using (meter_id, local_date)
    group by meter_id, local_date
),

new_weather as (
    select location_id, {{ hour_of('valid_at_utc', 1440) }} as day_start_utc, min(known_at_utc) as known_from_utc
    from {{ ref('stg_weather') }}
    where load_id > {{ seen }}
    group by all
),

touched as (
    select existing.meter_id, existing.issued_at_utc
    from existing
    inner join new_demand
        on existing.meter_id = new_demand.meter_id
        and existing.issued_at_utc >= new_demand.known_from_utc
        and (new_demand.is_new_day or new_demand.local_date >= existing.target_date - 40)

    union

    select locations.meter_id, issues.issued_at_utc
    from (select distinct issued_at_utc, target_start_utc, target_end_utc from existing) as issues
    inner join new_weather
        on issues.issued_at_utc >= new_weather.known_from_utc
        and new_weather.day_start_utc >= issues.target_start_utc - interval '{{ weather_hours_back + 24 }} hours'
        and new_weather.day_start_utc < issues.target_end_utc
    inner join {{ ref('int_meter_locations') }} as locations using (location_id)

    union

    select existing.meter_id, existing.issued_at_utc
    from existing
    inner join {{ ref('stg_published_forecasts') }} as published
        on existing.meter_id = published.meter_id
        and published.load_id > {{ seen }}
        and existing.issued_at_utc >= published.known_at_utc
        and published.interval_start_utc >= existing.target_start_utc
        and published.interval_start_utc < existing.target_end_utc
),

asked as (
    select meter_id, issued_at_utc, target_date, target_start_utc, target_end_utc
    from {{ ref('int_issue_days') }}
    anti join existing using (meter_id, issued_at_utc)

    union all

    select meter_id, issued_at_utc, target_date, target_start_utc, target_end_utc
    from existing
    semi join touched using (meter_id, issued_at_utc)
),
{%- else %}

asked as (
    select meter_id, issued_at_utc, target_date, target_start_utc, target_end_utc
    from {{ ref('int_issue_days') }}
),
{%- endif %}

-- no feature looks back further: a meter may be silent for 45 days before the issue, the day before its target
known as (
    select *
    from {{ ref('int_demand_versions') }}
    where demand_kwh is not null
        and meter_id in (select meter_id from asked)
        and local_date >= (select min(target_date) - 50 from asked)
        and local_date <= (select max(target_date) from asked)
),

-- the newest hour known is one of the newest day of which something is known; what was known before the first of the
-- forecasts needs no order
known_days as (
    select
        meter_id,
        local_date,
        greatest(first_known_utc, first_issue.issued_at_utc) as known_by_utc
    from {{ ref('int_demand_days') }}
    cross join (select min(issued_at_utc) as issued_at_utc from asked) as first_issue
    where first_known_utc is not null
        and meter_id in (select meter_id from asked)
),

newest_days as (
    select
        meter_id,
        known_by_utc,
        max(max(local_date)) over days_known as newest_date,
        sum(count(*)) over days_known as known_days
    from known_days
    group by meter_id, known_by_utc
    window days_known as (partition by meter_id order by known_by_utc)
),

positioned as (
    select asked.*, newest_days.newest_date, newest_days.known_days
    from asked
    asof left join newest_days
        on asked.meter_id = newest_days.meter_id and asked.issued_at_utc >= newest_days.known_by_utc
),

cutoffs as (
    select positioned.meter_id, positioned.issued_at_utc, max(known.interval_end_utc) as data_cutoff_utc
    from positioned
    inner join known
        on positioned.meter_id = known.meter_id
        and positioned.newest_date = known.local_date
        and positioned.issued_at_utc >= known.known_from_utc
    group by positioned.meter_id, positioned.issued_at_utc
),

forecasts as (
    select
        row_number() over (order by positioned.meter_id, positioned.issued_at_utc) as forecast_number,
        positioned.* exclude (newest_date, known_days),
        meters.kind,
        meters.timezone,
        meters.country,
        cutoffs.data_cutoff_utc,
        coalesce(positioned.known_days, 0) as known_days
    from positioned
    inner join meters using (meter_id)
    left join cutoffs using (meter_id, issued_at_utc)
)
{% endmacro %}
