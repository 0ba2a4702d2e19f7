select
    tariff_id,
    component,
    "window" as time_window,
    valid_from_utc,
    valid_to_utc,
    calendar,
    price,
    unit,
    averaging_minutes,
    billing_basis,
    currency,
    known_at_utc
from {{ source('raw', 'tariffs') }}
