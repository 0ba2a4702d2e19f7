{#-
    Which rows a data test looks at. Tables that carry the load of each row and grow with the history are tested where they
    changed: rows of loads newer than ENERGY_DBT_TESTED_LOAD, the newest of the last run whose tests passed (Dagster sets
    it), or all rows sharing a key with one. Without it, by hand and after a full refresh, all rows are tested.
-#}

{% macro newer_rows(relation, key=none) %}
    {#- read where it is executed, not where it is parsed: dbt would parse all tests anew for another value -#}
    {%- set tested = env_var('ENERGY_DBT_TESTED_LOAD', '-1') | int if execute else -1 -%}
    {%- if tested < 0 or relation.identifier not in [
        'stg_meter_readings', 'int_demand_versions', 'fct_demand_hourly', 'fct_demand_daily', 'fct_demand_interval',
        'fct_telemetry_15min', 'fct_weather_by_location',
    ] -%}
        {{ relation }}
    {%- elif key -%}
        (
            select *
            from {{ relation }}
            semi join (select distinct {{ key | join(', ') }} from {{ relation }} where load_id > {{ tested }}) as newer
                using ({{ key | join(', ') }})
        )
    {%- else -%}
        (select * from {{ relation }} where load_id > {{ tested }})
    {%- endif -%}
{% endmacro %}
