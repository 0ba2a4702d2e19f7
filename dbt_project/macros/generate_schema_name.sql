{#- A schema is called what the model says, without a prefix: the asset [marts, dim_meters] is the table marts.dim_meters. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
