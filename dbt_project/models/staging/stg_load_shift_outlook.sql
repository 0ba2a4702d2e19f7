select
    meter_id,
    issued_at_utc,
    interval_start_utc,
    interval_end_utc,
    price,
    price_basis,
    currency,
    before_p10_kw,
    before_p50_kw,
    before_p90_kw,
    moved_kw,
    incumbent_peak_kw
from {{ source('flexibility', 'load_shift_outlook') }}
