"""Statements of people: their ids, their authors' pseudonyms, and whether they can be what they say.

Belongs here: the rules that hold for every door a statement comes through. Does not belong here: parsing of any format.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from datetime import datetime

import polars as pl

from energy_assets.contracts import table
from energy_assets.ids import hash_id

# What people say of each kind of target, and what is kept of it.
WORDS = {
    "correct": "correct", "confirmed": "correct", "accepted": "correct",
    "incorrect": "incorrect", "rejected": "incorrect", "declined": "incorrect",
    "unsure": "unsure", "withdrawn": "withdrawn",
}  # fmt: skip
_WHERE = {
    "anomaly": "anomaly_id of reporting.anomaly_log",
    "peak": "peak_id of reporting.peak_calendar",
    "advice": "advice_id of flexibility.load_shift_advice",
    "forecast": "<meter_id>@<issue time>, as FR@2026-03-10T08:00Z",
}
_COLUMN = {"interval_start": "interval_start_utc", "given_at": "given_at_utc"}  # what a file calls otherwise
_IDENTITY = (
    "target_type", "target_id", "meter_id", "interval_start_utc", "interval_end_utc", "verdict", "corrected_kwh",
    "reason", "author", "given_at_utc", "supersedes_id", "use_for_training",
)  # fmt: skip


def forecast_id(meter_id: str, issued_at: datetime) -> str:
    """How people name all that was forecast for a meter at one issue time.

    >>> from datetime import UTC
    >>> forecast_id("FR", datetime(2026, 3, 10, 8, tzinfo=UTC))
    'FR@2026-03-10T08:00Z'
    """
    return f"{meter_id}@{issued_at:%Y-%m-%dT%H:%MZ}"


def pseudonyms(authors: pl.Series, key: bytes) -> pl.Series:
    """The same pseudonym for the same author, however it is spelled; without the key nobody can tell whose it is.

    Args:
        authors: names or e-mail addresses; upper and lower case and spaces around do not matter.
        key: the warehouse's secret (HMAC-SHA256): a plain hash of a name could be guessed by trying names.
    """
    names = [unicodedata.normalize("NFKC", name).strip().casefold() for name in authors.to_list()]
    marks = [f"person_{hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:12]}" for name in names]
    return pl.Series(authors.name, marks, dtype=pl.String)


def checked(
    said: pl.DataFrame, targets: pl.DataFrame, known: pl.DataFrame, *, known_at: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Sorts statements into rows of `raw.feedback` and those that cannot be.

    Args:
        said: file_row and the columns of `raw.feedback` but feedback_id, known_at_utc and load_id; the author as a
            pseudonym. Where meter, interval or time are null, the target's and `known_at` stand in.
        targets: target_type, target_id, meter_id, start_utc, end_utc of what the statements may be about.
        known: feedback_id, target_type, target_id, superseded_by of all statements that may be replaced.
        known_at: when the statements came in.

    Returns:
        Rows of `raw.feedback` without load_id, in the order they were given, each once, also those that are known; and
        file_row, column_name, raw_text, reason, message of those with a fault, the first fault each.
    """
    rows = (
        said.with_columns(feedback_id=hash_id(said, *_IDENTITY))
        .join(targets.rename({"meter_id": "target_meter"}), on=["target_type", "target_id"], how="left")
        .join(
            known.select(
                supersedes_id="feedback_id", old_type="target_type", old_target="target_id", gone="superseded_by"
            ),
            on="supersedes_id",
            how="left",
        )
        .unique("feedback_id", keep="first", maintain_order=True)
        .sort("file_row", maintain_order=True)
        .with_columns(
            meter_id=pl.coalesce("meter_id", "target_meter"),
            interval_start_utc=pl.coalesce("interval_start_utc", "start_utc"),
            interval_end_utc=pl.coalesce("interval_end_utc", "end_utc"),
            given_at_utc=pl.coalesce("given_at_utc", pl.lit(known_at)),
        )
    )
    # What was said before, word for word, was sound then.
    new = ~pl.col("feedback_id").is_in(known["feedback_id"].implode())
    rows = rows.with_columns(fault=pl.when(new).then(_fault(known_at))).with_columns(pl.col("fault").struct.unnest())
    good = rows.filter(pl.col("reason_code").is_null()).with_columns(
        known_at_utc=pl.lit(known_at).cast(pl.Datetime("us", "UTC"))
    )
    contract = table("raw.feedback")
    bad = rows.filter(pl.col("reason_code").is_not_null()).select(
        "file_row", "column_name", "raw_text", reason="reason_code", message="message"
    )
    return good.select(c for c in contract.polars_schema if c != "load_id"), bad


