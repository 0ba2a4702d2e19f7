"""Advice on load shifting in the small warehouse: whole, within its limits, and settled as days pass."""

from __future__ import annotations

import pytest

from tests.conftest import Built
from tests.warehouses import DAY, ISSUED_AT

ENERGY = """
SELECT l.shiftable_load_id, l.capacity_kwh, count(*) AS intervals, l.energy_kwh, l.rebound_share,
    sum(s.usual_kw * epoch(s.interval_end_utc - s.interval_start_utc) / 3600) AS usual_kwh,
    sum(s.advised_kw * epoch(s.interval_end_utc - s.interval_start_utc) / 3600) AS advised_kwh
FROM flexibility.load_shift_schedules s JOIN flexibility.load_shift_advice a USING (advice_id)
JOIN raw.shiftable_loads l USING (shiftable_load_id)
WHERE a.issued_at_utc = $at GROUP BY ALL ORDER BY 1
"""
STATUSES = (
    "SELECT status, count(*) FROM flexibility.load_shift_advice WHERE issued_at_utc = $at GROUP BY ALL ORDER BY 1"
)


def test_every_meter_with_loads_that_can_wait_is_told_something(built: Built) -> None:
    rows = built.folder.rows(
        "SELECT l.meter_id, count(DISTINCT a.advice_id), bool_and(a.solver_status = 'optimal'), "
        "min(length(a.sentence)) FROM raw.shiftable_loads l LEFT JOIN flexibility.load_shift_advice a "
        "ON a.meter_id = l.meter_id AND a.issued_at_utc = $at GROUP BY 1 ORDER BY 1",
        at=ISSUED_AT,
    )
    assert {meter for meter, *_ in rows} == {"industrial_01", "building_01"}
    assert all(count and optimal and length > 20 for _, count, optimal, length in rows)


def test_moved_runs_draw_their_energy_and_no_peak_rises(built: Built) -> None:
    rows = built.folder.rows(ENERGY, at=ISSUED_AT)
    assert rows
    for load, capacity, intervals, energy, rebound, usual, advised in rows:
        assert intervals in (24, 96), load
        if capacity is None:
            assert usual == pytest.approx(energy), load
            assert energy - 1e-6 <= advised <= energy * (1 + rebound) + 1e-6, load
    raised = "SELECT count(*) FROM flexibility.load_shift_advice WHERE peak_after_kw > peak_before_kw + 0.001"
    assert built.folder.rows(raised) == [(0,)]


def test_people_read_the_same_in_local_time(built: Built) -> None:
    [(log, plan)] = built.folder.rows(
        "SELECT (SELECT count(*) FROM reporting.load_shift_log), (SELECT count(*) FROM reporting.load_shift_plan)"
    )
    [(advice, outlook)] = built.folder.rows(
        "SELECT (SELECT count(*) FROM flexibility.load_shift_advice), "
        "(SELECT count(*) FROM flexibility.load_shift_outlook)"
    )
    assert (log, plan) == (advice, outlook)
    assert plan > 0
    days = built.folder.rows(
        "SELECT DISTINCT interval_start_local::DATE = DATE '2026-03-11' FROM reporting.load_shift_plan"
    )
    assert days == [(True,)]


def test_a_day_later_nobody_has_answered(next_day: Built) -> None:
    before = dict(next_day.folder.rows(STATUSES, at=ISSUED_AT))
    assert before["expired"] > 0
    assert "proposed" not in before
    assert "expired" not in dict(next_day.folder.rows(STATUSES, at=ISSUED_AT + DAY))
