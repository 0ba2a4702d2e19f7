{{ config(
    materialized='incremental',
    unique_key=['meter_id', 'local_date'],
) }}

-- Since when something is known of each local day of a meter: what features ask of all of its history. Incremental: days
-- with a version of a newer load.

{%- set seen = newest_load(this) if is_incremental() else -1 %}

{%- if is_incremental() %}

with affected as (
    select distinct meter_id, local_date
    from {{ ref('int_demand_versions') }}
    where load_id > {{ seen }}
)
{%- endif %}

select
    versions.meter_id,
    versions.local_date,
    min(case when demand_kwh is not null then known_from_utc end) as first_known_utc,
    max(load_id) as load_id
from {{ ref('int_demand_versions') }} as versions
{%- if is_incremental() %}
semi join affected using (meter_id, local_date)
{%- endif %}
group by versions.meter_id, versions.local_date
