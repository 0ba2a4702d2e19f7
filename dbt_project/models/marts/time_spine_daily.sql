-- One row per calendar day of the warehouse: the semantic layer's measure of time.
select cast(unnest(generate_series(min(local_date), max(local_date), interval '1 day')) as date) as date_day
from {{ ref('int_local_days') }}
