"""Which model speaks at an instant: by any sequence of decisions, and where a file is lost or of another format."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import polars as pl
import pytest

from energy_assets.config import Promotion
from energy_assets.contracts import TABLES
from energy_assets.defs.forecasting.registry import (
    asked_by_drift,
    champion,
    decisions_between,
    record,
    trained_between,
    version,
)
from energy_assets.forecasting import gate, save, version_row
from energy_assets.forecasting.gate import Comparison
from energy_assets.warehouse import append_new, ensure_tables
from tests.unit.forecasting.shared import zone_model

NOW = datetime(2022, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RULE = Promotion()
BETTER = Comparison(20, 0.01, 0.02, 0.01, 0.99, 0.0, 0.0)
WORSE = Comparison(20, 0.02, 0.01, 0.99, 0.01, 0.0, 0.0)


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    """Empty tables of models."""
    opened = duckdb.connect()
    opened.execute("SET TimeZone = 'UTC'")
    ensure_tables(opened, [TABLES["forecasts.model_versions"], TABLES["forecasts.model_decisions"]])
    return opened


@cache
def checksum() -> str:
    """Of the one artefact."""
    with TemporaryDirectory() as folder:
        return save(zone_model(), Path(folder))[1]


def trained(name: str, at: datetime, artefact: str = "a/model.json", sha256: str | None = None) -> pl.DataFrame:
    """A version's row; all share one artefact, since what it says is not looked at here."""
    row = version_row(
        zone_model(), role="challenger", decision="-", decided_because="-", artefact=artefact,
        sha256=sha256 or checksum(),
    )  # fmt: skip
    return row.with_columns(
        model_version=pl.lit(name),
        model_name=pl.lit("x"),
        trained_at_utc=pl.lit(at).cast(pl.Datetime("us", "UTC")),
        dagster_run_id=pl.lit("run"),
    )


