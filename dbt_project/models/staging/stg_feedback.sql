-- What people hold now: a statement that another one replaces is history.
with source as (
    select * from {{ source('raw', 'feedback') }}
),

current_statements as (
    select source.*
    from source
    left join (select distinct supersedes_id from source where supersedes_id is not null) as later
        on source.feedback_id = later.supersedes_id
    where later.supersedes_id is null
)

select
    feedback_id,
    target_type,
    target_id,
    meter_id,
    interval_start_utc,
    interval_end_utc,
    verdict,
    corrected_kwh,
    reason,
    author,
    given_at_utc
from current_statements
