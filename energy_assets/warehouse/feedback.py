"""What people said, in the working file: statements that stood at an instant, new ones, and their effect on readings.

Belongs here: reading and writing `raw.feedback`, appending to `raw.demand_exclusions` what follows from it. Does not
belong here: which statements are sound and what follows from them (`monitoring.feedback`), files and people's names.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import duckdb
import polars as pl

from energy_assets.contracts import TABLES
from energy_assets.monitoring import feedback
from energy_assets.warehouse.connection import fetch
from energy_assets.warehouse.ledger import enter_load, next_load_id
from energy_assets.warehouse.writes import append_new, registered

SOURCE = "feedback"  # in the ledger and among the rejected rows
_STATEMENTS, _DECISIONS = TABLES["raw.feedback"], TABLES["raw.demand_exclusions"]

STANDING = """
SELECT said.* EXCLUDE (load_id) FROM raw.feedback said
WHERE said.known_at_utc <= $as_of AND said.verdict <> 'withdrawn'
    AND NOT EXISTS (
        SELECT 1 FROM raw.feedback later WHERE later.supersedes_id = said.feedback_id AND later.known_at_utc <= $as_of)
"""
# What statements may be about. A forecast is named by meter and issue time (`monitoring.feedback.forecast_id`).
TARGETS = """
WITH asked AS (SELECT DISTINCT target_type, target_id FROM said)
SELECT target_type, target_id, meter_id, start_utc, end_utc
FROM asked JOIN monitoring.demand_anomalies ON target_type = 'anomaly' AND target_id = anomaly_id
UNION ALL
SELECT target_type, target_id, meter_id, window_start_utc, window_end_utc
FROM asked JOIN flexibility.demand_peaks ON target_type = 'peak' AND target_id = peak_id
UNION ALL
SELECT target_type, target_id, meter_id, least(from_start_utc, to_start_utc), greatest(from_end_utc, to_end_utc)
FROM asked JOIN flexibility.load_shift_advice ON target_type = 'advice' AND target_id = advice_id
WHERE to_start_utc IS NOT NULL
UNION ALL
SELECT target_type, target_id, meter_id, min(interval_start_utc), max(interval_end_utc)
FROM (
    SELECT *, regexp_extract(target_id, '^(.*)@', 1) AS meter_id,
        timezone('UTC', try_strptime(regexp_extract(target_id, '@([^@]*)$', 1), '%Y-%m-%dT%H:%MZ')) AS issued_at_utc
    FROM asked WHERE target_type = 'forecast'
) JOIN forecasts.demand_forecasts USING (meter_id, issued_at_utc)
GROUP BY ALL
"""
KNOWN = """
SELECT said.feedback_id, said.target_type, said.target_id, min(later.feedback_id) AS superseded_by
FROM raw.feedback said LEFT JOIN raw.feedback later ON later.supersedes_id = said.feedback_id GROUP BY ALL
"""
# Detectors' decisions about what people spoke of. Whose a decision is, its load says.
DETECTORS = """
SELECT d.* FROM raw.demand_exclusions d
SEMI JOIN raw.feedback f ON f.meter_id = d.meter_id AND f.target_type = 'anomaly'
    AND f.interval_end_utc > d.start_utc AND f.interval_start_utc < d.end_utc + INTERVAL 1 HOUR
WHERE d.decided_at_utc <= $now AND d.load_id NOT IN (SELECT load_id FROM raw.load_ledger WHERE source = $feedback)
ORDER BY ALL
"""
ALREADY = """
SELECT meter_id, start_utc, end_utc, decided_at_utc FROM raw.demand_exclusions
WHERE load_id IN (SELECT load_id FROM raw.load_ledger WHERE source = $feedback)
"""
# The median that was forecast for the hours of corrected values, as it was known when they came in.
EXPECTED = """
SELECT p.meter_id, p.interval_start_utc,
    arg_max(p.demand_kwh, (p.issued_at_utc, p.model_version, p.revision)) AS expected_kwh
