-- How good peak forecasts were: probabilities of hours by Brier's score against the season's frequencies, warnings by hits,
-- misses and false alarms. Per meter and for all of a kind (all:<kind>), per six hours of lead time and for all of them.
{%- set share, hit = 'decimal(38, 15)', "outcomes.outcome = 'hit'" %}
with scores as (
    select
        meters.kind,
        coalesce(scores.meter_id, 'all:' || meters.kind) as meter_id,
        scores.threshold_basis,
        coalesce(scores.lead_bucket, 'all') as lead_bucket,
        cast(sum(scores.hours) as bigint) as hours,
        cast(sum(scores.exceeded_hours) as bigint) as exceeded_hours,
        {{ exact_sum('scores.probability_sum', type=share) }} / sum(scores.hours) as mean_probability,
        {{ exact_sum('scores.squared_error_sum', type=share) }} / sum(scores.hours) as brier_score,
        {{ exact_sum('scores.climatology_error_sum', type=share) }} / sum(scores.hours) as brier_score_climatology
    from {{ ref('stg_peak_scores') }} as scores
    inner join {{ ref('dim_meters') }} as meters using (meter_id)
    group by grouping sets (
        (meters.kind, scores.meter_id, scores.threshold_basis, scores.lead_bucket),
        (meters.kind, scores.meter_id, scores.threshold_basis),
        (meters.kind, scores.threshold_basis, scores.lead_bucket),
        (meters.kind, scores.threshold_basis)
    )
),

warnings as (
    select
        meters.kind,
        coalesce(outcomes.meter_id, 'all:' || meters.kind) as meter_id,
        outcomes.threshold_basis,
        coalesce(outcomes.lead_bucket, 'all') as lead_bucket,
        count(*) filter (where outcomes.outcome = 'hit') as hits,
        count(*) filter (where outcomes.outcome = 'false_alarm') as false_alarms,
        count(*) filter (where outcomes.outcome = 'miss') as misses,
        count(*) filter (where outcomes.outcome = 'correct_rejection') as correct_rejections,
        {{ exact_mean('outcomes.lead_minutes', hit) }} / 60 as mean_warning_hours,
        {{ exact_mean('abs(outcomes.size_error_kw)', hit) }} as mean_size_error_kw,
        {{ exact_mean('abs(outcomes.hour_error)', hit) }} as mean_hour_error
    from {{ ref('stg_peak_outcomes') }} as outcomes
    inner join {{ ref('dim_meters') }} as meters using (meter_id)
    group by grouping sets (
        (meters.kind, outcomes.meter_id, outcomes.threshold_basis, outcomes.lead_bucket),
        (meters.kind, outcomes.meter_id, outcomes.threshold_basis),
        (meters.kind, outcomes.threshold_basis, outcomes.lead_bucket),
        (meters.kind, outcomes.threshold_basis)
    )
)

select
    kind,
    meter_id,
    threshold_basis,
    lead_bucket,
    scores.hours,
    scores.exceeded_hours,
    scores.mean_probability,
    scores.brier_score,
    scores.brier_score_climatology,
    1 - scores.brier_score / nullif(scores.brier_score_climatology, 0) as brier_skill,
    warnings.hits,
    warnings.false_alarms,
    warnings.misses,
    warnings.correct_rejections,
    warnings.hits / nullif(warnings.hits + warnings.false_alarms, 0) as event_precision,
    warnings.hits / nullif(warnings.hits + warnings.misses, 0) as event_recall,
    5 * warnings.hits / nullif(5 * warnings.hits + 4 * warnings.misses + warnings.false_alarms, 0) as f2,
    warnings.mean_warning_hours,
    warnings.mean_size_error_kw,
    warnings.mean_hour_error
from scores
full join warnings using (kind, meter_id, threshold_basis, lead_bucket)
