"""Statements of people from a CSV: `landing/feedback*.csv`.

Format: `target_type, target_id, verdict, author`, and, where there is something to say, `meter_id`, `interval_start`,
`interval_end`, `corrected_kwh`, `reason`, `given_at`, `supersedes_id`, `use_for_training` (yes). Times: instants if
they have an offset, else local to the market's zone.

Belongs here: parsing. Does not belong here: whether a statement is sound (`monitoring.feedback`). No text that may hold
an author's name goes into a rejected row.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from energy_assets.contracts import table as contract
from energy_assets.contracts.raw import TARGETS
from energy_assets.sources.base import SourceError, SourceFile
from energy_assets.sources.numbers import with_number
from energy_assets.sources.sieve import Sieve
from energy_assets.sources.tabular import own_names, read_table
from energy_assets.sources.timestamps import UTC_TIME, with_instants, with_stamps

FEEDBACK = "raw.feedback"
NEEDED = ("target_type", "target_id", "verdict", "author")
TIMES = {"interval_start": "interval_start_utc", "interval_end": "interval_end_utc", "given_at": "given_at_utc"}
OPTIONAL = ("meter_id", "corrected_kwh", "reason", "supersedes_id", "use_for_training", *TIMES)
YES_NO = {"": True, "yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
LONGEST = 1000  # characters of any text
WHOLE_ROWS = ("wrong_field_count", "broken_quotes")


def read_feedback_file(file: SourceFile, timezone: str, words: Mapping[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One file of statements.

    Args:
        file: the file and its checksum.
        timezone: zone of naive times.
        words: what may stand as a verdict, and what is kept of it.

    Returns:
        file_row and the columns of `raw.feedback` without feedback_id, known_at_utc and load_id, the author as written;
        and the rejected rows (`REJECTED_SCHEMA`).

    Raises:
        SourceError: the file as a whole cannot be read, or has a column that nothing is known of: a misspelt
            `corrected_kwh` must not be overlooked.
    """
    rows = read_table(file, ",", list(NEEDED), FEEDBACK)
    strange = [name for name in rows.frame.columns if name not in ("file_row", *NEEDED, *OPTIONAL)]
    if strange:
        raise SourceError(
            "wrong_columns", f"{file.path}: columns {strange} are unknown; there may be {[*NEEDED, *OPTIONAL]}"
        )
    whole = pl.col("reason").is_in(WHOLE_ROWS)
    rejected = rows.rejected.with_columns(raw_text=pl.when(~whole).then("raw_text"))
    given = {f"_{name}": name for name in (*NEEDED, *OPTIONAL) if name in rows.frame.columns}
    sieve = Sieve(own_names(rows.frame, given), FEEDBACK, rejected)
    for name in (*NEEDED, *OPTIONAL):
        text = pl.lit(None, dtype=pl.String)
        if f"_{name}" in given:
            text = pl.col(f"_{name}").cast(pl.String).str.strip_chars()
            text = pl.when(text != "").then(text)
        sieve.frame = sieve.frame.with_columns(text.alias(f"_{name}"))
    _take_words(sieve, words)
    for name, ours in TIMES.items():
        _take_time(sieve, name, ours, timezone)
    sieve.frame = with_number(sieve.frame, "_corrected_kwh", "corrected_kwh")
    sieve.set_aside(
        pl.col("corrected_kwh_bad") | (pl.col("corrected_kwh") < 0) | (pl.col("corrected_kwh") >= 1e11),
        reason="not_a_number", message="an energy in kWh, or nothing, is expected", column="corrected_kwh",
        raw="_corrected_kwh",
    )  # fmt: skip
    schema = contract(FEEDBACK).polars_schema
    wanted = [name for name in schema if name not in ("feedback_id", "known_at_utc", "load_id")]
    said = sieve.frame.select("file_row", *(pl.col(n).cast(schema[n]) for n in wanted))
    return said, sieve.rejected()


def _take_words(sieve: Sieve, words: Mapping[str, str]) -> None:
    """The columns that are text; those with few words as the word that is kept."""
    lower = {name: pl.col(f"_{name}").str.to_lowercase() for name in ("target_type", "verdict", "use_for_training")}
    yes_no = lower["use_for_training"].fill_null("").replace_strict(YES_NO, default=None, return_dtype=pl.Boolean)
    sieve.frame = sieve.frame.with_columns(
        *(pl.col(f"_{name}").alias(name) for name in ("target_id", "author", "meter_id", "reason", "supersedes_id")),
        target_type=pl.when(lower["target_type"].is_in(TARGETS)).then(lower["target_type"]),
        verdict=lower["verdict"].replace_strict(dict(words), default=None, return_dtype=pl.String),
        use_for_training=yes_no,
    )
    choices = {"target_type": TARGETS, "verdict": tuple(words), "use_for_training": tuple(w for w in YES_NO if w)}
    for name, choice in choices.items():
        sieve.set_aside(
            pl.col(name).is_null(), reason="bad_value", message=f"{name} as one of {', '.join(choice)} is expected",
            column=name, raw=pl.col(f"_{name}").str.head(LONGEST),
        )  # fmt: skip
    for name in ("target_id", "author"):
        sieve.set_aside(pl.col(name).is_null(), reason="bad_value", message=f"{name} is expected", column=name)
    for name in ("target_id", "author", "meter_id", "reason", "supersedes_id"):
        sieve.set_aside(
            pl.col(name).str.len_chars() > LONGEST, reason="bad_value", column=name,
            message=f"at most {LONGEST} characters are expected",
        )  # fmt: skip


def _take_time(sieve: Sieve, name: str, ours: str, timezone: str) -> None:
    """An instant or null; rows aside whose cell is something else."""
    raw = f"_{name}"
    sieve.frame = with_stamps(sieve.frame, raw, ours)
    no_time = pl.col(f"{ours}_naive").is_null() & pl.col(f"{ours}_instant").is_null() & pl.col(raw).is_not_null()
    sieve.set_aside(
        no_time, reason="bad_timestamp", message="an ISO 8601 time, or nothing, is expected", column=name, raw=raw
    )
    sieve.frame = with_instants(sieve.frame, ours, timezone)
    sieve.set_aside(
        pl.col(ours).is_null() & pl.col(raw).is_not_null(), reason="nonexistent_local_time",
        message=f"clocks in {timezone} skip this time", column=name, raw=raw,
    )  # fmt: skip
    sieve.frame = sieve.frame.with_columns(pl.col(ours).cast(UTC_TIME))