FROM forecasts.demand_forecasts p
JOIN raw.feedback f ON f.meter_id = p.meter_id AND f.target_type = 'anomaly' AND f.corrected_kwh IS NOT NULL
    AND p.interval_start_utc >= f.interval_start_utc AND p.interval_end_utc <= f.interval_end_utc
    AND p.issued_at_utc <= f.known_at_utc
WHERE p.quantile = 0.5 AND epoch(p.interval_end_utc) - epoch(p.interval_start_utc) = 3600
GROUP BY ALL ORDER BY ALL
"""


def standing_feedback(
    con: duckdb.DuckDBPyConnection, as_of: datetime, *, target_type: str | None = None
) -> pl.DataFrame:
    """Statements that had come in by `as_of` and that no other one had replaced or withdrawn by then.

    Args:
        con: a connection to the working file.
        as_of: an instant with an offset; what came in later is not there.
        target_type: only statements about forecasts, peaks, advice or anomalies.

    Returns:
        Columns of `raw.feedback` without `load_id`, oldest first. Several people may have judged the same target: the
        last row about it is the newest word.
    """
    return fetch(
        con,
        f"{STANDING} AND ($target_type IS NULL OR said.target_type = $target_type) "
        "ORDER BY known_at_utc, given_at_utc, feedback_id",
        {"as_of": as_of, "target_type": target_type},
    )


def sensitivities(con: duckdb.DuckDBPyConnection, as_of: datetime) -> pl.DataFrame:
    """Factors on detectors' thresholds (meter_id, kind, factor) from the statements that stood at `as_of`."""
    standing = standing_feedback(con, as_of, target_type="anomaly")
    kinds = fetch(
        con,
        "SELECT DISTINCT anomaly_id, kind FROM monitoring.demand_anomalies "
        "SEMI JOIN raw.feedback ON target_id = anomaly_id ORDER BY ALL",
    )
    return feedback.sensitivities(standing, kinds)


def sorted_out(
    con: duckdb.DuckDBPyConnection, said: pl.DataFrame, *, known_at: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Statements against what the warehouse knows: sound ones and faulty ones (see `monitoring.feedback.checked`)."""
    with registered(con, said.select("target_type", "target_id"), "said"):
        targets = fetch(con, f"{TARGETS} ORDER BY ALL")
    return feedback.checked(said, targets, fetch(con, f"{KNOWN} ORDER BY ALL"), known_at=known_at)


def append_statements(con: duckdb.DuckDBPyConnection, statements: pl.DataFrame, load_id: int) -> int:
    """Writes sound statements inside the caller's transaction; returns how many are new."""
    return append_new(con, _STATEMENTS, statements.with_columns(load_id=pl.lit(load_id, dtype=pl.Int64)))


def apply_feedback(con: duckdb.DuckDBPyConnection, now: datetime) -> int:
    """Appends the decisions on readings that follow from the statements so far; returns how many.

    They are known from the statements' receipt and in the marts from the next build on. The same again appends nothing.
    """
    statements = fetch(con, "SELECT * FROM raw.feedback WHERE known_at_utc <= ? ORDER BY feedback_id", [now])
    if statements.is_empty():
        return 0
    detectors = fetch(con, DETECTORS, {"feedback": SOURCE, "now": now})
    decided = feedback.decisions(statements, detectors, fetch(con, EXPECTED))
    already = fetch(con, ALREADY, {"feedback": SOURCE})
    new = decided.join(already, on=already.columns, how="anti")
    if new.is_empty():
        return 0
    load_id = next_load_id(con)
    sha256 = hashlib.sha256(str(new.rows()).encode()).hexdigest()
    enter_load(con, SOURCE, "decisions", sha256, load_id=load_id, received_at=now, rows=new.height, new=new.height)
    return append_new(con, _DECISIONS, new.with_columns(load_id=pl.lit(load_id, dtype=pl.Int64)))
