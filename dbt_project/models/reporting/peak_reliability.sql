-- Whether hours that were given a probability exceeded as often as it says: per tenth, meter and for all of a kind.
with scores as (
    select
        meters.kind,
        coalesce(scores.meter_id, 'all:' || meters.kind) as meter_id,
        scores.threshold_basis,
        scores.probability_bin,
        cast(sum(scores.hours) as bigint) as hours,
        {{ exact_sum('scores.probability_sum', type='decimal(38, 15)') }} / sum(scores.hours) as mean_probability,
        sum(scores.exceeded_hours) / sum(scores.hours) as observed_frequency
    from {{ ref('stg_peak_scores') }} as scores
    inner join {{ ref('dim_meters') }} as meters using (meter_id)
    group by grouping sets (
        (meters.kind, scores.meter_id, scores.threshold_basis, scores.probability_bin),
        (meters.kind, scores.threshold_basis, scores.probability_bin)
    )
)

select
    kind,
    meter_id,
    threshold_basis,
    probability_bin / 10 as probability_from,
    (probability_bin + 1) / 10 as probability_to,
    hours,
    mean_probability,
    observed_frequency,
    observed_frequency - mean_probability as off_by,
    hours >= 50 as is_well_filled
from scores
