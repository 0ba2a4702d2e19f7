"""Statements of people into the warehouse: the function behind the command line, and behind a web page.

Belongs here: one statement, the author's pseudonym, withdrawing. Does not belong here: files of statements
(`warehouse/feedback_files.py`), what follows from a statement (`monitoring.feedback`).

Example:
    said = statement(target_type="anomaly", target_id="0b5e…", verdict="incorrect")
    record(Settings(), said, author="ana@example.org")
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from typing import Annotated, Literal

import duckdb
import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from energy_assets.contracts import TABLES
from energy_assets.monitoring.feedback import pseudonyms
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse, ensure_tables, fetch
from energy_assets.warehouse.feedback import SOURCE, append_statements, sorted_out
from energy_assets.warehouse.ledger import enter_load, next_load_id

Text = Annotated[str, Field(min_length=1, max_length=1000)]
# Between processes DuckDB's own lock does it. Threads share that one, and may not read and write at the same time.
_ONE_AT_A_TIME = threading.Lock()


class FeedbackError(ValueError):
    """A statement cannot be recorded; the message says what was found and what is expected."""


class Statement(BaseModel):
    """What somebody says about a forecast, a peak, an advice or an anomaly.

    `verdict`: of an anomaly, correct confirms it and incorrect says that the readings are right; of an advice, correct
    accepts it. `corrected_kwh` is the energy over the whole interval. Meter and interval are the target's unless given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    target_type: Literal["forecast", "peak", "advice", "anomaly"]
    target_id: Text
    verdict: Literal["correct", "incorrect", "unsure", "withdrawn"]
    meter_id: Text | None = None
    interval_start_utc: AwareDatetime | None = None
    interval_end_utc: AwareDatetime | None = None
    corrected_kwh: float | None = Field(None, ge=0, lt=1e11)
    reason: Text | None = None
    supersedes_id: Text | None = None
    use_for_training: bool = True


def statement(**fields: object) -> Statement:
    """A statement out of fields as they come from a form or a command line.

    Raises:
        FeedbackError: a field is unknown, missing or not what it should be; all faults in one message.
    """
    try:
        return Statement.model_validate(fields)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}, {e['input']!r} given" for e in error.errors())
        raise FeedbackError(said) from None


def record(settings: Settings, said: Statement, *, author: str) -> str:
    """Writes one statement; safe beside other writers, whose end it waits for.

    Args:
        settings: the warehouse.
        said: the statement.
        author: who says it; only a pseudonym is kept.

    Returns:
        The statement's id.

    Raises:
        FeedbackError: the target or the replaced statement is not known, or the statement contradicts it.
        FileNotFoundError: nothing is loaded yet.
        WarehouseBusyError: the working file stayed locked, by a long run perhaps; a file in landing/ need not wait.
    """
    if not author.strip():
        raise FeedbackError("author: a name or an e-mail address is expected; only a pseudonym of it is kept")
    warehouse, now = Warehouse.of(settings), settings.now()
    if not warehouse.database.exists():
        raise FileNotFoundError(f"{warehouse.database} is not there yet; run `energy-assets run` first")
    person = pseudonyms(pl.Series([author]), author_key(settings))[0]
    row = said.model_dump() | {"file_row": 0, "author": person, "given_at_utc": now}
    schema = {n: t for n, t in TABLES["raw.feedback"].polars_schema.items() if n in row} | {"file_row": pl.Int64()}
    frame = pl.DataFrame([row], schema=schema)
    with _ONE_AT_A_TIME, warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
        sound, faulty = sorted_out(con, frame, known_at=now)
        if faulty.height:
            raise FeedbackError(f"{faulty['column_name'][0]}: {faulty['message'][0]}")
        identity = sound["feedback_id"][0]
        load_id = next_load_id(con)
        new = append_statements(con, sound, load_id)
        sha256 = hashlib.sha256(identity.encode()).hexdigest()
        enter_load(con, SOURCE, "statement", sha256, load_id=load_id, received_at=now, rows=1, new=new)
    return str(identity)


def withdraw(settings: Settings, feedback_id: str, *, author: str, reason: str | None = None) -> str:
    """Takes a statement back: a new one that says so. What it changed counts no more from now on.

    Returns:
        The id of the new statement.

    Raises:
        FeedbackError: there is no such statement, or another one has replaced it.
    """
    return amend(settings, feedback_id, verdict="withdrawn", author=author, reason=reason)


def amend(settings: Settings, feedback_id: str, *, author: str, **fields: object) -> str:
    """Replaces a statement by another one about the same target.

    Args:
        settings: the warehouse.
        feedback_id: the statement to replace.
        author: who says so; need not be the same person.
        fields: of the new `Statement`, but its target.

    Raises:
        FeedbackError: there is no such statement, another one has replaced it, or the new one is not sound.
    """
    sql = "SELECT target_type, target_id FROM raw.feedback WHERE feedback_id = ?"
    with _ONE_AT_A_TIME, Warehouse.of(settings).connect(read_only=True) as con:
        found = fetch(con, sql, [feedback_id]).rows()
    if not found:
        raise FeedbackError(f"there is no statement {feedback_id}; `energy-assets feedback list` names them")
    [(target_type, target_id)] = found
    new = statement(target_type=target_type, target_id=target_id, supersedes_id=feedback_id, **fields)
    return record(settings, new, author=author)


def statements(con: duckdb.DuckDBPyConnection, *, target_type: str | None = None, everything: bool) -> pl.DataFrame:
    """Statements for people to look at, newest first; those that were replaced or withdrawn if `everything`."""
    return fetch(
        con,
        """SELECT f.feedback_id, f.target_type, f.target_id, f.meter_id, f.verdict, f.corrected_kwh, f.reason, f.author,
            f.known_at_utc, later.feedback_id AS superseded_by
        FROM raw.feedback f LEFT JOIN raw.feedback later ON later.supersedes_id = f.feedback_id
        WHERE ($target_type IS NULL OR f.target_type = $target_type)
            AND ($everything OR (later.feedback_id IS NULL AND f.verdict <> 'withdrawn'))
        ORDER BY f.known_at_utc DESC, f.feedback_id""",
        {"target_type": target_type, "everything": everything},
    )


def author_key(settings: Settings) -> bytes:
    """The secret that pseudonyms are made with; made once per warehouse, readable by its owner alone.

    Who loses it keeps the statements but can no longer tell that an old and a new one are by the same person.
    """
    file = settings.folder / "feedback.key"
    if not file.exists():
        partial = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        partial.touch(0o600, exist_ok=False)
        partial.write_bytes(secrets.token_bytes(32))
        try:
            os.link(partial, file)  # whole, and only if nobody else has made it meanwhile
        except FileExistsError:
            pass
        finally:
            partial.unlink()
    return file.read_bytes()
