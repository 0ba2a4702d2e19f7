{#-
    A variable of the run: the environment's ENERGY_DBT_<NAME>, else the project's var. Dagster sets the environment, because
    dbt parses the whole project anew when --vars change and only the models that ask for it when the environment does.
-#}
{% macro run_setting(name) -%}
    {{ return(env_var('ENERGY_DBT_' ~ name | upper, var(name) | string)) }}
{%- endmacro %}
