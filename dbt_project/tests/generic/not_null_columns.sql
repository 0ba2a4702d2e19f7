{#- None of the columns is ever null. -#}
{% test not_null_columns(model, columns) %}
select *
from {{ newer_rows(model) }} as tested
where {% for column in columns %}{{ column }} is null{{ " or " if not loop.last }}{% endfor %}
{% endtest %}
