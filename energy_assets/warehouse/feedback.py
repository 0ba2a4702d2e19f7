"""What people said, in the working file: the statements that stood at an instant.

Belongs here: reading and writing `raw.feedback`. Does not belong here: what follows from a statement
(`monitoring/feedback.py`).
"""

from __future__ import annotations

from datetime import datetime

import duckdb
import polars as pl

from energy_assets.warehouse.connection import fetch

STANDING = """
SELECT said.* EXCLUDE (load_id) FROM raw.feedback said
WHERE said.known_at_utc <= $as_of AND said.verdict <> 'withdrawn'
    AND NOT EXISTS (
        SELECT 1 FROM raw.feedback later WHERE later.supersedes_id = said.feedback_id AND later.known_at_utc <= $as_of)
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
        f"{STANDING} AND ($target_type IS NULL OR said.target_type = $target_type) ORDER BY known_at_utc, feedback_id",
        {"as_of": as_of, "target_type": target_type},
    )
