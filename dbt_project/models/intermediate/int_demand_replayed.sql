{{ config(
    materialized='incremental',
    unique_key=['meter_id', 'interval_start_utc'],
) }}

{#-
    Hours that are not plain (macros/hours.sql) as they were known at any time: one row per meter, hour and version, valid
    from known_from_utc until known_to_utc (open: null). What a version says depends only on rows known by its known_from_utc.

    - An hour opens when its intervals are complete; one that is not complete two hours after its first part was known
      opens then, with what there is. Every later correction, part or decision opens a new version.
    - Most of these hours have one version and pass through a plain aggregation ("settled"). The others ("eventful") are
      replayed event by event.
    - Incremental: hours with a reading or a decision of a newer load are computed anew, as a whole.
-#}

{%- set seen = newest_load(this) if is_incremental() else -1 %}
{%- set newer_days %}
    select day_number
    from {{ ref('int_reading_days') }}
    where not is_plain
        and load_id > {{ seen }}

    union all

    select {{ hour_number('epoch_us(start_utc)') }} // 24
    from {{ ref('stg_demand_exclusions') }}
    where load_id > {{ seen }}
{%- endset %}

with meters as (
    select meter_id, timezone, capacity_kw from {{ ref('stg_meters') }}
),

decisions as (
    select
        exclusions.*,
        unnest(generate_series(
            {{ hour_of('start_utc') }}, end_utc - interval '1 microsecond', interval '1 hour'
        )) as hour_start_utc
    from {{ ref('stg_demand_exclusions') }} as exclusions
),

-- days on which something is not plain; only these are read
days as (
    select meter_id, day_number
    from {{ ref('int_reading_days') }}
    where not is_plain
        and load_id > {{ seen }}

    union

    select meter_id, cast({{ hour_number('epoch_us(hour_start_utc)') }} // 24 as integer) as day_number
    from decisions
    where load_id > {{ seen }}
),

readings as not materialized (
    select parts.*
    from {{ ref('int_readings_by_hour') }} as parts
    semi join days
        on parts.meter_id = days.meter_id
        and {{ hour_number('epoch_us(parts.hour_start_utc)') }} // 24 = days.day_number
    {%- if is_incremental() %}
    where parts.interval_end_utc > {{ earliest_day(newer_days) }}
    {%- endif %}
),

{%- if is_incremental() %}

affected as (
    select distinct meter_id, hour_start_utc
    from readings
    where load_id > {{ seen }}

    union

    select distinct meter_id, hour_start_utc
    from decisions
    where load_id > {{ seen }}
),
{%- endif %}

parts as (
    select
        readings.*,
        (epoch(part_end_utc) - epoch(part_start_utc)) / 60 as minutes,
        {{ is_plain_reading('readings', 'meters.capacity_kw') }} as is_plain
    from readings
    inner join meters using (meter_id)
    {%- if is_incremental() %}
    semi join affected using (meter_id, hour_start_utc)
    where readings.interval_start_utc >= (select min(hour_start_utc) - interval '24 hours' from affected)
        and readings.interval_start_utc < (select max(hour_start_utc) + interval '1 hour' from affected)
    {%- endif %}
),

hours as (
    select
        meter_id,
        hour_start_utc,
        count(*) as versions,
        -- distinct starts, where all are at full minutes; counted as bits, which is a tenth of the work
        case when bool_and(epoch_us(part_start_utc) % 60000000 = 0) then bit_count(bit_or(
            cast(1 as ubigint) << ((epoch_us(part_start_utc) + 62135596800000000) // 60000000 % 60)
        )) else 0 end as starts,
        coalesce(bool_and(is_plain), false) as is_plain,
        sum(minutes) as minutes,
        min(known_at_utc) as first_known_utc,
        max(known_at_utc) as last_known_utc,
        sum(case when energy_kwh is not null then minutes end) as measured_minutes,
        {{ exact_sum('energy_kwh') }} as energy_kwh,
        min(energy_kwh) as least_kwh,
        max(energy_kwh) as greatest_kwh,
        max(quality_rank) as quality_rank,
        max(load_id) as load_id
    from parts
    group by meter_id, hour_start_utc
),

hour_decisions as (
    select
        hours.meter_id,
        hours.hour_start_utc,
        decisions.decided_at_utc,
        decisions.action,
        decisions.value_kwh,
        decisions.reason,
        decisions.load_id
    from decisions
    inner join hours using (meter_id, hour_start_utc)
),

decided_hours as (
    select meter_id, hour_start_utc, max(load_id) as load_id
    from hour_decisions
    group by meter_id, hour_start_utc
),

classified as (
    select
        hours.* exclude (load_id, is_plain),
        greatest(hours.load_id, coalesce(decided_hours.load_id, hours.load_id)) as load_id,
        hours.first_known_utc + interval '2 hours' as waited_until_utc,
        hours.versions = hours.starts
            and hours.minutes <= 60
            and hours.last_known_utc <= hours.first_known_utc + interval '2 hours'
            and decided_hours.meter_id is null as is_settled
    from hours
    left join decided_hours using (meter_id, hour_start_utc)
    -- plain hours on days on which others are not
    where not hours.is_plain or hours.versions > 1 or decided_hours.meter_id is not null
),

settled as (
    select
        meter_id,
        hour_start_utc,
        case when minutes >= 60 then last_known_utc else waited_until_utc end as known_from_utc,
        measured_minutes,
        energy_kwh,
        least_kwh,
        greatest_kwh,
        quality_rank
    from classified
    where is_settled
),

-- Eventful hours. A reading stands until a newer one of the same interval replaces it.
standing as (
    select
        parts.*,
        lead(known_at_utc) over part_versions as replaced_at_utc,
        min(known_at_utc) over (partition by parts.meter_id, part_start_utc, part_end_utc) as part_known_utc
    from parts
    inner join (select meter_id, hour_start_utc from classified where not is_settled) using (meter_id, hour_start_utc)
    window part_versions as (
        partition by parts.meter_id, part_start_utc, part_end_utc order by known_at_utc
    )
),

-- Readings of different lengths over the same time (an hour corrected as a whole) are alternatives, told apart by
-- length; different lengths after each other (a meter that changed its interval) add up.
alternatives as (
    select
        *,
        case
            when sum(case when known_at_utc = part_known_utc then minutes end)
                over (partition by meter_id, hour_start_utc) > 60 then minutes
            else 0
        end as alternative
    from standing
),

completions as (
    select
        meter_id,
        hour_start_utc,
        alternative,
        min(part_known_utc) as first_known_utc,
        case when sum(minutes) >= 60 then max(part_known_utc) end as complete_at_utc
    from alternatives
    where known_at_utc = part_known_utc
    group by meter_id, hour_start_utc, alternative
),

openings as (
    select
        meter_id,
        hour_start_utc,
        least(
            coalesce(min(complete_at_utc), min(first_known_utc) + interval '2 hours'),
            min(first_known_utc) + interval '2 hours'
        ) as opened_at_utc
    from completions
    group by meter_id, hour_start_utc
),

events as (
    select meter_id, hour_start_utc, opened_at_utc as known_from_utc from openings

    union

    select meter_id, hour_start_utc, known_at_utc
    from standing
    inner join openings using (meter_id, hour_start_utc)
    where known_at_utc > opened_at_utc

    union

    select meter_id, hour_start_utc, decided_at_utc
    from hour_decisions
    inner join openings using (meter_id, hour_start_utc)
    where decided_at_utc > opened_at_utc
),

states as (
    select
        events.meter_id,
        events.hour_start_utc,
        events.known_from_utc,
        alternatives.alternative,
        sum(case when energy_kwh is not null then minutes end) as measured_minutes,
        {{ exact_sum('energy_kwh') }} as energy_kwh,
        min(energy_kwh) as least_kwh,
        max(energy_kwh) as greatest_kwh,
        max(quality_rank) as quality_rank,
        max(known_at_utc) as newest_known_utc
    from events
    inner join alternatives
        on events.meter_id = alternatives.meter_id
        and events.hour_start_utc = alternatives.hour_start_utc
        and events.known_from_utc >= alternatives.known_at_utc
        and (alternatives.replaced_at_utc is null or events.known_from_utc < alternatives.replaced_at_utc)
    group by all
),

eventful as (
    select * exclude (alternative, newest_known_utc)
    from states
    qualify row_number() over (
        partition by meter_id, hour_start_utc, known_from_utc
        order by measured_minutes desc nulls last, newest_known_utc desc, alternative
    ) = 1
),

versions as (
    select * from settled
    union all by name
    select * from eventful
),

decided as (
    select
        versions.meter_id,
        versions.hour_start_utc,
        versions.known_from_utc,
        hour_decisions.action,
        hour_decisions.value_kwh,
        hour_decisions.reason
    from versions
    inner join hour_decisions
        on versions.meter_id = hour_decisions.meter_id
        and versions.hour_start_utc = hour_decisions.hour_start_utc
        and versions.known_from_utc >= hour_decisions.decided_at_utc
    qualify row_number() over (
        partition by versions.meter_id, versions.hour_start_utc, versions.known_from_utc
        order by hour_decisions.decided_at_utc desc, hour_decisions.load_id desc, hour_decisions.action
    ) = 1
),

judged as (
    select
        versions.meter_id,
        versions.hour_start_utc as interval_start_utc,
        versions.hour_start_utc + interval '1 hour' as interval_end_utc,
        versions.known_from_utc,
        versions.energy_kwh,
        versions.greatest_kwh,
        versions.quality_rank,
        coalesce(versions.measured_minutes, 0) / 60 as coverage,
        decided.action,
        decided.value_kwh,
        meters.timezone,
        {{ exclusion_reason(
            'versions.energy_kwh * 60 / versions.measured_minutes', 'versions.least_kwh', 'versions.greatest_kwh',
            "versions.hour_start_utc + interval '1 hour'", 'versions.known_from_utc', 'meters.capacity_kw',
            'decided.action', 'decided.reason',
        ) }} as excluded_reason
    from versions
    inner join meters using (meter_id)
    left join decided using (meter_id, hour_start_utc, known_from_utc)
),

cleaned as (
    select
        *,
        case when greatest_kwh >= {{ absurd_kwh() }} then greatest_kwh else energy_kwh end as demand_reported_kwh,
        case
            when action = 'impute' then value_kwh
            when excluded_reason is not null or coverage < 0.5 then null
            when coverage < 1 then round(energy_kwh / coverage, 6)
            else energy_kwh
        end as demand_kwh
    from judged
)

select
    cleaned.meter_id,
    cleaned.interval_start_utc,
    cleaned.interval_end_utc,
    cleaned.known_from_utc,
    lead(cleaned.known_from_utc) over (
        partition by cleaned.meter_id, cleaned.interval_start_utc order by cleaned.known_from_utc
    ) as known_to_utc,
    {{ local_date('cleaned.interval_start_utc', 'cleaned.timezone') }} as local_date,
    {{ local_hour('cleaned.interval_start_utc', 'cleaned.timezone') }} as local_hour,
    cleaned.demand_reported_kwh,
    cleaned.demand_kwh,
    case
        when cleaned.demand_kwh is null then 'missing'
        when cleaned.action = 'impute' or cleaned.coverage < 1 then 'estimated'
        else {{ quality_name('cleaned.quality_rank') }}
    end as quality,
    cleaned.excluded_reason,
    cleaned.coverage,
    classified.load_id
from cleaned
inner join classified
    on cleaned.meter_id = classified.meter_id and cleaned.interval_start_utc = classified.hour_start_utc
