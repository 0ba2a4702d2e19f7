{{ config(meta={'dagster': {'ref': {'name': 'fct_demand_daily'}}}) }}

-- A day's demand is the sum of its hours, and no hour is in two days or in none.
with hourly as (
    select meter_id, local_date, {{ exact_sum('demand_kwh') }} as demand_kwh, count(demand_kwh) as hours_measured
    from {{ newer_rows(ref('fct_demand_hourly'), ['meter_id', 'local_date']) }} as tested
    where excluded_reason is distinct from 'in_future'
    group by meter_id, local_date
)

select *
from hourly
full outer join {{ newer_rows(ref('fct_demand_daily'), ['meter_id', 'local_date']) }} as daily using (meter_id, local_date)
where hourly.demand_kwh is distinct from daily.demand_kwh
    or hourly.hours_measured is distinct from daily.hours_measured
