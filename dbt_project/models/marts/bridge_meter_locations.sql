-- Places whose weather may stand for a meter.
select meter_id, location_id, basis
from {{ ref('int_meter_locations') }}