def _fault(known_at: datetime) -> pl.Expr:
    """The first thing that is wrong with a row, as a struct of nulls if nothing is."""
    start, end = pl.col("interval_start_utc"), pl.col("interval_end_utc")
    kind, verdict, supersedes = pl.col("target_type"), pl.col("verdict"), pl.col("supersedes_id")
    corrects = pl.col("corrected_kwh").is_not_null()
    named = kind.replace_strict(_WHERE, default="?", return_dtype=pl.String)
    wanted = kind.replace_strict(
        {"anomaly": "correct", "forecast": "incorrect", "peak": "incorrect"}, default="-", return_dtype=pl.String
    )
    hourly = (start.dt.truncate("1h") == start) & (end.dt.truncate("1h") == end)
    twice = supersedes.is_not_null() & (pl.int_range(pl.len()).over("supersedes_id") > 0)
    rules: list[tuple[str, str, pl.Expr, pl.Expr]] = [
        ("unknown_target", "target_id", pl.col("target_meter").is_null(),
         pl.format("there is no {} {}; expected is the {}", kind, "target_id", named)),
        ("wrong_meter", "meter_id", pl.col("meter_id") != pl.col("target_meter"),
         pl.format("the {} is about meter {}; leave the meter out or name that one", kind, "target_meter")),
        ("bad_interval", "interval_start", start.is_null() | end.is_null() | (end <= start),
         pl.lit("an end after the start is expected, or neither of them")),
        ("outside_target", "interval_start", (start < pl.col("start_utc")) | (end > pl.col("end_utc")),
         pl.format("the {} reaches from {} to {}; an interval within it is expected", kind,
                   pl.col("start_utc").dt.to_string("iso:strict"), pl.col("end_utc").dt.to_string("iso:strict"))),
        ("contradiction", "corrected_kwh", corrects & (verdict != wanted),
         pl.when(kind == "advice").then(pl.lit("an advice has no corrected value"))
         .otherwise(pl.format("the verdict about this {} is {} where a corrected value is given", kind, wanted))),
        ("not_hourly", "corrected_kwh", corrects & (kind == "anomaly") & ~hourly,
         pl.lit("a corrected value stands for whole hours: start and end on the hour (UTC) are expected")),
        ("in_the_future", "given_at", pl.col("given_at_utc") > known_at,
         pl.lit(f"said after it came in ({known_at:%Y-%m-%d %H:%M} UTC); is the clock right?")),
        ("nothing_to_withdraw", "supersedes_id", (verdict == "withdrawn") & supersedes.is_null(),
         pl.lit("the id of the statement that is withdrawn is expected")),
        ("unknown_statement", "supersedes_id", supersedes.is_not_null() & pl.col("old_type").is_null(),
         pl.format("there is no statement {}; `energy-assets feedback list` names them", supersedes)),
        ("other_target", "supersedes_id", (pl.col("old_type") != kind) | (pl.col("old_target") != pl.col("target_id")),
         pl.format("statement {} is about {} {}", supersedes, "old_type", "old_target")),
        ("already_superseded", "supersedes_id", pl.col("gone").is_not_null(),
         pl.format("statement {} was replaced by {}; replace that one", supersedes, "gone")),
        ("already_superseded", "supersedes_id", twice,
         pl.format("another statement that came in with this one replaces {}", supersedes)),
    ]  # fmt: skip
    found = [
        pl.when(wrong.fill_null(value=False)).then(
            pl.struct(
                reason_code=pl.lit(code),
                column_name=pl.lit(column),
                raw_text=pl.col(_COLUMN.get(column, column)).cast(pl.String),
                message=message,
            )
        )
        for code, column, wrong, message in rules
    ]
    return pl.coalesce(found)
