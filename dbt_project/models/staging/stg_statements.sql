-- Everything that people said, with the statement that replaced it.
with source as (
    select * from {{ source('raw', 'feedback') }}
),

replacements as (
    select supersedes_id, min(feedback_id) as superseded_by_id
    from source
    where supersedes_id is not null
    group by supersedes_id
)

select
    source.feedback_id,
    source.target_type,
    source.target_id,
    source.meter_id,
    source.interval_start_utc,
    source.interval_end_utc,
    source.verdict,
    source.corrected_kwh,
    source.reason,
    source.author,
    source.given_at_utc,
    source.known_at_utc,
    source.use_for_training,
    source.supersedes_id,
    replacements.superseded_by_id
from source
left join replacements on source.feedback_id = replacements.supersedes_id
