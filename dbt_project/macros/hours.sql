{#-
    Hours as numbers. Adding an interval to an instant asks the calendar of the session's time zone; on the way of every
    reading that costs more than all the rest, so microseconds are counted there.
-#}

{#- Number of the UTC hour that holds the instant, from the year 1 on, so that none that a reading can have is negative. -#}
{% macro hour_number(microseconds) -%}
    (({{ microseconds }} + 62135596800000000) // 3600000000)
{%- endmacro %}

{#- The instant at which the numbered hour starts. -#}
{% macro hour_start(number) -%}
    make_timestamptz(({{ number }}) * 3600000000 - 62135596800000000)
{%- endmacro %}

{#-
    A plain reading: exactly one UTC hour, with a value far from every bound or none, not of the future. Where it is the
    only reading of its hour and nobody has decided about it, it is the hour's only version and there is nothing to judge.
    What is not plain takes the long way, where the rules are.
-#}
{% macro is_plain_reading(reading, capacity_kw) -%}
    (epoch_us({{ reading }}.interval_end_utc) - epoch_us({{ reading }}.interval_start_utc) = 3600000000
        and epoch_us({{ reading }}.interval_start_utc) % 3600000000 = 0
        and epoch_us({{ reading }}.interval_end_utc) <= epoch_us({{ reading }}.known_at_utc) + 86400000000
        and ({{ reading }}.energy_kwh is null
            or ({{ reading }}.energy_kwh >= 0 and {{ reading }}.energy_kwh <= least(1e9, {{ capacity_kw }}))))
{%- endmacro %}
