{{ config(materialized='view') }}

-- Which issue days of a meter are learned from, and which meters of a kind are judged (chosen once by chance). Few
-- meters are told apart and learn on every day. Where a kind has more days of meters than training looks at, it is every
-- `step`-th of each meter, so that each day has its share of the meters (macros/features/in_turn.sql). Steps double, so
-- that most of what was chosen stays so as meters come.
select
    meter_id,
    cast(md5_number_lower(meter_id) % 65536 as integer) as turn,
    case
        when count(*) over (partition by kind) <= {{ run_setting('few_meters') }} then 1
        else cast(pow(2, ceil(log2(greatest(1, count(*) over (partition by kind)
            * {{ run_setting('training_days') }} / {{ run_setting('training_meter_days') }}
        )))) as integer)
    end as step,
    row_number() over (partition by kind order by md5(meter_id)) <= {{ run_setting('evaluation_meters') }} as is_judged
from {{ ref('stg_meters') }}
where kind <> 'machine'
