{#- Versions of a key follow each other: each ends when the next begins, and only the last is open. -#}
{% test versions_do_not_overlap(model, key) %}
select *
from (
    select
        {{ key | join(', ') }},
        known_from_utc,
        known_to_utc,
        lead(known_from_utc) over (partition by {{ key | join(', ') }} order by known_from_utc) as next_from_utc
    from {{ newer_rows(model, key) }} as tested
) as versions
where known_to_utc is distinct from next_from_utc
{% endtest %}
