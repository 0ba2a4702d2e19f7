{#- Whether a meter is learned from on an issue's day. No power of two divides a week, so each weekday has its turn. -#}
{% macro in_turn(issued_at_utc, turns) -%}
    (epoch_us({{ issued_at_utc }}) // 86400000000 + {{ turns }}.turn) % {{ turns }}.step = 0
{%- endmacro %}
