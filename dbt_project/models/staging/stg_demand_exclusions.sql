-- A detector decides when its run has built the marts, and is applied from the next run on: if the newest load is its
-- own, it waits until something else has come in, or for the next issue date. So a run that is repeated finds the same.
with newest as (
    select max(load_id) as load_id, arg_max(source, load_id) as source
    from {{ source('raw', 'load_ledger') }}
)

select
    exclusions.meter_id,
    exclusions.start_utc,
    exclusions.end_utc,
    exclusions.decided_at_utc,
    exclusions.action,
    exclusions.value_kwh,
    exclusions.reason,
    exclusions.load_id
from {{ source('raw', 'demand_exclusions') }} as exclusions
left join newest on exclusions.load_id = newest.load_id and newest.source = 'anomalies'
where newest.load_id is null
    or {{ local_date('exclusions.decided_at_utc', "'" ~ run_setting('market_timezone') ~ "'") }}
        < cast('{{ run_setting("issue_last_date") }}' as date)
