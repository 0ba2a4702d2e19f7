select
    meter_id,
    site_id,
    parent_meter_id,
    name,
    kind,
    timezone,
    country,
    latitude,
    longitude,
    interval_minutes,
    capacity_kw,
    tariff_id,
    source
from {{ source('raw', 'meters') }}
