{{ config(materialized='view') }}

-- Imported energy by UTC hour. A reading that crosses the full hour (zones with half-hour offsets, or more than an hour
-- long) is split in proportion and becomes an estimate; all others pass as they are.

{#- Asked for twice and not a common table expression: who asks for few meters would have all of them set aside first. -#}
{%- set readings %}
    (
        select
            *,
            {{ hour_number('epoch_us(interval_start_utc)') }} as first_hour,
            {{ hour_number('epoch_us(interval_end_utc) - 1') }} as last_hour
        from {{ ref('stg_meter_readings') }}
        where direction = 'import'
    ) as readings
{%- endset %}

with whole as not materialized (
    select
        meter_id, {{ hour_start('first_hour') }} as hour_start_utc, interval_start_utc as part_start_utc,
        interval_end_utc as part_end_utc, interval_start_utc, interval_end_utc, known_at_utc, energy_kwh,
        {{ quality_rank('quality') }} as quality_rank, load_id
    from {{ readings }}
    where last_hour <= first_hour
),

crossing as (
    select *, unnest(range(first_hour, last_hour + 1)) as hour_number
    from {{ readings }}
    where last_hour > first_hour
),

hours as (
    select
        *,
        {{ hour_start('hour_number') }} as hour_start_utc,
        {{ hour_start('hour_number + 1') }} as hour_end_utc
    from crossing
),

split as (
    select
        meter_id,
        hour_start_utc,
        greatest(interval_start_utc, hour_start_utc) as part_start_utc,
        least(interval_end_utc, hour_end_utc) as part_end_utc,
        interval_start_utc,
        interval_end_utc,
        known_at_utc,
        energy_kwh
            * (epoch(least(interval_end_utc, hour_end_utc)) - epoch(greatest(interval_start_utc, hour_start_utc)))
            / (epoch(interval_end_utc) - epoch(interval_start_utc)) as energy_kwh,
        greatest({{ quality_rank('quality') }}, 2) as quality_rank,
        load_id
    from hours
)

select * from whole
union all by name
select * from split
