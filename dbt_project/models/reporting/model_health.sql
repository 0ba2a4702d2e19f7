-- Whether each meter and kind of meter is still as its model knows it, week by week, and what was decided.
with decisions as (
    select * from {{ ref('stg_drift_decisions') }}
),

scores as (
    select
        meter_id,
        current_end_utc,
        {%- for method in ['level', 'hour_shape', 'spread'] %}
        max(score) filter (where column_name = 'reference' and method = '{{ method }}') as {{ method }}_score,
        max(threshold) filter (where column_name = 'reference' and method = '{{ method }}') as {{ method }}_threshold,
        {%- endfor %}
        max(score) filter (where column_name = 'forecast' and method = 'level') as calibration_score,
        max(threshold) filter (where column_name = 'forecast' and method = 'level') as calibration_threshold,
        max(report_path) as report_path
    from {{ ref('stg_drift_scores') }}
    group by all
),

champions as (
    select kind, max(model_version) as champion_version, max(trained_at_utc) as champion_trained_at_utc
    from {{ ref('stg_model_versions') }}
    where role = 'champion'
    group by kind
)

select
    decisions.meter_id,
    coalesce(meters.name, 'all of kind ' || decisions.kind) as meter_name,
    decisions.kind,
    meters.meter_id is null as is_whole_kind,
    decisions.current_end_utc,
    decisions.issued_at_utc,
    decisions.decision,
    decisions.because,
    decisions.raised_since_utc,
    decisions.drifted_methods,
    decisions.largest_excess,
    decisions.gap_share,
    decisions.moved_importance,
    scores.level_score,
    scores.level_threshold,
    scores.hour_shape_score,
    scores.hour_shape_threshold,
    scores.spread_score,
    scores.spread_threshold,
    scores.calibration_score,
    scores.calibration_threshold,
    scores.report_path,
    champions.champion_version,
    champions.champion_trained_at_utc
from decisions
left join scores using (meter_id, current_end_utc)
left join {{ ref('dim_meters') }} as meters using (meter_id)
left join champions on decisions.kind = champions.kind
