{#-
    The calendar of the target days: days by how they are worked. A public holiday is like a Sunday, and a first working
    day starts from rest.
-#}

{% macro day_ahead_calendar() %}
{%- set similar_days = 5 %}
{%- set similar_days_back = 36 %}

calendar_days as (
    select
        country,
        cast(unnest(generate_series(
            min(target_date) - {{ similar_days_back + 1 }}, max(target_date), interval '1 day'
        )) as date) as local_date
    from forecasts
    group by country
),

worked_days as (
    select
        days.country,
        days.local_date,
        isodow(days.local_date) as day_of_week,
        coalesce(dates.is_holiday, false) as is_holiday,
        coalesce(dates.is_holiday or dates.is_bridge_day, false) as is_special,
        isodow(days.local_date) >= 6 or coalesce(dates.is_holiday, false) as is_rest
    from calendar_days as days
    left join {{ ref('dim_dates') }} as dates using (country, local_date)
),

day_groups as (
    select
        country,
        local_date,
        case
            when is_holiday or day_of_week = 7 then 'sunday'
            when day_of_week = 6 then 'saturday'
            when lag(is_rest) over calendar then 'after_rest'
            else 'working'
        end as day_group,
        {%- for days in [1, 2, 7, 14] %}
        coalesce(lag(is_special, {{ days }}) over calendar, false) as is_lag_{{ days }}d_special,
        coalesce(lag(is_rest, {{ days }}) over calendar != is_rest, false) as is_lag_{{ days }}d_other{{ "," if not loop.last }}
        {%- endfor %}
    from worked_days
    window calendar as (partition by country order by local_date)
),

similar_dates as (
    select target.country, target.local_date as target_date, past.local_date
    from day_groups as target
    inner join day_groups as past
        on target.country = past.country
        and target.day_group = past.day_group
        and past.local_date between target.local_date - {{ similar_days_back }} and target.local_date - 2
    qualify row_number() over (
        partition by target.country, target.local_date order by past.local_date desc
    ) <= {{ similar_days }}
)
{% endmacro %}
