{#- The expression is true in every row; null is not true. -#}
{% test expression_holds(model, expression) %}
select *
from {{ newer_rows(model) }} as tested
where ({{ expression }}) is not true
{% endtest %}
