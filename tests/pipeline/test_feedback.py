"""What people say changes what happens next, and nothing that happened before.

One warehouse, day by day: an anomaly is confirmed, one rejected, a value corrected, the next run acts on it; then all
is taken back. What was issued before stays as it was, bit by bit.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from energy_assets.config import load_config
from energy_assets.defs.frames import labelled_features
from energy_assets.feedback import record, statement, withdraw
from energy_assets.feedback_effect import measure
from energy_assets.settings import Settings
from energy_assets.warehouse.feedback import standing_feedback
from tests.conftest import Built
from tests.warehouses import DAY, ISSUED_AT, NOW, Folder

HOUR = timedelta(hours=1)
METER = "zone_01"
START = ISSUED_AT.replace(hour=0) - timedelta(days=5)
ANOMALIES = """
INSERT INTO monitoring.demand_anomalies BY NAME
SELECT unnest(['good', 'bad', 'off']) AS anomaly_id, $meter AS meter_id, unnest([2, 12, 20]) * INTERVAL 1 HOUR + $start
    AS start_utc, start_utc + INTERVAL 4 HOUR AS end_utc, 'spike' AS kind, 'spike' AS detector, 2.0 AS score,
    1.0 AS threshold, 'low' AS severity, $at AS detected_at_utc, 'none' AS action, 'made for the test' AS message
