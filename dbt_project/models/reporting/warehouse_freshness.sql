-- How far each meter's data and forecasts reach, against the newest issue time of the warehouse: no wall clock, so a
-- replayed day reads like a live one.
with hourly as (
    select
        meter_id,
        min(interval_start_utc) as first_interval_utc,
        max(case when demand_reported_kwh is not null then interval_end_utc end) as newest_reading_end_utc,
        max(known_at_utc) as newest_known_at_utc,
        count(*) as hours,
        count(*) filter (where is_gap) as gap_hours,
        count(*) filter (where excluded_reason is not null) as excluded_hours
    from {{ ref('fct_demand_hourly') }}
    group by meter_id
),

telemetry as (
    select
        machine_id as meter_id,
        min(interval_start_utc) as first_interval_utc,
        max(interval_end_utc) as newest_reading_end_utc,
        max(known_at_utc) as newest_known_at_utc
    from {{ ref('fct_telemetry_15min') }}
    group by machine_id
),

forecasts as (
    select
        meter_id,
        max(issued_at_utc) as newest_issue_utc,
        max(interval_end_utc) as forecast_until_utc
    from {{ ref('stg_demand_forecasts') }}
    group by meter_id
),

rejected as (
    select source, count(*) as rejected_rows
    from {{ ref('stg_rejected_rows') }}
    group by source
),

newest_issue as (
    select coalesce(
        (select max(newest_issue_utc) from forecasts),
        (select max(issued_at_utc) from {{ ref('int_issue_days') }}),
        (select max(newest_known_at_utc) from hourly)
    ) as as_of_utc
),

combined as (
    select
        meters.*,
        newest_issue.as_of_utc,
        coalesce(hourly.first_interval_utc, telemetry.first_interval_utc) as first_interval_utc,
        greatest(hourly.newest_reading_end_utc, telemetry.newest_reading_end_utc) as newest_reading_end_utc,
        greatest(hourly.newest_known_at_utc, telemetry.newest_known_at_utc) as newest_known_at_utc,
        coalesce(hourly.hours, 0) as hours,
        coalesce(hourly.gap_hours, 0) as gap_hours,
        coalesce(hourly.excluded_hours, 0) as excluded_hours,
        forecasts.newest_issue_utc,
        forecasts.forecast_until_utc,
        coalesce(rejected.rejected_rows, 0) as source_rejected_rows
    from {{ ref('dim_meters') }} as meters
    cross join newest_issue
    left join hourly using (meter_id)
    left join telemetry using (meter_id)
    left join forecasts using (meter_id)
    left join rejected using (source)
),

measured as (
    select
        *,
        greatest(0, (epoch(as_of_utc) - epoch(newest_reading_end_utc)) / 3600) as hours_behind
    from combined
)

select
    meter_id,
    name as meter_name,
    kind,
    source,
    as_of_utc,
    first_interval_utc,
    newest_reading_end_utc,
    newest_known_at_utc,
    case when newest_reading_end_utc is not null then hours_behind end as hours_behind,
    case
        when newest_reading_end_utc is null then 'no data'
        when hours_behind <= 24 then 'fresh'
        when hours_behind <= 168 then 'late'
        else 'stopped'
    end as status,
    newest_issue_utc,
    forecast_until_utc,
    cast(hours as bigint) as hours,
    cast(gap_hours as bigint) as gap_hours,
    cast(excluded_hours as bigint) as excluded_hours,
    cast(source_rejected_rows as bigint) as source_rejected_rows
from measured
