select
    meter_id,
    location_id
from {{ source('raw', 'meter_locations') }}
