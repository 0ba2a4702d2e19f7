select
    source,
    path,
    file_row,
    reason,
    load_id
from {{ source('raw', 'rejected_rows') }}
