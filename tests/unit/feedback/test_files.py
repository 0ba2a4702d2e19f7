"""Files of statements in landing/: what comes in, what is rejected and why, and that no name is kept."""

from __future__ import annotations

import csv
import io
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from energy_assets.feedback import author_key, record, statement
from energy_assets.monitoring.feedback import WORDS
from energy_assets.settings import Settings
from energy_assets.sources.base import SourceFile
from energy_assets.sources.feedback_files import NEEDED, OPTIONAL, read_feedback_file
from energy_assets.warehouse import Warehouse
from energy_assets.warehouse.feedback_files import load_feedback_files
from tests.unit.feedback.world import FORECAST, HOUR, NOW, START, make

COLUMNS = [*NEEDED, *OPTIONAL]
NAME = "Ana Example"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make(tmp_path / "warehouse")


def text_of(*rows: dict[str, str]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({"author": NAME, **row} for row in rows)
    return out.getvalue()


def drop(settings: Settings, text: str, name: str = "feedback.csv", *, at: datetime = NOW) -> tuple[str, int, int, int]:
    """Drops a file, loads, and says what became of it: outcome, rows, new, rejected."""
    file = settings.folder / "landing" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    report = load_feedback_files(
        Warehouse.of(settings), settings.folder, timezone="Europe/Paris", key=lambda: author_key(settings),
        received_at=at,
    ).frame()  # fmt: skip
    [row] = report.filter(report["path"] == f"landing/{name}").rows()
    return row[2:]  # type: ignore[no-any-return]


def kept(settings: Settings, sql: str) -> list[dict[str, Any]]:
    return Warehouse.of(settings).frame(sql).to_dicts()


def rejected(settings: Settings) -> list[tuple[int, str, str, str]]:
    rows = kept(settings, "SELECT file_row, column_name, reason, raw_text FROM raw.rejected_rows ORDER BY file_row")
    return [tuple(row.values()) for row in rows]  # type: ignore[misc]


def test_right_rows_come_in_and_wrong_ones_are_kept_with_a_reason(settings: Settings) -> None:
    text = text_of(
        {"target_type": "anomaly", "target_id": "odd", "verdict": "Confirmed", "corrected_kwh": "3"},
        {"target_type": "peak", "target_id": "high", "verdict": "incorrect", "use_for_training": "no"},
        {"target_type": "forecast", "target_id": FORECAST, "verdict": "unsure", "given_at": "2026-03-10 12:00"},
        {"target_type": "anomaly", "target_id": "none", "verdict": "confirmed"},
        {"target_type": "weather", "target_id": "odd", "verdict": "confirmed"},
        {"target_type": "anomaly", "target_id": "odd", "verdict": "perhaps"},
        {"target_type": "anomaly", "target_id": "odd", "verdict": "confirmed", "corrected_kwh": "much"},
        {"target_type": "anomaly", "target_id": "odd", "verdict": "confirmed", "interval_start": "soon"},
        {"target_type": "anomaly", "target_id": "odd", "verdict": "confirmed", "given_at": "2026-03-29 02:30"},
        {"target_type": "anomaly", "target_id": "odd", "verdict": "confirmed", "given_at": "2026-03-11"},
        {"target_type": "anomaly", "target_id": "odd", "verdict": "confirmed", "author": ""},
        {"target_type": "anomaly", "target_id": "odd", "verdict": "confirmed", "use_for_training": "sometimes"},
    )
    assert drop(settings, text) == ("loaded", 12, 3, 9)
    rows = kept(settings, "SELECT * FROM raw.feedback ORDER BY target_type")
    assert [(r["target_type"], r["verdict"], r["corrected_kwh"], r["use_for_training"]) for r in rows] == [
        ("anomaly", "correct", 3.0, True), ("forecast", "unsure", None, True), ("peak", "incorrect", None, False),
    ]  # fmt: skip
    assert {r["known_at_utc"] for r in rows} == {NOW}
    assert rows[1]["given_at_utc"] == NOW - HOUR  # said at noon in Paris
    assert rejected(settings) == [
        (4, "target_id", "unknown_target", "none"),
        (5, "target_type", "bad_value", "weather"),
        (6, "verdict", "bad_value", "perhaps"),
        (7, "corrected_kwh", "not_a_number", "much"),
        (8, "interval_start", "bad_timestamp", "soon"),
        (9, "given_at", "nonexistent_local_time", "2026-03-29 02:30"),
        (10, "given_at", "in_the_future", "2026-03-10 23:00:00.000000+00:00"),
        (11, "author", "bad_value", None),
        (12, "use_for_training", "bad_value", "sometimes"),
    ]
    [ledger] = kept(settings, "SELECT * FROM raw.load_ledger")
    assert (ledger["source"], ledger["path"], ledger["rows"], ledger["rows_new"], ledger["rejected_rows"]) == (
        "feedback", "landing/feedback.csv", 12, 3, 9,
    )  # fmt: skip
    assert {r["load_id"] for r in rows} == {ledger["load_id"]}


def test_a_file_is_read_once_and_one_that_grew_brings_only_what_is_new(settings: Settings) -> None:
    first = {"target_type": "anomaly", "target_id": "odd", "verdict": "confirmed"}
    assert drop(settings, text_of(first)) == ("loaded", 1, 1, 0)
    assert drop(settings, text_of(first), at=NOW + HOUR) == ("unchanged", 0, 0, 0)
    second = {"target_type": "peak", "target_id": "high", "verdict": "correct"}
    assert drop(settings, text_of(first, second), at=NOW + 2 * HOUR) == ("loaded", 2, 1, 0)
    rows = kept(settings, "SELECT target_type, known_at_utc FROM raw.feedback ORDER BY 1")
    assert [tuple(r.values()) for r in rows] == [("anomaly", NOW), ("peak", NOW + 2 * HOUR)]


def test_a_file_replaces_a_statement_once(settings: Settings) -> None:
    old = record(settings, statement(target_type="anomaly", target_id="odd", verdict="correct"), author=NAME)
    row = {"target_type": "anomaly", "target_id": "odd", "supersedes_id": old}
    text = text_of({**row, "verdict": "withdrawn"}, {**row, "verdict": "rejected"})
    assert drop(settings, text) == ("loaded", 2, 1, 1)
    assert rejected(settings) == [(2, "supersedes_id", "already_superseded", old)]
    assert drop(settings, text + "\n", at=NOW + HOUR) == ("loaded", 2, 0, 1)  # another file with the same words


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_file"),
        ("target_type,target_id\nanomaly,odd\n", "wrong_columns"),
        (text_of().replace("corrected_kwh", "corected_kwh") + "a" + "," * 10 + "\n", "wrong_columns"),
        ("\x00\x01", "not_text"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_rejected_row_and_the_others_come_in(
    settings: Settings, text: str, reason: str
) -> None:
    drop(settings, text_of({"target_type": "anomaly", "target_id": "odd", "verdict": "confirmed"}), "feedback_a.csv")
    assert drop(settings, text, "feedback_b.csv") == ("failed", 0, 0, 1)
    assert drop(settings, text, "feedback_b.csv") == ("unchanged", 0, 0, 0)
    assert [r[:3] for r in rejected(settings)] == [(0, None, reason)]
    assert len(kept(settings, "SELECT * FROM raw.feedback")) == 1


def test_a_broken_row_is_kept_without_its_text_which_may_name_somebody(settings: Settings) -> None:
    assert drop(settings, text_of() + f"anomaly,odd,{NAME}\n") == ("loaded", 1, 0, 1)
    assert rejected(settings) == [(1, None, "wrong_field_count", None)]
    assert NAME.encode() not in (settings.folder / "energy.duckdb").read_bytes()


CELLS = st.one_of(
    st.sampled_from([
        "", "anomaly", "peak", "odd", "high", "confirmed", "rejected", "unsure", "withdrawn", "home", "1.5", "-1",
        "inf", "nan", "1e400", "yes", "no", "2026-03-09 01:00", "2026-03-09T02:00Z", "2026-03-29 02:30", "0001-01-01",
        "24:00", '"', "'", "a,b", "a\nb", "\ufeff", "€",
    ]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8),
)  # fmt: skip
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, CELLS)), min_size=1, max_size=8)


