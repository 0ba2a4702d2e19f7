{#- What makes a reported value unusable. One place for the hour and for the meter's own interval. -#}

{#- No meter measures this much in an hour; decimals do not hold it. kWh. -#}
{% macro absurd_kwh() -%}
    1e11
{%- endmacro %}

{#-
    Why a reported value is not used, null if it is. A person's or detector's decision stands above the rule on
    capacity, never above the others. `mean_kw`: mean power; `least_kwh`, `greatest_kwh`: extremes of the intervals.
-#}
{% macro exclusion_reason(mean_kw, least_kwh, greatest_kwh, interval_end, known_at, capacity_kw, action, reason) -%}
    case
        when {{ action }} in ('exclude', 'quarantine', 'impute') then {{ reason }}
        when {{ interval_end }} > {{ known_at }} + interval '24 hours' then 'in_future'
        when {{ least_kwh }} < 0 then 'negative'
        when {{ greatest_kwh }} >= {{ absurd_kwh() }} then 'implausible'
        when {{ action }} is distinct from 'include' and {{ mean_kw }} > 1.5 * {{ capacity_kw }} then 'above_capacity'
    end
{%- endmacro %}

{#- From best to worst. A value corrected by who reported it is better than an estimate. -#}
{% macro quality_rank(quality) -%}
    case {{ quality }} when 'measured' then 0 when 'corrected' then 1 when 'estimated' then 2 else 3 end
{%- endmacro %}

{% macro quality_name(rank) -%}
    case {{ rank }} when 0 then 'measured' when 1 then 'corrected' when 2 then 'estimated' else 'missing' end
{%- endmacro %}
