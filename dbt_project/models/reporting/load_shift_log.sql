-- What was advised, what people said, and what it saved: the newest issue for each meter and local day.
with newest as (
    select *
    from {{ ref('stg_load_shift_advice') }}
    qualify issued_at_utc = max(issued_at_utc) over (partition by meter_id, local_date)
)

select
    advice.advice_id,
    advice.site_id,
    advice.meter_id,
    meters.name as meter_name,
    meters.kind,
    advice.local_date,
    advice.shiftable_load_id,
    advice.sentence,
    advice.status,
    {{ local_time('advice.from_start_utc', 'meters.timezone') }} as from_start_local,
    {{ local_time('advice.from_end_utc', 'meters.timezone') }} as from_end_local,
    {{ local_time('advice.to_start_utc', 'meters.timezone') }} as to_start_local,
    {{ local_time('advice.to_end_utc', 'meters.timezone') }} as to_end_local,
    meters.timezone,
    advice.shifted_kwh,
    advice.saving_energy,
    advice.saving_demand,
    advice.saving_energy + advice.saving_demand as saving,
    advice.realised_saving,
    advice.potential_saving,
    advice.currency,
    advice.peak_before_kw,
    advice.peak_after_kw,
    advice.incumbent_peak_kw,
    advice.price_basis,
    advice.tariff_id,
    advice.peak_id,
    advice.issued_at_utc,
    advice.answered_at_utc,
    advice.solver_status,
    advice.model_version
from newest as advice
inner join {{ ref('dim_meters') }} as meters using (meter_id)
