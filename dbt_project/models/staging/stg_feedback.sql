-- What people hold now: a statement that was replaced or withdrawn is history.
select * exclude (supersedes_id, superseded_by_id)
from {{ ref('stg_statements') }}
where superseded_by_id is null and verdict <> 'withdrawn'
