{#- Every value of the column is found in the other relation; distinct values are compared, which is cheap on facts. -#}
{% test relationships_all(model, column, to, field) %}
select {{ column }}
from (select distinct {{ column }} from {{ newer_rows(model) }} as tested) as given
anti join {{ to }} as known on given.{{ column }} = known.{{ field }}
{% endtest %}
