"""Paths, the ledger and peaks of the small warehouse, held against plain SQL over what they are made of."""

from __future__ import annotations

import pytest

from tests.conftest import Built
from tests.warehouses import ISSUED_AT

MARGINS = """
WITH drawn AS (
    SELECT meter_id, interval_start_utc, count(*) AS paths, count(DISTINCT scenario) AS numbers,
        median(demand_kwh) AS middle, min(demand_kwh) AS lowest, max(demand_kwh) AS highest
    FROM forecasts.demand_scenarios WHERE issued_at_utc = $at GROUP BY ALL
), said AS (
    SELECT meter_id, interval_start_utc, max(demand_kwh) FILTER (quantile = 0.05) AS low,
        max(demand_kwh) FILTER (quantile = 0.5) AS median_kwh, max(demand_kwh) FILTER (quantile = 0.95) AS high
    FROM forecasts.demand_forecasts JOIN raw.meters USING (meter_id)
    WHERE kind <> 'machine' AND issued_at_utc = $at GROUP BY ALL
)
SELECT count(*) AS hours, count(paths) AS drawn, bool_and(paths = 50 AND numbers = 50) AS whole,
    max(abs(middle - median_kwh) / (high - low + 1e-9)) AS off, bool_and(lowest <= low AND highest >= high) AS reach
FROM said LEFT JOIN drawn USING (meter_id, interval_start_utc)
"""
LEDGER = """
WITH newest AS (
    SELECT meter_id, interval_start_utc, arg_max(energy_kwh, known_at_utc) AS energy_kwh,
        time_bucket(INTERVAL 1 HOUR, interval_start_utc) AS hour_utc
    FROM raw.meter_readings WHERE direction = 'import' AND known_at_utc <= $at GROUP BY ALL
), billed AS (
    SELECT l.meter_id, l.averaging_minutes, time_bucket(to_minutes(l.averaging_minutes), r.interval_start_utc) AS at,
        sum(r.energy_kwh) * 60 / any_value(l.averaging_minutes) AS power_kw, any_value(l.incumbent_peak_kw) AS billed
    FROM flexibility.incumbent_peaks l JOIN intermediate.int_demand_versions h USING (meter_id)
    JOIN newest r ON r.meter_id = l.meter_id AND r.hour_utc = h.interval_start_utc
    WHERE h.known_to_utc IS NULL AND h.demand_kwh = h.demand_reported_kwh AND h.coverage = 1
        AND h.local_date >= DATE '2026-03-01' AND l.as_of_utc = $at
    GROUP BY ALL
)
SELECT meter_id, averaging_minutes, max(power_kw), any_value(billed) FROM billed GROUP BY ALL ORDER BY 1
"""


def test_paths_have_the_forecasts_as_margins(built: Built) -> None:
    [(hours, drawn, whole, off, reach)] = built.folder.rows(MARGINS, at=ISSUED_AT)
    assert hours == drawn
    assert whole
    assert reach
    assert isinstance(off, float)
    assert off < 0.02  # the median of 50 paths lies between their two middle ones


def test_the_ledger_is_the_highest_billed_mean_of_the_month(built: Built) -> None:
    rows = built.folder.rows(LEDGER, at=ISSUED_AT)
    assert {minutes for _, minutes, _, _ in rows} == {15, 60}
    for meter, _, highest, billed in rows:
        assert billed == pytest.approx(highest, rel=1e-6), meter


def test_hours_have_a_climatology_and_members_share_their_zones_windows(built: Built) -> None:
    [(hours, without)] = built.folder.rows(
        "SELECT count(*), count(*) FILTER (climatology IS NULL) FROM flexibility.peak_probabilities "
        "WHERE threshold_basis = 'seasonal_quantile'"
    )
    assert hours
    assert without == 0
    shared = built.folder.rows(
        "SELECT count(DISTINCT meter_id), count(DISTINCT (window_start_utc, probability)) "
        "FROM flexibility.demand_peaks WHERE threshold_basis = 'coincident' GROUP BY threshold_meter_id"
    )
    zone = built.folder.rows(
        "SELECT p.meter_id FROM flexibility.demand_peaks p JOIN raw.meters m USING (meter_id) "
        "WHERE m.kind = 'zone' AND p.threshold_basis = 'seasonal_quantile'"
    )
    members = built.folder.rows("SELECT count(*) FROM raw.meters WHERE kind NOT IN ('zone', 'machine')")
    assert shared == ([(*members[0], len(zone))] if zone else [])
