"""Nothing that became known after the issue time moves a feature, a model, a forecast or a peak by one bit.

The poison goes into the raw tables themselves: corrections of the past, readings of the target day, weather, others'
forecasts, exclusions, statements of people and telemetry, all with wild values and all known from a second after the
issue time or later.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from energy_assets.config import load_config
from energy_assets.warehouse import load_sources
from tests.conftest import Built
from tests.warehouses import ISSUE_DATE, ISSUED_AT, NOW, Folder, differences

JUDGED = ("features", "forecasts", "flexibility", "monitoring")
LOAD_ID = "(SELECT max(load_id) FROM raw.load_ledger)"
POISON = {
    "corrections of what was known": f"""
        INSERT INTO raw.meter_readings
        SELECT * REPLACE (1000 * abs(coalesce(energy_kwh, 1)) + 7 AS energy_kwh, 'corrected' AS quality,
                          $at::TIMESTAMPTZ + INTERVAL 1 SECOND AS known_at_utc, {LOAD_ID} AS load_id)
        FROM raw.meter_readings WHERE interval_start_utc >= $at::TIMESTAMPTZ - INTERVAL 45 DAY
        QUALIFY row_number() OVER (
            PARTITION BY meter_id, direction, interval_start_utc ORDER BY known_at_utc DESC) = 1""",
    "readings of the days to come": f"""
        INSERT INTO raw.meter_readings
        SELECT * REPLACE (-99999 AS energy_kwh, {LOAD_ID} AS load_id,
                          interval_start_utc + INTERVAL 7 DAY AS interval_start_utc,
                          interval_end_utc + INTERVAL 7 DAY AS interval_end_utc,
                          interval_end_utc + INTERVAL 8 DAY AS known_at_utc)
        FROM raw.meter_readings
        WHERE interval_start_utc BETWEEN $at::TIMESTAMPTZ - INTERVAL 7 DAY AND $at::TIMESTAMPTZ
          AND known_at_utc < $at::TIMESTAMPTZ
        QUALIFY row_number() OVER (PARTITION BY meter_id, direction, interval_start_utc ORDER BY known_at_utc) = 1""",
    "weather that was issued later": f"""
        INSERT INTO raw.weather
        SELECT * REPLACE (temperature_c + 60 AS temperature_c, 0 AS cloud_cover_pct, {LOAD_ID} AS load_id,
                          $at::TIMESTAMPTZ + INTERVAL 1 SECOND AS issued_at_utc,
                          $at::TIMESTAMPTZ + INTERVAL 1 SECOND AS known_at_utc)
        FROM raw.weather WHERE is_forecast AND valid_at_utc >= $at::TIMESTAMPTZ - INTERVAL 20 DAY
        QUALIFY row_number() OVER (PARTITION BY location_id, valid_at_utc ORDER BY issued_at_utc DESC) = 1""",
    "corrected weather": f"""
        INSERT INTO raw.weather
        SELECT * REPLACE (-88 AS temperature_c, {LOAD_ID} AS load_id,
                          $at::TIMESTAMPTZ + INTERVAL 1 SECOND AS known_at_utc)
        FROM raw.weather WHERE valid_at_utc >= $at::TIMESTAMPTZ - INTERVAL 20 DAY
          AND issued_at_utc <= $at::TIMESTAMPTZ
        QUALIFY row_number() OVER (
            PARTITION BY location_id, valid_at_utc, issued_at_utc, is_forecast ORDER BY known_at_utc DESC) = 1""",
    "others' forecasts": f"""
        INSERT INTO raw.published_forecasts
        SELECT * REPLACE (1e9 AS energy_kwh, {LOAD_ID} AS load_id,
                          $at::TIMESTAMPTZ + INTERVAL 1 SECOND AS known_at_utc)
        FROM raw.published_forecasts
        QUALIFY row_number() OVER (
            PARTITION BY meter_id, publisher, interval_start_utc ORDER BY known_at_utc DESC) = 1""",
    "exclusions": f"""
        INSERT INTO raw.demand_exclusions BY NAME
        SELECT meter_id, $at::TIMESTAMPTZ - INTERVAL 30 DAY AS start_utc, $at::TIMESTAMPTZ - INTERVAL 1 DAY AS end_utc,
               $at::TIMESTAMPTZ + INTERVAL 1 SECOND AS decided_at_utc, 'exclude' AS action, NULL AS value_kwh,
               'decided too late' AS reason, {LOAD_ID} AS load_id
        FROM raw.meters""",
    "statements of people": f"""
        INSERT INTO raw.feedback BY NAME
        SELECT 'late ' || coalesce(a.anomaly_id, m.meter_id) AS feedback_id, 'anomaly' AS target_type,
               coalesce(a.anomaly_id, '-') AS target_id, m.meter_id,
               $at::TIMESTAMPTZ - INTERVAL 20 DAY AS interval_start_utc,
               $at::TIMESTAMPTZ - INTERVAL 15 DAY AS interval_end_utc,
               'correct' AS verdict, 1e9 AS corrected_kwh, 'person' AS author,
               $at::TIMESTAMPTZ - INTERVAL 1 DAY AS given_at_utc,
               $at::TIMESTAMPTZ + INTERVAL 1 SECOND AS known_at_utc, TRUE AS use_for_training, {LOAD_ID} AS load_id
        FROM raw.meters m LEFT JOIN monitoring.demand_anomalies a USING (meter_id)""",
    "telemetry": f"""
        INSERT INTO raw.telemetry
        SELECT * REPLACE (1e6 AS power_w, 999 AS temperature_c, 999 AS vibration_ms2, {LOAD_ID} AS load_id,
                          observed_at_utc + INTERVAL 5 SECOND AS observed_at_utc,
                          $at::TIMESTAMPTZ + INTERVAL 1 SECOND AS known_at_utc)
        FROM raw.telemetry WHERE observed_at_utc > $at::TIMESTAMPTZ - INTERVAL 1 DAY
        UNION ALL
        SELECT * REPLACE (0 AS power_w, {LOAD_ID} AS load_id,
                          observed_at_utc + INTERVAL 1 DAY AS observed_at_utc,
                          known_at_utc + INTERVAL 1 DAY AS known_at_utc)
        FROM raw.telemetry WHERE observed_at_utc > $at::TIMESTAMPTZ - INTERVAL 6 HOUR
          AND known_at_utc + INTERVAL 1 DAY > $at::TIMESTAMPTZ""",
}  # fmt: skip


def poison(folder: Folder) -> dict[str, int]:
    """Adds the poison as one more load; rows by what they are."""
    added = {}
    with folder.warehouse.transaction() as con:
        con.execute(f"""INSERT INTO raw.load_ledger SELECT * REPLACE (load_id + 1 AS load_id, 'late' AS source)
                        FROM raw.load_ledger WHERE load_id = {LOAD_ID}""")
        for what, sql in POISON.items():
            [(added[what],)] = con.execute(sql, {"at": ISSUED_AT}).fetchall()
        [(leaks,)] = con.execute(
            "SELECT count(*) FROM raw.meter_readings WHERE energy_kwh = -99999 AND known_at_utc <= $at",
            {"at": ISSUED_AT},
        ).fetchall()
        assert leaks == 0
    return added


def artefacts(folder: Folder) -> dict[str, str]:
    """Checksums of all model files."""
    files = [p for p in (folder.path / "models").rglob("*") if p.is_file()]
    return {str(p.relative_to(folder.path)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_poison_before_anything_is_built_moves_nothing(built: Built, tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "warehouse")
    load_sources(
        folder.warehouse, load_config(folder.path / "sources.yaml"), folder.path, received_at=NOW, known_until=ISSUED_AT
    )
    added = poison(folder)
    assert min(added.values()) > 0, added
    folder.run("--issue-date", ISSUE_DATE.isoformat())
    assert differences(built.folder.content(*JUDGED), folder.content(*JUDGED)) == {}
    assert artefacts(folder) == artefacts(built.folder)
    assert artefacts(folder)
    marts = differences(built.folder.content("marts"), folder.content("marts"))
    assert {"marts.fct_demand_hourly", "marts.fct_demand_daily", "marts.fct_telemetry_15min"} <= marts.keys()
