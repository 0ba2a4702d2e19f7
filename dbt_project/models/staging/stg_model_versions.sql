select
    model_version,
    model_name,
    kind,
    role,
    trained_at_utc
from {{ source('forecasts', 'model_versions') }}