def roles(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(con.execute("SELECT model_version, role FROM forecasts.model_versions").fetchall())


def speaker(con: duckdb.DuckDBPyConnection, folder: Path, at: datetime) -> str | None:
    """The version that stands, by the rows alone (all artefacts are one)."""
    if champion(con, folder, "x", at) is None:
        return None
    row = con.execute(
        "SELECT to_version FROM forecasts.model_decisions WHERE decided_at_utc <= ? "
        "ORDER BY decided_at_utc DESC, rowid DESC LIMIT 1", [at]
    ).fetchall()  # fmt: skip
    return str(row[0][0])


def test_a_challenger_is_promoted_demoted_and_never_comes_back_by_itself(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    save(zone_model(), tmp_path / "a")
    record(con, gate.first("x", "a", at=NOW), trained("a", NOW))
    up = gate.promotion("x", "b", "a", BETTER, RULE, at=NOW + 7 * DAY, withheld=False)
    record(con, up, trained("b", NOW + 7 * DAY))
    standing = champion(con, tmp_path, "x", NOW + 8 * DAY)
    assert standing is not None
    assert standing[1:] == (NOW + 7 * DAY, "promoted", NOW + 7 * DAY, "a", False)
    assert roles(con) == {"a": "retired", "b": "champion"}

    back = gate.demotion("x", "a", "b", BETTER, RULE, at=NOW + 16 * DAY)
    assert back is not None
    record(con, back)
    record(con, back)  # the same run again
    assert con.execute("SELECT count(*) FROM forecasts.model_decisions").fetchall() == [(3,)]
    standing = champion(con, tmp_path, "x", NOW + 16 * DAY)
    assert standing is not None
    assert (standing.decision, standing.since, standing.predecessor) == ("demoted", NOW + 16 * DAY, "b")
    assert roles(con) == {"a": "champion", "b": "retired"}
    # replays speak as they did then
    assert speaker(con, tmp_path, NOW + 15 * DAY) == "b"
    assert speaker(con, tmp_path, NOW + 6 * DAY) == "a"
    assert speaker(con, tmp_path, NOW - DAY) is None

    kept = gate.promotion("x", "c", "a", WORSE, RULE, at=NOW + 16 * DAY, withheld=False)
    record(con, kept, trained("c", NOW + 16 * DAY))
    standing = champion(con, tmp_path, "x", NOW + 20 * DAY)
    assert standing is not None
    assert (standing.decision, standing.since) == ("demoted", NOW + 16 * DAY)  # a refusal changes nothing
    assert roles(con) == {"a": "champion", "b": "retired", "c": "challenger"}


def test_a_champion_is_withheld_until_it_is_restored_or_another_takes_its_place(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    save(zone_model(), tmp_path / "a")

    def withheld(at: datetime) -> bool:
        standing = champion(con, tmp_path, "x", at)
        assert standing is not None
        return standing.withheld

    record(con, gate.first("x", "a", at=NOW), trained("a", NOW))
    for day, found, now in ((8, BETTER, False), (20, WORSE, True), (30, BETTER, False)):
        decision = gate.withholding("x", "a", found, RULE, at=NOW + day * DAY, withheld=now)
        assert decision is not None
        record(con, decision)
    assert [withheld(NOW + d * DAY) for d in (7, 8, 19, 20, 29, 30)] == [False, True, True, False, False, True]
    standing = champion(con, tmp_path, "x", NOW + 30 * DAY)
    assert standing is not None
    assert (standing.decision, standing.since) == ("first", NOW)
    refused = gate.promotion("x", "b", "a", WORSE, RULE, at=NOW + 35 * DAY, withheld=True)
    record(con, refused, trained("b", NOW + 35 * DAY))
    assert withheld(NOW + 35 * DAY)
    promoted = gate.promotion("x", "c", "a", BETTER, RULE, at=NOW + 42 * DAY, withheld=True)
    record(con, promoted, trained("c", NOW + 42 * DAY))
    assert not withheld(NOW + 42 * DAY)
    assert roles(con) == {"a": "retired", "b": "challenger", "c": "champion"}
    said = decisions_between(con, NOW + 28 * DAY, NOW + 40 * DAY)
    assert said["decision"].to_list() == ["withheld", "kept"]
    assert said["withheld"].all()
    quiet = decisions_between(con, NOW + 43 * DAY, NOW + 50 * DAY)
    assert quiet.select("model_name", "withheld", "decision").rows() == [("x", False, None)]


@pytest.mark.parametrize("seed", range(8))
def test_after_any_sequence_of_decisions_one_model_stands_and_the_past_is_as_it_was(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, seed: int
) -> None:
    """A model of the registry in plain Python, driven through random weeks, replayed at every instant."""
    save(zone_model(), tmp_path / "a")
    chance = random.Random(seed)
    record(con, gate.first("x", "v0", at=NOW), trained("v0", NOW))
    stands, predecessor, withheld = "v0", None, False
    history = [(NOW, stands, withheld)]
    for week in range(1, 15):
        at = NOW + 7 * week * DAY
        if predecessor is not None and chance.random() < 0.3:
            decision = gate.demotion("x", predecessor, stands, BETTER, RULE, at=at)
            assert decision is not None
            record(con, decision)
            stands, predecessor, withheld = predecessor, None, False
        found = chance.choice([BETTER, WORSE])
        decision = gate.withholding("x", stands, found, RULE, at=at, withheld=withheld)
        if decision is not None:
            record(con, decision)
            withheld = not withheld
        if chance.random() < 0.7:
            found = chance.choice([BETTER, WORSE])
            judged = gate.promotion("x", f"v{week}", stands, found, RULE, at=at, withheld=withheld)
            record(con, judged, trained(f"v{week}", at))
            if found is BETTER:
                stands, predecessor, withheld = f"v{week}", stands, False
        history.append((at, stands, withheld))
    for at, expected, silent in history:
        standing = champion(con, tmp_path, "x", at + DAY)
        assert standing is not None
        assert (speaker(con, tmp_path, at + DAY), standing.withheld) == (expected, silent)
        put = con.execute(
            "SELECT decision, from_version FROM forecasts.model_decisions WHERE to_version = ? AND decided_at_utc = ?"
            " AND decision IN ('first', 'promoted', 'demoted')", [expected, standing.since]
        ).fetchall()  # fmt: skip
        assert put == [(standing.decision, standing.predecessor)]
    found_roles = roles(con)
    assert [v for v, role in found_roles.items() if role == "champion"] == [stands]
    assert {v for v, role in found_roles.items() if role == "retired"} == {v for _, v, _ in history} - {stands}


def test_a_replayed_training_of_the_past_does_not_change_who_stands_now(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    save(zone_model(), tmp_path / "a")
    record(con, gate.first("x", "a", at=NOW), trained("a", NOW))
    kept = gate.promotion("x", "b", "a", WORSE, RULE, at=NOW + 14 * DAY, withheld=False)
    record(con, kept, trained("b", NOW + 14 * DAY))
    late = gate.promotion("x", "r", "a", BETTER, RULE, at=NOW + 7 * DAY, withheld=False)
    record(con, late, trained("r", NOW + 7 * DAY))
    assert speaker(con, tmp_path, NOW + 8 * DAY) == "r"
    assert speaker(con, tmp_path, NOW + 14 * DAY) == "a"
    assert roles(con) == {"a": "champion", "b": "challenger", "r": "retired"}


def test_of_two_decisions_of_one_instant_the_last_made_counts(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    save(zone_model(), tmp_path / "a")
    for name in ("z", "b"):
        record(con, gate.first("x", name, at=NOW), trained(name, NOW))
    assert roles(con) == {"z": "retired", "b": "champion"}
    assert speaker(con, tmp_path, NOW) == "b"


def test_an_artefact_that_is_lost_or_of_an_older_format_counts_as_absent(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    old = b'{"file_format": 1, "what": "day_ahead", "name": "x"}'
    (tmp_path / "old.json").write_bytes(old)
    record(con, gate.first("x", "old", at=NOW), trained("old", NOW, "old.json", hashlib.sha256(old).hexdigest()))
    record(con, gate.first("x", "lost", at=NOW + DAY), trained("lost", NOW + DAY, "nowhere/model.json"))
    assert champion(con, tmp_path, "x", NOW) is None
    assert champion(con, tmp_path, "x", NOW + DAY) is None
    assert version(con, tmp_path, "old") is None
    assert version(con, tmp_path, "never heard of") is None
    save(zone_model(), tmp_path / "a")
    record(con, gate.first("x", "new", at=NOW + DAY), trained("new", NOW + DAY))
    found = champion(con, tmp_path, "x", NOW + DAY)
    assert found is not None
    assert found.model.version == zone_model().version
    between = trained_between(con, tmp_path, "x", NOW - DAY, NOW + 2 * DAY)
    assert [model.version for model in between] == [zone_model().version]
    assert trained_between(con, tmp_path, "x", NOW + DAY, NOW + 2 * DAY) == []


def test_a_file_that_was_replaced_is_read_again(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path, _ = save(zone_model(), tmp_path / "a")
    record(con, gate.first("x", "a", at=NOW), trained("a", NOW))
    assert version(con, tmp_path, "a") is version(con, tmp_path, "a")
    path.write_text("{")
    assert version(con, tmp_path, "a") is None


def drifted(con: duckdb.DuckDBPyConnection, meter_id: str, decision: str, at: datetime) -> None:
    """A decision on drift, made a day after the end of its week."""
    contract = TABLES["monitoring.drift_decisions"]
    ensure_tables(con, [contract])
    row = pl.DataFrame(
        {
            "meter_id": meter_id,
            "current_end_utc": at - DAY,
            "issued_at_utc": at,
            "kind": "zone",
            "decision": decision,
            "because": "-",
            "drifted_methods": "[]",
        }
    )
    append_new(con, contract, row)


def test_drift_asks_for_a_challenger_once_and_not_before_it_was_decided(con: duckdb.DuckDBPyConnection) -> None:
    assert asked_by_drift(con, NOW) == []
    drifted(con, "all:zone", "retrain", NOW)
    assert asked_by_drift(con, NOW) == []  # decided in the run of that issue time, after its models
    assert asked_by_drift(con, NOW + DAY) == ["zone"]
    append_new(con, TABLES["forecasts.model_versions"], trained("n", NOW + DAY).with_columns(kind=pl.lit("zone")))
    assert asked_by_drift(con, NOW + DAY) == []
    assert asked_by_drift(con, NOW + 2 * DAY) == []


def test_drift_of_one_meter_and_drift_that_is_over_ask_for_nothing(con: duckdb.DuckDBPyConnection) -> None:
    drifted(con, "FR", "retrain", NOW)
    assert asked_by_drift(con, NOW + DAY) == []
    drifted(con, "all:zone", "retrain", NOW)
    drifted(con, "all:zone", "nothing", NOW + 7 * DAY)
    assert asked_by_drift(con, NOW + 6 * DAY) == ["zone"]
    assert asked_by_drift(con, NOW + 8 * DAY) == []
