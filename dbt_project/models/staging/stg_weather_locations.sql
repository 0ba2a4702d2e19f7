select
    location_id,
    country
from {{ source('raw', 'weather_locations') }}
