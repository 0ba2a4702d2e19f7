-- Places whose weather may stand for a meter: those it names, else those of its country, else those of the country
-- that its region belongs to (AU for AU-NSW).
with meters as (
    select meter_id, country from {{ ref('stg_meters') }}
),

candidates as (
    select meter_id, location_id, 'named' as basis, 1 as preference
    from {{ ref('stg_meter_locations') }}
    inner join meters using (meter_id)

    union all

    select meters.meter_id, locations.location_id, 'country' as basis, 2 as preference
    from meters
    inner join {{ ref('stg_weather_locations') }} as locations
        on meters.country is not distinct from locations.country

    union all

    select meters.meter_id, locations.location_id, 'country' as basis, 3 as preference
    from meters
    inner join {{ ref('stg_weather_locations') }} as locations
        on split_part(meters.country, '-', 1) = split_part(locations.country, '-', 1)
),

preferred as (
    select *, min(preference) over (partition by meter_id) as best
    from candidates
)

select meter_id, location_id, basis
from preferred
where preference = best
