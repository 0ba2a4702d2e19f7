-- Tomorrow per meter and hour: the newest issue, by the champion where it spoke, else by who did.
with forecasts as (
    select forecasts.*
    from {{ ref('stg_demand_forecasts') }} as forecasts
    inner join {{ ref('dim_meters') }} as meters using (meter_id)
    where meters.kind <> 'machine'
),

latest as (
    select meter_id, max(issued_at_utc) as issued_at_utc
    from forecasts
    group by meter_id
),

candidates as (
    select distinct forecasts.meter_id, forecasts.issued_at_utc, forecasts.model_version, forecasts.quality
    from forecasts
    inner join latest using (meter_id, issued_at_utc)
),

chosen as (
    select
        candidates.meter_id,
        candidates.issued_at_utc,
        candidates.model_version,
        models.model_name
    from candidates
    left join {{ ref('stg_model_versions') }} as models using (model_version)
    qualify row_number() over (
        partition by candidates.meter_id
        order by
            case models.role when 'champion' then 0 when 'challenger' then 2 when 'retired' then 1 else 3 end,
            case candidates.quality when 'primary' then 0 else 1 end,
            models.trained_at_utc desc nulls last,
            candidates.model_version
    ) = 1
),

hours as (
    select
        forecasts.meter_id,
        forecasts.issued_at_utc,
        chosen.model_name,
        forecasts.model_version,
        forecasts.interval_start_utc,
        forecasts.interval_end_utc,
        max(forecasts.lead_minutes) as lead_minutes,
        max(forecasts.data_cutoff_utc) as data_cutoff_utc,
        min(forecasts.quality) as quality,
        max(forecasts.quality_reason) as quality_reason,
        {%- for quantile in ['05', '10', '25', '50', '75', '90', '95'] %}
        max(case when round(forecasts.quantile, 3) = 0.{{ quantile }} then forecasts.demand_kwh end) as p{{ quantile }}_kwh
            {{- "," if not loop.last }}
        {%- endfor %}
    from forecasts
    inner join chosen using (meter_id, issued_at_utc, model_version)
    group by all
),

horizons as (
    select meter_id, min(interval_start_utc) as target_start_utc
    from hours
    group by meter_id
),

published as (
    select hours.meter_id, hours.interval_start_utc, published.publisher, published.energy_kwh
    from hours
    inner join horizons using (meter_id)
    inner join {{ ref('int_published_by_hour') }} as published
        on hours.meter_id = published.meter_id
        and hours.interval_start_utc = published.interval_start_utc
        and horizons.target_start_utc >= published.known_at_utc
    qualify row_number() over (
        partition by hours.meter_id, hours.interval_start_utc
        order by published.publisher, published.known_at_utc desc
    ) = 1
)

select
    hours.meter_id,
    meters.name as meter_name,
    meters.kind,
    meters.site_id,
    hours.issued_at_utc,
    {{ local_date('hours.interval_start_utc', 'meters.timezone') }} as local_date,
    {{ local_time('hours.interval_start_utc', 'meters.timezone') }} as interval_start_local,
    meters.timezone,
    hours.interval_start_utc,
    hours.interval_end_utc,
    hours.lead_minutes,
    {%- for quantile in ['05', '10', '25', '50', '75', '90', '95'] %}
    hours.p{{ quantile }}_kwh,
    {%- endfor %}
    coalesce(
        hours.p50_kwh = max(hours.p50_kwh) over (partition by hours.meter_id), false
    ) as is_peak_hour,
    published.publisher,
    published.energy_kwh as publisher_forecast_kwh,
    hours.quality,
    hours.quality_reason,
    hours.model_name,
    hours.model_version,
    hours.data_cutoff_utc,
    {{ forecast_id('hours.meter_id', 'hours.issued_at_utc') }} as forecast_id
from hours
inner join {{ ref('dim_meters') }} as meters using (meter_id)
left join published using (meter_id, interval_start_utc)
