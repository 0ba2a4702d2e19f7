{{ config(
    unique_key=['machine_id', 'issued_at_utc'],
) }}

{#-
    What was known of a machine at each quarter of an hour about the next one. A quarter enters as it was known fifteen
    minutes after its first reading was, and from then on: what arrives later changes the mart, never a feature. Lags
    count back from the newest quarter known at issue time; lag 96 is the forecast quarter one day before.

    The last `machine_issue_days` before the newest telemetry known at the last issue date's issue time are computed anew
    at each run (cheap); older issue times stay as they are.
-#}

{%- set market = "'" ~ run_setting('market_timezone') ~ "'" %}

with telemetry as (
    select *, {{ hour_of('observed_at_utc', 15) }} as quarter_start_utc
    from {{ ref('stg_telemetry') }}
),

-- the hour after the issue hour bounds what may be known; readings known before decide where the window ends
last_issue as (
    select min(instant_utc) as issued_at_utc
    from (
        select unnest(generate_series(
            cast('{{ run_setting("issue_last_date") }} 00:00:00+00' as timestamptz) - interval '15 hours',
            cast('{{ run_setting("issue_last_date") }} 00:00:00+00' as timestamptz) + interval '39 hours',
            interval '15 minutes'
        )) as instant_utc
    ) as instants
    where {{ local_date('instant_utc', market) }} = cast('{{ run_setting("issue_last_date") }}' as date)
        and {{ local_hour('instant_utc', market) }} >= {{ run_setting('issue_hour') }}
),

bounds as (
    select
        newest_utc - interval '{{ run_setting("machine_issue_days") }} days' as from_utc,
        newest_utc as until_utc
    from (
        select max({{ hour_of('known_at_utc', 15) }}) as newest_utc
        from telemetry
        where known_at_utc <= (select issued_at_utc from last_issue)
    ) as newest
),

recent as (
    select *, min(known_at_utc) over (partition by machine_id, quarter_start_utc) as first_known_utc
    from telemetry
    where observed_at_utc >= (select from_utc - interval '2 days' from bounds)
        and observed_at_utc < (select until_utc from bounds)
),

quarters as (
    select
        machine_id,
        quarter_start_utc,
        first_known_utc + interval '15 minutes' as known_from_utc,
        {{ telemetry_aggregates() }}
    from recent
    where known_at_utc <= first_known_utc + interval '15 minutes'
    group by machine_id, quarter_start_utc, first_known_utc
),

issues as (
    select
        machines.machine_id,
        machines.timezone,
        unnest(generate_series(bounds.from_utc, bounds.until_utc, interval '15 minutes')) as issued_at_utc
    from (
        select meter_id as machine_id, timezone
        from {{ ref('stg_meters') }}
        where meter_id in (select machine_id from quarters)
    ) as machines
    cross join bounds
    where bounds.until_utc is not null
),

-- the newest quarter known at issue time; late arrivals of older quarters do not count as newer
running as (
    select
        machine_id,
        known_from_utc,
        max(max(quarter_start_utc)) over (partition by machine_id order by known_from_utc) as newest_quarter_utc
    from quarters
    group by machine_id, known_from_utc
),

positioned as (
    select issues.*, running.newest_quarter_utc
    from issues
    asof inner join running
        on issues.machine_id = running.machine_id and issues.issued_at_utc >= running.known_from_utc
),

looked_up as (
    select
        positioned.machine_id,
        positioned.timezone,
        positioned.issued_at_utc,
        positioned.newest_quarter_utc,
        offsets.back,
        case
            when offsets.back = 96 then positioned.issued_at_utc - interval '24 hours'
            else positioned.newest_quarter_utc - (offsets.back - 1) * interval '15 minutes'
        end as quarter_start_utc
    from positioned
    cross join (select unnest([1, 2, 3, 4, 96]) as back) as offsets
),

gathered as (
    select
        looked_up.machine_id,
        looked_up.timezone,
        looked_up.issued_at_utc,
        looked_up.newest_quarter_utc,
        {%- for back in [1, 2, 3, 4, 96] %}
        max(case when back = {{ back }} then energy_kwh end) as energy_lag_{{ back }}_kwh,
        {%- endfor %}
        {%- for column in [
            'temperature_mean_c', 'vibration_mean_ms2', 'vibration_max_ms2', 'pressure_mean_bar', 'power_mean_w',
            'power_max_w'
        ] %}
        max(case when back = 1 then {{ column }} end) as {{ column }},
        {%- endfor %}
        {{ exact_mean('energy_kwh', where='back <= 4') }} as energy_mean_4_kwh
    from looked_up
    left join quarters
        on looked_up.machine_id = quarters.machine_id
        and looked_up.quarter_start_utc = quarters.quarter_start_utc
        and looked_up.issued_at_utc >= quarters.known_from_utc
    group by all
)

select
    machine_id,
    issued_at_utc,
    issued_at_utc as interval_start_utc,
    issued_at_utc + interval '15 minutes' as interval_end_utc,
    {{ local_hour('issued_at_utc', 'timezone') }} as local_hour,
    cast(isodow({{ local_date('issued_at_utc', 'timezone') }}) as integer) as day_of_week,
    energy_lag_1_kwh,
    energy_lag_2_kwh,
    energy_lag_3_kwh,
    energy_lag_4_kwh,
    energy_lag_96_kwh,
    energy_mean_4_kwh,
    temperature_mean_c,
    vibration_mean_ms2,
    vibration_max_ms2,
    pressure_mean_bar,
    power_mean_w,
    power_max_w,
    newest_quarter_utc + interval '15 minutes' as data_cutoff_utc
from gathered