"""  # events that no detector would find again
HOURS = """
SELECT interval_start_utc, demand_kwh, excluded_reason, quality, demand_reported_kwh FROM marts.fct_demand_hourly
WHERE meter_id = $meter AND interval_start_utc >= $since AND interval_start_utc < $since + INTERVAL 24 HOUR ORDER BY 1
"""


def at(folder: Folder, now: datetime) -> Settings:
    return Settings(warehouse=folder.path, clock=now)


def say(folder: Folder, target_id: str, verdict: str, now: datetime = NOW, **more: Any) -> str:
    said = statement(target_type="anomaly", target_id=target_id, verdict=verdict, **more)
    return record(at(folder, now), said, author="operator@example.org")


def hours(folder: Folder) -> dict[int, tuple[Any, ...]]:
    """Of the day of the events: hour to demand, reason, quality and what was reported."""
    return {int((row[0] - START) / HOUR): row[1:] for row in folder.rows(HOURS, meter=METER, since=START)}  # type: ignore[operator]


def labels(folder: Folder, as_of: datetime) -> Any:
    """What would be learned at an instant, to be compared as a whole."""
    with folder.warehouse.connect(read_only=True) as con:
        return labelled_features(con, load_config(folder.path / "sources.yaml"), as_of=as_of, days=30, kind="zone")


def test_statements_act_from_the_next_run_on_and_are_taken_back_from_the_one_after(
    built: Built, copied: Folder
) -> None:
    with copied.warehouse.transaction() as con:
        con.execute(ANOMALIES, {"meter": METER, "start": START, "at": ISSUED_AT})
        # a detector had left two of the hours out that a person finds to be right
        con.execute(
            """INSERT INTO raw.demand_exclusions BY NAME
            SELECT $meter AS meter_id, $start + INTERVAL 12 HOUR AS start_utc, $start + INTERVAL 14 HOUR AS end_utc,
                $at AS decided_at_utc, 'exclude' AS action, 'spike' AS reason, 0 AS load_id""",
            {"meter": METER, "start": START, "at": ISSUED_AT + timedelta(seconds=1)},
        )
    issued = copied.rows(
        "SELECT * FROM forecasts.demand_forecasts WHERE issued_at_utc <= $at ORDER BY ALL", at=ISSUED_AT
    )
    learned = labels(copied, ISSUED_AT)
    reported = {hour: row[3] for hour, row in hours(copied).items()}
    confirmed, rejected = say(copied, "good", "correct"), say(copied, "bad", "incorrect")
    corrected = say(copied, "off", "correct", corrected_kwh=4000.0)
    (copied.path / "landing").mkdir(exist_ok=True)
    drop = copied.path / "landing" / "feedback_tower.csv"
    drop.write_text(
        "target_type,target_id,verdict,author\nforecast,zone_01@2026-03-10T08:00Z,incorrect,Zebulon\n"
        "peak,unknown,correct,Zebulon\nZebulon\n"
    )

    copied.run(now=NOW + DAY)
    now = hours(copied)
    assert {h: now[h][:2] for h in range(2, 6)} == dict.fromkeys(
        range(2, 6), (None, f"feedback {confirmed}: anomaly confirmed")
    )
    assert [now[h][0] for h in range(12, 16)] == [reported[h] for h in range(12, 16)]
    assert sum(now[h][0] for h in range(20, 24)) == 4000.0
    assert {now[h][2] for h in range(20, 24)} == {"estimated"}
    assert {hour: row[3] for hour, row in now.items()} == reported
    assert copied.rows("SELECT reason FROM raw.rejected_rows WHERE source = 'feedback' ORDER BY file_row") == [
        ("unknown_target",), ("wrong_field_count",),
    ]  # fmt: skip
    drop.unlink()
    assert [f for f in copied.path.rglob("*") if f.is_file() and b"Zebulon" in f.read_bytes()] == []

    log = {row[0]: row[1:] for row in copied.rows(
        "SELECT feedback_id, target, status, decided_action, decided_hours FROM reporting.feedback_log")}  # fmt: skip
    assert log.pop(confirmed) == ("made for the test", "standing", "exclude", 4.0)
    assert log.pop(rejected)[1:] == ("standing", "include", 4.0)
    assert log.pop(corrected)[1:] == ("standing", "impute", 4.0)
    assert [*log.values()] == [("Forecast issued at 2026-03-10T08:00Z", "standing", "none", 0.0)]
    [(verdict,)] = copied.rows(
        "SELECT DISTINCT verdict FROM reporting.forecast_accuracy_daily WHERE forecast_id = 'zone_01@2026-03-10T08:00Z'"
    )
    assert verdict == "incorrect"

    # What was said does not move what was issued, or what would be learned, before it.
    assert issued == copied.rows(
        "SELECT * FROM forecasts.demand_forecasts WHERE issued_at_utc <= $at ORDER BY ALL", at=ISSUED_AT
    )
    assert labels(copied, ISSUED_AT).equals(learned)
    after = labels(copied, NOW + DAY)
    assert (
        after.filter(after["interval_start_utc"].is_between(START + 2 * HOUR, START + 5 * HOUR))[
            "demand_kwh"
        ].null_count()
        > 0
    )

    before = copied.content()
    found = measure(at(copied, NOW + DAY), date(2026, 3, 5), None)
    assert found.hours.row(0, named=True) == {"meter_id": METER, "left_out": 4, "brought_back": 2, "corrected": 4}
    assert found.scores["scope"].to_list() == ["kind", "meter"]
    assert not list(copied.path.glob(".feedback-effect-*"))
    assert copied.content() == before

    for identity in (confirmed, rejected, corrected):
        withdraw(at(copied, NOW + DAY), identity, author="operator@example.org")
    copied.run(now=NOW + 2 * DAY)
    again = hours(copied)
    assert [again[h][1] for h in (2, 5, 12, 13, 14, 20)] == [None, None, "spike", "spike", None, None]
    # what is reported counts again; the zone's publisher has corrected it since
    assert [again[h][0] for h in (2, 5, 14, 20)] == [again[h][3] for h in (2, 5, 14, 20)]
    with copied.warehouse.connect(read_only=True) as con:
        assert standing_feedback(con, NOW + 2 * DAY, target_type="anomaly").is_empty()
        assert standing_feedback(con, NOW, target_type="anomaly").height == 3
    assert {r[0] for r in copied.rows("SELECT status FROM reporting.feedback_log WHERE target_type = 'anomaly'")} == {
        "replaced", "withdrawn",
    }  # fmt: skip
