{#-
    Number of the newest load that `relation` has seen, as a literal: comparing with a constant lets DuckDB skip what is
    older. -1 where the table is empty: max() of nothing is null, and nothing is ever greater than null.
-#}
{% macro newest_load(relation) -%}
    {%- if execute -%}
        {{- run_query("select coalesce(max(load_id), -1) from " ~ relation).columns[0].values()[0] -}}
    {%- else -%}
        -1
    {%- endif -%}
{%- endmacro %}

{#-
    The instant at which the earliest UTC day starts that a query names (`day_number`, as of hour_number), as a literal too:
    of older readings those alone are read that reach into it. Where it names none, an instant that no reading reaches.
-#}
{% macro earliest_day(days) -%}
    {%- set found = run_query("select coalesce(min(day_number), 3650000) from (" ~ days ~ ") as days") if execute -%}
    {{ hour_start((found.columns[0].values()[0] | int if execute else 0) ~ ' * 24') }}
{%- endmacro %}
