{#- How people name all that was forecast for a meter at one issue time (monitoring.feedback.forecast_id). -#}
{% macro forecast_id(meter_id, issued_at) -%}
    {{ meter_id }} || '@' || strftime(timezone('UTC', {{ issued_at }}), '%Y-%m-%dT%H:%MZ')
{%- endmacro %}

{#- The newest word on each target of a type: target_id, verdict, verdict_reason, verdict_at_utc. -#}
{% macro newest_verdicts(target_type) -%}
    {%- set newest = '(known_at_utc, given_at_utc, feedback_id)' %}
    select
        target_id,
        arg_max(verdict, {{ newest }}) as verdict,
        nullif(arg_max(coalesce(reason, ''), {{ newest }}), '') as verdict_reason,
        arg_max(given_at_utc, {{ newest }}) as verdict_at_utc
    from {{ ref('stg_feedback') }}
    where target_type = '{{ target_type }}'
    group by target_id
{%- endmacro %}
