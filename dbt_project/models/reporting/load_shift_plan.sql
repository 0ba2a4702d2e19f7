-- The newest planned day of each meter with advice, interval by interval: power before and after the moves, and prices.
with newest as (
    select *
    from {{ ref('stg_load_shift_outlook') }}
    qualify issued_at_utc = max(issued_at_utc) over (partition by meter_id)
)

select
    plan.meter_id,
    meters.name as meter_name,
    meters.kind,
    coalesce(meters.site_id, plan.meter_id) as site_id,
    {{ local_time('plan.interval_start_utc', 'meters.timezone') }} as interval_start_local,
    meters.timezone,
    plan.interval_start_utc,
    plan.interval_end_utc,
    plan.issued_at_utc,
    plan.price,
    plan.price_basis,
    plan.currency,
    plan.before_p10_kw,
    plan.before_p50_kw,
    plan.before_p90_kw,
    plan.moved_kw,
    plan.before_p50_kw + plan.moved_kw as after_p50_kw,
    plan.incumbent_peak_kw
from newest as plan
inner join {{ ref('dim_meters') }} as meters using (meter_id)
