{{ config(materialized='view') }}

-- Forecasts that others published, by UTC hour: the newest of each interval, hours complete or absent.
with newest as (
    select *, {{ hour_of('interval_start_utc') }} as hour_start_utc
    from {{ ref('stg_published_forecasts') }}
    qualify lead(known_at_utc) over (
        partition by meter_id, publisher, interval_start_utc order by known_at_utc
    ) is null
)

select
    meter_id,
    publisher,
    hour_start_utc as interval_start_utc,
    {{ exact_sum('energy_kwh') }} as energy_kwh,
    max(known_at_utc) as known_at_utc
from newest
group by meter_id, publisher, hour_start_utc
having sum(epoch(interval_end_utc) - epoch(interval_start_utc)) = 3600
