{{ config(materialized='view') }}

-- Forecasts that others published, by UTC hour: every version of every hour, so that who asks as of an instant gets what
-- was known then. An hour's version is made of its intervals' newest by then; hours are complete or absent.
with published as (
    select *, {{ hour_of('interval_start_utc') }} as hour_start_utc
    from {{ ref('stg_published_forecasts') }}
),

versions as (
    select distinct meter_id, publisher, hour_start_utc, known_at_utc
    from published
),

newest as (
    select
        versions.*,
        published.interval_start_utc,
        arg_max(published.interval_end_utc, published.known_at_utc) as interval_end_utc,
        arg_max(published.energy_kwh, published.known_at_utc) as energy_kwh
    from versions
    inner join published
        on versions.meter_id = published.meter_id
        and versions.publisher = published.publisher
        and versions.hour_start_utc = published.hour_start_utc
        and versions.known_at_utc >= published.known_at_utc
    group by all
)

select
    meter_id,
    publisher,
    hour_start_utc as interval_start_utc,
    {{ exact_sum('energy_kwh') }} as energy_kwh,
    known_at_utc
from newest
group by meter_id, publisher, hour_start_utc, known_at_utc
having sum(epoch(interval_end_utc) - epoch(interval_start_utc)) = 3600
