-- How good each forecast of a day was, one row per forecast and baseline it is compared with.
with scores as (
    select *
    from {{ ref('stg_forecast_scores') }}
    where lead_bucket = 'all'
),

wide as (
    select
        meter_id,
        issued_at_utc,
        model_version,
        baseline_name,
        local_date,
        issue_basis,
        {{ forecast_id('meter_id', 'issued_at_utc') }} as forecast_id,
        max(n) as intervals_scored,
        {%- for metric in [
            'mae', 'rmse', 'mape', 'wape', 'bias', 'pinball', 'coverage_80', 'width_80', 'peak_error', 'peak_hour_hit'
        ] %}
        max(case when metric = '{{ metric }}' then value end) as {{ metric }},
        {%- endfor %}
        max(case when metric = 'mae' then baseline_value end) as baseline_mae,
        max(case when metric = 'wape' then baseline_value end) as baseline_wape,
        max(case when metric = 'mae' then skill end) as skill_mae
    from scores
    group by all
),

verdicts as (
    {{ newest_verdicts('forecast') }}
)

select
    wide.meter_id,
    meters.name as meter_name,
    meters.kind,
    wide.local_date,
    wide.issued_at_utc,
    models.model_name,
    wide.model_version,
    coalesce(models.role = 'champion', false) as is_champion,
    wide.baseline_name,
    wide.issue_basis,
    wide.intervals_scored,
    wide.mae as mae_kwh,
    wide.rmse as rmse_kwh,
    wide.mape,
    wide.wape,
    wide.bias as bias_kwh,
    wide.pinball as pinball_kwh,
    wide.coverage_80,
    wide.width_80 as width_80_kwh,
    wide.peak_error as peak_error_kw,
    wide.peak_hour_hit,
    wide.baseline_mae as baseline_mae_kwh,
    wide.baseline_wape,
    wide.skill_mae,
    wide.forecast_id,
    verdicts.verdict,
    verdicts.verdict_reason
from wide
inner join {{ ref('dim_meters') }} as meters using (meter_id)
left join {{ ref('stg_model_versions') }} as models using (model_version)
left join verdicts on wide.forecast_id = verdicts.target_id
