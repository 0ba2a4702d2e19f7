{#-
    Means and maxima of the channels over a quarter of an hour, and its energy: the mean power over 15 minutes. The
    energy is null where power was seen in only one of the quarter's three five-minute parts, unless the machine reports
    so rarely that this was its one reading.
-#}
{% macro telemetry_aggregates() -%}
    {{ exact_mean('temperature_c') }} as temperature_mean_c,
        max(temperature_c) as temperature_max_c,
        {{ exact_mean('vibration_ms2') }} as vibration_mean_ms2,
        max(vibration_ms2) as vibration_max_ms2,
        {{ exact_mean('pressure_bar') }} as pressure_mean_bar,
        max(pressure_bar) as pressure_max_bar,
        {{ exact_mean('power_w') }} as power_mean_w,
        max(power_w) as power_max_w,
        case
            when count(power_w) = 1
                or count(distinct case when power_w is not null then {{ hour_of('observed_at_utc', 5) }} end) >= 2
                then {{ exact_mean('power_w') }} * 0.25 / 1000
        end as energy_kwh,
        cast(count(*) as integer) as readings
{%- endmacro %}
