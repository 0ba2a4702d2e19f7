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
    group by meter_id, local_date
    having max(load_id) > {{ seen }}
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

known as (
    select *
    from {{ ref('int_demand_versions') }}
    where demand_kwh is not null
        and meter_id in (select meter_id from asked)
),

cutoffs as (
    select
        meter_id,
        known_from_utc,
        max(max(interval_end_utc)) over (partition by meter_id order by known_from_utc) as data_cutoff_utc
    from known
    group by meter_id, known_from_utc
),

day_counts as (
    select meter_id, known_from_utc, count(*) over (partition by meter_id order by known_from_utc) as known_days
    from (
        select meter_id, local_date, min(known_from_utc) as known_from_utc
        from known
        group by meter_id, local_date
    ) as first_known
    qualify row_number() over (partition by meter_id, known_from_utc order by local_date) = 1
),

forecasts as (
    select
        row_number() over (order by asked.meter_id, asked.issued_at_utc) as forecast_number,
        asked.*,
        meters.kind,
        meters.timezone,
        meters.country,
        cutoffs.data_cutoff_utc,
        coalesce(day_counts.known_days, 0) as known_days
    from asked
    inner join meters using (meter_id)
    asof left join cutoffs
        on asked.meter_id = cutoffs.meter_id and asked.issued_at_utc >= cutoffs.known_from_utc
    asof left join day_counts
        on asked.meter_id = day_counts.meter_id and asked.issued_at_utc >= day_counts.known_from_utc
)
{% endmacro %}
