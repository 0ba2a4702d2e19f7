{#- Values, where there are any, lie within the bounds, both included. -#}
{% test accepted_range(model, column, at_least=none, at_most=none) %}
select *
from {{ newer_rows(model) }} as tested
where false
    {%- if at_least is not none %} or {{ column }} < {{ at_least }}{% endif %}
    {%- if at_most is not none %} or {{ column }} > {{ at_most }}{% endif %}
{% endtest %}
