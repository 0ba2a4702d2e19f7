select
    country,
    local_date,
    holiday_name
from {{ source('raw', 'holidays') }}
