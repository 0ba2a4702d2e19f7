{#- Local time is always derived from UTC: that way round nothing is ambiguous and nothing is missing. -#}

{% macro local_time(instant, timezone) -%}
    timezone({{ timezone }}, {{ instant }})
{%- endmacro %}

{% macro local_date(instant, timezone) -%}
    cast(timezone({{ timezone }}, {{ instant }}) as date)
{%- endmacro %}

{% macro local_hour(instant, timezone) -%}
    cast(extract('hour' from timezone({{ timezone }}, {{ instant }})) as integer)
{%- endmacro %}

{#- Start of the UTC hour (or of the stretch of `minutes`) that holds the instant. -#}
{% macro hour_of(instant, minutes=60) -%}
    time_bucket(interval '{{ minutes }} minutes', {{ instant }})
{%- endmacro %}

{#- The version of a fact that was known at an instant: the one rule by which the future stays out of features. -#}
{% macro known_at(version, instant) -%}
    {{ instant }} >= {{ version }}.known_from_utc
        and ({{ version }}.known_to_utc is null or {{ instant }} < {{ version }}.known_to_utc)
{%- endmacro %}
