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
