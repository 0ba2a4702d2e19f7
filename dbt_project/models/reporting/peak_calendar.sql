-- Windows in which a meter may exceed a threshold, the newest issue for each local day, with the price of power there.
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

prices as (
    select newest.peak_id, tariffs.price, tariffs.unit, tariffs.currency
    from newest
    inner join {{ ref('stg_tariffs') }} as tariffs
        on newest.tariff_id = tariffs.tariff_id
        and tariffs.component = 'demand'
        and newest.window_start_utc >= tariffs.valid_from_utc
        and (tariffs.valid_to_utc is null or newest.window_start_utc < tariffs.valid_to_utc)
        and newest.issued_at_utc >= tariffs.known_at_utc
    qualify row_number() over (
        partition by newest.peak_id order by tariffs.valid_from_utc desc, tariffs.price desc
    ) = 1
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
    newest.threshold_kw,
    newest.threshold_basis,
    newest.probability,
    newest.level,
    case newest.level
        when 0 then 'unlikely' when 1 then 'possible' when 2 then 'likely' else 'nearly certain'
    end as level_name,
    newest.peak_p10_kw,
    newest.peak_p50_kw,
    newest.peak_p90_kw,
    newest.billing_period,
    newest.incumbent_peak_kw,
    prices.price as demand_price,
    prices.unit as demand_price_unit,
    prices.currency,
    newest.model_version,
    verdicts.verdict,
    verdicts.verdict_reason
from newest
left join prices using (peak_id)
left join verdicts on newest.peak_id = verdicts.target_id
