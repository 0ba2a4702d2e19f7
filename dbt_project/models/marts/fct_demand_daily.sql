{{ config(
    materialized='incremental',
    unique_key=['meter_id', 'local_date'],
) }}

-- Demand per local day of 23, 24 or 25 hours. Incremental: days with an hour that a newer load touched.

{%- set seen = newest_load(this) if is_incremental() else -1 %}

with hours as (
    select
        hourly.meter_id,
        hourly.local_date,
        hourly.interval_start_utc,
        hourly.demand_kwh,
        hourly.load_id,
        max(hourly.demand_kwh) over (partition by hourly.meter_id, hourly.local_date) as peak_kw
    from {{ ref('fct_demand_hourly') }} as hourly
    {%- if is_incremental() %}
    semi join (select meter_id, local_date from {{ ref('fct_demand_hourly') }} where load_id > {{ seen }}) as affected
        on hourly.meter_id = affected.meter_id and hourly.local_date = affected.local_date
    {%- endif %}
),

days as (
    select
        meter_id,
        local_date,
        {{ exact_sum('demand_kwh') }} as demand_kwh,
        max(peak_kw) as peak_kw,
        min(case when demand_kwh = peak_kw then interval_start_utc end) as peak_at_utc,
        count(demand_kwh) as hours_measured,
        max(load_id) as load_id
    from hours
    group by meter_id, local_date
)

select
    days.meter_id,
    days.local_date,
    days.demand_kwh,
    days.peak_kw,
    days.peak_at_utc,
    case when days.peak_kw > 0 then days.demand_kwh / days.hours_measured / days.peak_kw end as load_factor,
    local_days.hours_expected,
    cast(days.hours_measured as integer) as hours_measured,
    days.hours_measured / local_days.hours_expected as completeness,
    days.load_id
from days
inner join {{ ref('stg_meters') }} as meters using (meter_id)
inner join {{ ref('int_local_days') }} as local_days
    on meters.timezone = local_days.timezone and days.local_date = local_days.local_date
