"""A detector's decision: appended once, applied from the next run on, and unknown to everything before it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from energy_assets.config import load_config
from energy_assets.defs.frames import labelled_features
from tests.conftest import Built
from tests.warehouses import DAY, ISSUED_AT

DECIDED_AT = ISSUED_AT + timedelta(seconds=1)
SET_ASIDE = """
    SELECT meter_id, start_utc, end_utc, reason FROM raw.demand_exclusions
    WHERE decided_at_utc = $at AND action IN ('exclude', 'quarantine') ORDER BY ALL"""


def test_decisions_follow_the_forecasts_of_their_issue(built: Built) -> None:
    rows = built.folder.rows("SELECT DISTINCT decided_at_utc, load_id FROM raw.demand_exclusions")
    assert [at for at, _ in rows] == [DECIDED_AT]
    entered = built.folder.rows("SELECT load_id, rows FROM raw.load_ledger WHERE source = 'anomalies'")
    assert [load_id for load_id, _ in entered] == [load_id for _, load_id in rows]
    kinds = built.folder.rows("SELECT DISTINCT action FROM monitoring.demand_anomalies ORDER BY 1")
    assert ("exclude",) in kinds
    # the marts of that run were built before
    applied = built.folder.rows(
        "SELECT count(*) FROM marts.fct_demand_hourly WHERE known_at_utc = $at",
        at=DECIDED_AT,
    )
    assert applied == [(0,)]


def test_the_next_run_applies_them_beside_the_reported_value(next_day: Built) -> None:
    folder = next_day.folder
    decided = folder.rows(SET_ASIDE, at=DECIDED_AT)
    assert decided
    for meter_id, start, end, reason in decided:
        hours = folder.rows(
            """SELECT demand_reported_kwh, demand_kwh, quality, excluded_reason FROM marts.fct_demand_hourly
            WHERE meter_id = $meter AND interval_start_utc >= $start AND interval_start_utc < $end""",
            meter=meter_id, start=start, end=end,
        )  # fmt: skip
        assert hours
        assert all(row[0] is not None and row[1:] == (None, "missing", reason) for row in hours)
        versions = folder.rows(
            """SELECT known_from_utc < $at, demand_kwh IS NULL, known_to_utc = $at, count(*)
            FROM intermediate.int_demand_versions
            WHERE meter_id = $meter AND interval_start_utc >= $start AND interval_start_utc < $end
                AND excluded_reason IS DISTINCT FROM 'negative'
            GROUP BY ALL ORDER BY ALL DESC""",
            at=DECIDED_AT, meter=meter_id, start=start, end=end,
        )  # fmt: skip
        assert versions == [(True, False, True, len(hours)), (False, True, None, len(hours))]


@pytest.mark.parametrize(("as_of", "known"), [(ISSUED_AT, True), (DECIDED_AT, False)])
def test_training_leaves_it_out_as_of_when_it_was_decided(next_day: Built, as_of: object, known: bool) -> None:
    config = load_config(next_day.folder.path / "sources.yaml")
    with next_day.folder.warehouse.connect(read_only=True) as con:
        labels = labelled_features(con, config, as_of=as_of, days=30)  # type: ignore[arg-type]
    found = 0
    for meter_id, start, end, _ in next_day.folder.rows(SET_ASIDE, at=DECIDED_AT):
        of = labels.filter(
            labels["meter_id"] == meter_id, labels["interval_start_utc"] >= start, labels["interval_start_utc"] < end
        )["demand_kwh"]
        found += len(of)
        assert of.is_null().sum() == (0 if known else len(of))
    assert found > 0


def test_the_same_day_again_decides_nothing_new(next_day: Built) -> None:
    counted = "SELECT decided_at_utc, count(*) FROM raw.demand_exclusions GROUP BY 1 ORDER BY 1"
    first = next_day.folder.rows(counted)
    assert {at for at, _ in first} <= {DECIDED_AT, DECIDED_AT + DAY}
    hours = next_day.folder.rows(
        """SELECT meter_id, hour, count(*) FROM (
            SELECT meter_id, unnest(generate_series(start_utc, end_utc - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS hour
            FROM raw.demand_exclusions) GROUP BY ALL HAVING count(*) > 1"""
    )
    assert hours == []  # the second day's run has found the same events and has not decided on them again