@hypothesis_settings(max_examples=60, deadline=None)
@given(ROWS)
def test_whatever_stands_in_a_file_every_row_comes_in_or_is_rejected(rows: list[dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "feedback.csv"
        path.write_bytes(text_of(*rows).encode())
        said, wrong = read_feedback_file(SourceFile(path, ""), "Europe/Paris", WORDS)
        numbers = said["file_row"].to_list() + wrong["file_row"].to_list()
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        assert set(said["verdict"]) <= set(WORDS.values())
        assert said["author"].null_count() == 0


@hypothesis_settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["odd", "high", "gone"]), st.sampled_from(sorted(WORDS))), max_size=6))
def test_loading_the_same_words_again_adds_nothing(words: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = make(Path(folder))
        rows = [
            {"target_type": "peak" if target == "high" else "anomaly", "target_id": target, "verdict": verdict}
            for target, verdict in words
        ]
        drop(settings, text_of(*rows, {"target_type": "anomaly", "target_id": "odd", "verdict": "unsure"}))
        before = kept(settings, "SELECT * FROM raw.feedback ORDER BY ALL")
        outcome, _, new, _ = drop(settings, text_of(*rows, {"target_type": "anomaly", "target_id": "odd", "verdict":
                                  "unsure"}) + "\n", at=NOW + HOUR)  # fmt: skip
        assert (outcome, new) == ("loaded", 0)
        assert kept(settings, "SELECT * FROM raw.feedback ORDER BY ALL") == before
        good = {(t, WORDS[v]) for t, v in words if t != "gone" and v != "withdrawn"} | {("odd", "unsure")}
        assert {(r["target_id"], r["verdict"]) for r in before} == good
        assert all(r["interval_start_utc"] == START for r in before)
