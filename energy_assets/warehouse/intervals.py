"""Demand at the meters' own interval, as it was known at any time.

Belongs here: the rule, as SQL over the working file. Cleaning is that of the hour: a part counts while its hour does.
"""

INTERVAL_VERSIONS = """
WITH finer AS (
    SELECT meter_id, to_minutes(interval_minutes) AS length FROM raw.meters
    WHERE interval_minutes < 60 AND 60 % interval_minutes = 0 AND kind <> 'machine'
        AND list_contains($meters, meter_id)
), readings AS (
    SELECT meter_id, interval_start_utc, interval_end_utc, energy_kwh, known_at_utc,
        time_bucket(INTERVAL 1 HOUR, interval_start_utc) AS hour_utc,
        lead(known_at_utc) OVER (PARTITION BY meter_id, interval_start_utc ORDER BY known_at_utc) AS replaced_at_utc
    FROM raw.meter_readings JOIN finer USING (meter_id)
    WHERE direction = 'import' AND known_at_utc <= $as_of AND interval_end_utc = interval_start_utc + length
        AND interval_start_utc >= $since AND interval_start_utc < $until
        AND epoch(interval_start_utc) % epoch(length) = 0
), versions AS (
    SELECT r.meter_id, r.interval_start_utc, r.interval_end_utc, r.energy_kwh AS demand_kwh,
        greatest(r.known_at_utc, h.known_from_utc) AS known_from_utc,
        least(r.replaced_at_utc, h.known_to_utc) AS known_to_utc
    FROM readings r JOIN intermediate.int_demand_versions h
        ON h.meter_id = r.meter_id AND h.interval_start_utc = r.hour_utc
        AND h.interval_start_utc > $since - INTERVAL 1 HOUR AND h.interval_start_utc < $until
        AND (h.known_to_utc IS NULL OR r.known_at_utc < h.known_to_utc)
        AND (r.replaced_at_utc IS NULL OR h.known_from_utc < r.replaced_at_utc)
    WHERE r.energy_kwh IS NOT NULL AND h.demand_kwh IS NOT NULL
        AND (h.coverage < 1 OR h.demand_kwh = h.demand_reported_kwh)
)
SELECT * REPLACE (CASE WHEN known_to_utc <= $as_of THEN known_to_utc END AS known_to_utc)
FROM versions WHERE known_from_utc <= $as_of
ORDER BY ALL
"""  # with $meters, $as_of, $since, $until. An hour whose value is a person's says nothing of its parts.
