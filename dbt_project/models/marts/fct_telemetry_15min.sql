{{ config(
    materialized='incremental',
    unique_key=['machine_id', 'interval_start_utc'],
) }}

-- Machine telemetry per quarter of an hour, all that is known of it. Incremental: quarters that a newer load touched.

{%- set seen = newest_load(this) if is_incremental() else -1 %}

with telemetry as (
    select *, {{ hour_of('observed_at_utc', 15) }} as interval_start_utc
    from {{ ref('stg_telemetry') }}
),

{%- if is_incremental() %}

affected as (
    select distinct machine_id, interval_start_utc from telemetry where load_id > {{ seen }}
),
{%- endif %}

quarters as (
    select
        machine_id,
        interval_start_utc,
        {{ telemetry_aggregates() }},
        max(known_at_utc) as known_at_utc,
        max(load_id) as load_id
    from telemetry
    {%- if is_incremental() %}
    semi join affected using (machine_id, interval_start_utc)
    where observed_at_utc >= (select min(interval_start_utc) from affected)
        and observed_at_utc < (select max(interval_start_utc) + interval '15 minutes' from affected)
    {%- endif %}
    group by machine_id, interval_start_utc
)

select
    machine_id,
    interval_start_utc,
    interval_start_utc + interval '15 minutes' as interval_end_utc,
    energy_kwh,
    temperature_mean_c,
    temperature_max_c,
    vibration_mean_ms2,
    vibration_max_ms2,
    pressure_mean_bar,
    pressure_max_bar,
    power_mean_w,
    power_max_w,
    readings,
    known_at_utc,
    load_id
from quarters
