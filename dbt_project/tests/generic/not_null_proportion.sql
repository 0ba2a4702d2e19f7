{#- At least this share of the column is known, in each group. -#}
{% test not_null_proportion(model, column, at_least, group_by) %}
select {{ group_by }}, count({{ column }}) / count(*) as proportion
from {{ model }}
group by {{ group_by }}
having count({{ column }}) / count(*) < {{ at_least }}
{% endtest %}
