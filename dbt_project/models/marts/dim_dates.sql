-- The calendar of each country that meters live in. A meter without a country has the calendar 'none': weekends, no
-- holidays.
with countries as (
    select distinct coalesce(country, 'none') as country from {{ ref('stg_meters') }}
),

range as (
    select min(local_date) as first_date, max(local_date) as last_date from {{ ref('int_local_days') }}
),

days as (
    -- a day more on each side, for the neighbours
    select
        countries.country,
        cast(unnest(generate_series(range.first_date - 1, range.last_date + 1, interval '1 day')) as date) as local_date
    from countries
    cross join range
),

marked as (
    select
        days.country,
        days.local_date,
        holidays.holiday_name,
        holidays.local_date is not null as is_holiday,
        isodow(days.local_date) >= 6 as is_weekend
    from days
    left join {{ ref('stg_holidays') }} as holidays
        on days.country = holidays.country and days.local_date = holidays.local_date
),

neighbours as (
    select
        *,
        lag(is_holiday) over calendar as holiday_before,
        lead(is_holiday) over calendar as holiday_after,
        lag(is_weekend) over calendar as weekend_before,
        lead(is_weekend) over calendar as weekend_after
    from marked
    window calendar as (partition by country order by local_date)
),

bridged as (
    select
        *,
        not is_holiday and not is_weekend
            and (holiday_before or weekend_before)
            and (holiday_after or weekend_after)
            and (holiday_before or holiday_after) as is_bridge_day
    from neighbours
    where holiday_before is not null and holiday_after is not null
)

select
    country,
    local_date,
    cast(isodow(local_date) as integer) as day_of_week,
    cast(dayofyear(local_date) as integer) as day_of_year,
    cast(extract('month' from local_date) as integer) as month_of_year,
    strftime(local_date, '%Y-%m') as billing_period,
    is_weekend,
    is_holiday,
    holiday_name,
    holiday_after as is_day_before_holiday,
    holiday_before as is_day_after_holiday,
    is_bridge_day,
    case
        when is_holiday then 'holiday'
        when is_weekend then 'weekend'
        when is_bridge_day then 'bridge_day'
        else 'working_day'
    end as day_type,
    cast(null as boolean) as is_school_holiday
from bridged
