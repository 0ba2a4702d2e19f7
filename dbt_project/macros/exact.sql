{#-
    Sums that do not depend on the order in which threads add up: decimals inside, DOUBLE outside. Values that no
    DECIMAL(18,6) holds (1e12 and more) count as absent; the marts exclude them by name before.
-#}

{% macro exact_sum(value, where=none, type='decimal(18, 6)') -%}
    cast(sum(try_cast({{ value }} as {{ type }})){% if where %} filter (where {{ where }}){% endif %} as double)
{%- endmacro %}

{% macro exact_mean(value, where=none) -%}
    (cast(sum(try_cast({{ value }} as decimal(18, 6))){% if where %} filter (where {{ where }}){% endif %} as double)
        / nullif(count({{ value }}){% if where %} filter (where {{ where }}){% endif %}, 0))
{%- endmacro %}

{% macro exact_mean_over(value, window) -%}
    (cast(sum(try_cast({{ value }} as decimal(18, 6))) over {{ window }} as double)
        / nullif(count({{ value }}) over {{ window }}, 0))
{%- endmacro %}
