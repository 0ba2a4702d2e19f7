select
    meter_id,
    name,
    kind,
    site_id,
    parent_meter_id,
    timezone,
    country,
    latitude,
    longitude,
    interval_minutes,
    capacity_kw,
    tariff_id,
    source
from {{ ref('stg_meters') }}
