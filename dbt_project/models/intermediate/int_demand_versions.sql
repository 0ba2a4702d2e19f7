{{ config(materialized='view') }}

-- Hourly demand as it was known at any time: one row per meter, hour and version, valid from known_from_utc until
-- known_to_utc (open: null). A view: each hour's newest version is its row in the mart, and the few that were replaced are
-- kept beside it.
select
    meter_id,
    interval_start_utc,
    interval_end_utc,
    known_at_utc as known_from_utc,
    cast(null as timestamptz) as known_to_utc,
    local_date,
    local_hour,
    demand_reported_kwh,
    demand_kwh,
    quality,
    excluded_reason,
    coverage,
    load_id
from {{ ref('fct_demand_hourly') }}
where not is_gap

union all by name

select *
from {{ ref('int_demand_replayed') }}
where known_to_utc is not null
