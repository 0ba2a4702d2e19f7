"""Statements into the warehouse: what is refused and why, chains, two writers, pseudonyms, the point in time."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from energy_assets.feedback import FeedbackError, amend, author_key, record, statement, withdraw
from energy_assets.monitoring.feedback import pseudonyms
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse
from energy_assets.warehouse.feedback import apply_feedback, sensitivities, standing_feedback
from tests.unit.feedback.world import FORECAST, HOUR, NOW, START, make

ANOMALY = {"target_type": "anomaly", "target_id": "odd"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make(tmp_path / "warehouse")


def say(settings: Settings, author: str = "Ana", **fields: Any) -> str:
    return record(settings, statement(**{**ANOMALY, "verdict": "correct", **fields}), author=author)


def at(settings: Settings, hours: int) -> Settings:
    """The same warehouse some hours later."""
    return settings.model_copy(update={"clock": NOW + hours * HOUR})


def kept(settings: Settings, sql: str = "SELECT * EXCLUDE (load_id) FROM raw.feedback") -> list[dict[str, Any]]:
    return Warehouse.of(settings).frame(sql).to_dicts()


@pytest.mark.parametrize(
    ("target_type", "target_id", "until"),
    [
        ("anomaly", "odd", START + 3 * HOUR),
        ("advice", "later", START + 3 * HOUR),
        ("peak", "high", START + HOUR),
        ("forecast", FORECAST, START + 3 * HOUR),
    ],
)
def test_what_is_not_said_is_taken_from_the_target(
    settings: Settings, target_type: str, target_id: str, until: object
) -> None:
    identity = say(settings, target_type=target_type, target_id=target_id, reason="seen on site")
    [row] = kept(settings)
    assert row == {
        "feedback_id": identity, "target_type": target_type, "target_id": target_id, "meter_id": "home",
        "interval_start_utc": START, "interval_end_utc": until, "verdict": "correct", "corrected_kwh": None,
        "reason": "seen on site", "author": row["author"], "given_at_utc": NOW, "supersedes_id": None,
        "use_for_training": True, "known_at_utc": NOW,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"target_id": "even"},
            "target_id: there is no anomaly even; expected is the anomaly_id of reporting.anomaly_log",
        ),
        ({"target_type": "forecast"}, "there is no forecast odd; expected is the <meter_id>@<issue time>, as FR@2026-"),
        ({"target_type": "forecast", "target_id": "home@2026-03-09T08:00Z"}, "there is no forecast home@2026-03-09"),
        ({"meter_id": "cottage"}, "meter_id: the anomaly is about meter home; leave the meter out or name that one"),
        ({"interval_start_utc": START + HOUR, "interval_end_utc": START + HOUR}, "an end after the start is expected"),
        ({"interval_start_utc": START - HOUR}, "reaches from 2026-03-09T00:00:00"),
        ({"interval_end_utc": START + 4 * HOUR}, "an interval within it is expected"),
        (
            {"verdict": "incorrect", "corrected_kwh": 1.0},
            "the verdict about this anomaly is correct where a corrected value is given",
        ),
        (
            {"corrected_kwh": 1.0, "interval_start_utc": START + HOUR / 4},
            "start and end on the hour (UTC) are expected",
        ),
        ({"target_type": "advice", "target_id": "later", "corrected_kwh": 1.0}, "an advice has no corrected value"),
        ({"verdict": "withdrawn"}, "supersedes_id: the id of the statement that is withdrawn is expected"),
        ({"supersedes_id": "nothing"}, "there is no statement nothing; `energy-assets feedback list` names them"),
        (
            {"verdict": "maybe"},
            "verdict: Input should be 'correct', 'incorrect', 'unsure' or 'withdrawn', 'maybe' given",
        ),
        ({"corrected_kwh": -1.0}, "corrected_kwh: Input should be greater than or equal to 0, -1.0 given"),
        ({"corrected_kwh": float("nan")}, "corrected_kwh: Input should be a finite number"),
        ({"interval_start_utc": "2026-03-09T01:00"}, "interval_start_utc: Input should have timezone info"),
        ({"verdikt": "correct"}, "verdikt: Extra inputs are not permitted"),
        ({"author": " "}, "author: a name or an e-mail address is expected"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_expected(
    settings: Settings, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(FeedbackError) as refused:
        say(settings, **fields)
    assert message in str(refused.value)
    assert kept(settings) == []
    assert kept(settings, "SELECT * FROM raw.load_ledger") == []


def test_a_correction_is_a_new_row_and_only_the_last_of_a_chain_can_be_replaced(settings: Settings) -> None:
    first = say(settings)
    second = amend(at(settings, 1), first, author="Ben", verdict="incorrect")
    with pytest.raises(FeedbackError, match=f"statement {first} was replaced by {second}; replace that one"):
        amend(at(settings, 2), first, author="Ana", verdict="unsure")
    with pytest.raises(FeedbackError, match=f"statement {second} is about anomaly odd"):
        say(at(settings, 2), target_type="peak", target_id="high", supersedes_id=second)
    with pytest.raises(FeedbackError, match="there is no statement nothing"):
        withdraw(settings, "nothing", author="Ana")
    third = withdraw(at(settings, 3), second, author="Ana")
    fourth = say(at(settings, 4))
    chain = [(r["feedback_id"], r["verdict"], r["supersedes_id"]) for r in kept(settings)]
    assert chain == [
        (first, "correct", None), (second, "incorrect", first), (third, "withdrawn", second), (fourth, "correct", None),
    ]  # fmt: skip


def test_what_stood_is_what_was_known_then(settings: Settings) -> None:
    first = say(settings)
    second = amend(at(settings, 1), first, author="Ana", verdict="incorrect")
    withdraw(at(settings, 2), second, author="Ana")
    peak = say(at(settings, 2), target_type="peak", target_id="high")

    def standing(hours: float, target_type: str | None = None) -> list[str]:
        with Warehouse.of(settings).connect(read_only=True) as con:
            return standing_feedback(con, NOW + hours * HOUR, target_type=target_type)["feedback_id"].to_list()

    assert [standing(h) for h in (-0.1, 0, 0.9, 1, 1.9, 2)] == [[], [first], [first], [second], [second], [peak]]
    assert standing(2, "anomaly") == []

    def factor(hours: float) -> list[float]:
        with Warehouse.of(settings).connect(read_only=True) as con:
            return sensitivities(con, NOW + hours * HOUR)["factor"].to_list()

    assert [factor(h) for h in (-0.1, 0, 1, 2)] == [[], [pytest.approx(1 / 1.05)], [pytest.approx(1.25)], []]


def test_decisions_follow_once_and_are_known_from_the_statement_s_receipt(settings: Settings) -> None:
    first = say(settings, corrected_kwh=8.0)
    withdraw(at(settings, 5), first, author="Ana")
    warehouse = Warehouse.of(settings)

    def applied(hours: int) -> int:
        with warehouse.transaction() as con:
            return apply_feedback(con, NOW + hours * HOUR)

    assert [applied(-1), applied(1), applied(1), applied(5), applied(6)] == [0, 3, 0, 1, 0]
    rows = kept(settings, "SELECT decided_at_utc, action, value_kwh, load_id FROM raw.demand_exclusions ORDER BY ALL")
    hourly = [(NOW, "impute", kwh) for kwh in (2.0, 2.0, 4.0)]
    assert [(r["decided_at_utc"], r["action"], r["value_kwh"]) for r in rows] == [
        *hourly,
        (NOW + 5 * HOUR, "none", None),
    ]
    loads = {
        r["load_id"]: r["rows_new"] for r in kept(settings, "SELECT * FROM raw.load_ledger WHERE path = 'decisions'")
    }
    assert loads == {rows[0]["load_id"]: 3, rows[-1]["load_id"]: 1}


def test_the_same_statement_twice_is_one(settings: Settings) -> None:
    assert say(settings) == say(settings)
    assert len(kept(settings)) == 1
    assert say(at(settings, 1)) != say(settings)


def test_nobody_is_named_and_everybody_is_the_same_person_again(settings: Settings, tmp_path: Path) -> None:
    say(settings, author="Ana.Example@example.org")
    say(at(settings, 1), author=" ana.example@EXAMPLE.org ")
    say(at(settings, 2), author="Ben")
    authors = [r["author"] for r in kept(settings)]
    assert authors[0] == authors[1] != authors[2]
    everything = b"".join(f.read_bytes() for f in settings.folder.rglob("*") if f.is_file())
    assert b"xample" not in everything
    key = settings.folder / "feedback.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    elsewhere = make(tmp_path / "elsewhere")
    say(elsewhere, author="Ben")
    assert kept(elsewhere)[0]["author"] != authors[2]  # another key: nobody is followed from warehouse to warehouse


def test_one_key_is_made_by_whoever_comes_first(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: author_key(settings), range(32)))
    assert len(keys) == 1
    assert [f.name for f in settings.folder.glob("*feedback.key*")] == ["feedback.key"]


def test_two_threads_that_replace_one_statement_one_wins(settings: Settings) -> None:
    first = say(settings)

    def replace(number: int) -> str:
        try:
            return amend(at(settings, 1), first, author=f"person {number}", verdict="incorrect")
        except FeedbackError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(replace, range(4)))
    refused = [a for a in answers if "was replaced by" in a]
    assert len(refused) == 3
    assert len(kept(settings)) == 2


def test_two_processes_write_at_once_and_nothing_is_lost(settings: Settings) -> None:
    code = (
        "import sys\nfrom energy_assets.feedback import record, statement\n"
        "from energy_assets.settings import Settings\n"
        "for n in range(5):\n"
        "    s = statement(target_type='anomaly', target_id='odd', verdict='correct', reason=f'{sys.argv[1]} {n}')\n"
        "    record(Settings(), s, author=sys.argv[1])"
    )
    variables = {"ENERGY_WAREHOUSE": str(settings.folder), "ENERGY_CLOCK": NOW.isoformat(), "PATH": ""}
    running = [subprocess.Popen([sys.executable, "-c", code, name], env=variables) for name in ("ana", "ben")]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    reasons = {f"{name} {n}" for name in ("ana", "ben") for n in range(5)}
    assert {r["reason"] for r in kept(settings)} == reasons
    assert len({r["load_id"] for r in kept(settings, "SELECT load_id FROM raw.feedback")}) == 10


def test_before_anything_is_loaded_there_is_nothing_to_speak_of(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run `energy-assets run` first"):
        say(Settings(warehouse=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_pseudonym_is_no_plain_hash_of_the_name() -> None:
    one, other = (pseudonyms(pl.Series(["Ana"]), key)[0] for key in (b"1" * 32, b"2" * 32))
    assert one != other
    assert one.startswith("person_")
