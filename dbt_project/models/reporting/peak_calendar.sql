-- Windows in which a meter may exceed a threshold, the newest issue for each local day, with the price of power there and,
-- once it is known, what came of them.
with peaks as (
    select
        peaks.*,
        meters.name as meter_name,
        meters.kind,
        meters.site_id,
        meters.timezone,
        meters.tariff_id,
        {{ local_date('peaks.window_start_utc', 'meters.timezone') }} as local_date
    from {{ ref('stg_demand_peaks') }} as peaks
    inner join {{ ref('dim_meters') }} as meters using (meter_id)
),

newest as (
    select *
    from peaks
    qualify issued_at_utc = max(issued_at_utc) over (partition by meter_id, local_date)
),

-- of an incumbent the charge whose hours it looks at, elsewhere the dearest
charges as (
    select
        tariff_id,
        case when calendar = 'all' then time_window else time_window || ' ' || calendar end as demand_window,
        valid_from_utc,
        valid_to_utc,
        known_at_utc,
        price,
        unit,
        currency
    from {{ ref('stg_tariffs') }}
    where component = 'demand'
),

prices as (
    select
        newest.peak_id,
        arg_max(charges.price, (charges.valid_from_utc, charges.price)) as price,
        arg_max(charges.unit, (charges.valid_from_utc, charges.price)) as unit,
        arg_max(charges.currency, (charges.valid_from_utc, charges.price)) as currency
    from newest
    inner join charges
        on newest.tariff_id = charges.tariff_id
        and (newest.threshold_basis <> 'incumbent' or newest.demand_window = charges.demand_window)
        and newest.window_start_utc >= charges.valid_from_utc
        and (charges.valid_to_utc is null or newest.window_start_utc < charges.valid_to_utc)
        and newest.issued_at_utc >= charges.known_at_utc
    group by newest.peak_id
),

verdicts as (
    {{ newest_verdicts('peak') }}
)

select
    newest.peak_id,
    newest.meter_id,
    newest.meter_name,
    newest.kind,
    newest.site_id,
    newest.local_date,
    {{ local_time('newest.window_start_utc', 'newest.timezone') }} as window_start_local,
    {{ local_time('newest.window_end_utc', 'newest.timezone') }} as window_end_local,
    {{ local_time('newest.peak_hour_utc', 'newest.timezone') }} as peak_hour_local,
    newest.timezone,
    newest.window_start_utc,
    newest.window_end_utc,
    newest.peak_hour_utc,
    newest.issued_at_utc,
    newest.lead_minutes,
    newest.threshold_kw,
    newest.threshold_basis,
    newest.threshold_meter_id,
    newest.demand_window,
    newest.averaging_minutes,
    newest.probability,
    newest.level,
    case newest.level
        when 0 then 'unlikely' when 1 then 'possible' when 2 then 'likely' else 'nearly certain'
    end as level_name,
    newest.peak_p10_kw,
    newest.peak_p50_kw,
    newest.peak_p90_kw,
    newest.own_p50_kw,
    newest.billing_period,
    newest.incumbent_peak_kw,
    prices.price as demand_price,
    prices.unit as demand_price_unit,
    prices.currency,
    outcomes.outcome,
    outcomes.actual_peak_kw,
    {{ local_time('outcomes.actual_peak_at_utc', 'newest.timezone') }} as actual_peak_hour_local,
    outcomes.size_error_kw,
    outcomes.hour_error,
    newest.model_version,
    verdicts.verdict,
    verdicts.verdict_reason
from newest
left join prices using (peak_id)
left join {{ ref('stg_peak_outcomes') }} as outcomes using (peak_id)
left join verdicts on newest.peak_id = verdicts.target_id
