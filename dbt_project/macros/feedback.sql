{#- How people name all that was forecast for a meter at one issue time (monitoring.feedback.forecast_id). -#}
{% macro forecast_id(meter_id, issued_at) -%}
    {{ meter_id }} || '@' || strftime(timezone('UTC', {{ issued_at }}), '%Y-%m-%dT%H:%MZ')
{%- endmacro %}

{#- The newest word on each target of a type: target_id, verdict, verdict_reason, verdict_at_utc. -#}
{% macro newest_verdicts(target_type) -%}
    select
        target_id,
        unnest(arg_max(
            {'verdict': verdict, 'verdict_reason': reason, 'verdict_at_utc': given_at_utc},
            (known_at_utc, given_at_utc, feedback_id)
        ))
    from {{ ref('stg_feedback') }}
    where target_type = '{{ target_type }}'
    group by target_id
{%- endmacro %}
