{{ config(materialized='view') }}

-- Imported energy by UTC hour. A reading that crosses the full hour (zones with half-hour offsets, or more than an hour
-- long) is split in proportion and becomes an estimate; all others pass as they are.
with readings as (
    select
        *,
        {{ hour_of('interval_start_utc') }} as hour_start_utc
    from {{ ref('stg_meter_readings') }}
    where direction = 'import'
),

whole as (
    select
        meter_id, hour_start_utc, interval_start_utc as part_start_utc, interval_end_utc as part_end_utc,
        interval_start_utc, known_at_utc, energy_kwh, {{ quality_rank('quality') }} as quality_rank, load_id
    from readings
    where interval_end_utc <= hour_start_utc + interval '1 hour'
),

crossing as (
    select
        * exclude (hour_start_utc),
        unnest(generate_series(
            hour_start_utc, interval_end_utc - interval '1 microsecond', interval '1 hour'
        )) as hour_start_utc
    from readings
    where interval_end_utc > hour_start_utc + interval '1 hour'
),

split as (
    select
        meter_id,
        hour_start_utc,
        greatest(interval_start_utc, hour_start_utc) as part_start_utc,
        least(interval_end_utc, hour_start_utc + interval '1 hour') as part_end_utc,
        interval_start_utc,
        known_at_utc,
        energy_kwh
            * (epoch(least(interval_end_utc, hour_start_utc + interval '1 hour'))
                - epoch(greatest(interval_start_utc, hour_start_utc)))
            / (epoch(interval_end_utc) - epoch(interval_start_utc)) as energy_kwh,
        greatest({{ quality_rank('quality') }}, 2) as quality_rank,
        load_id
    from crossing
)

select * from whole
union all by name
select * from split
