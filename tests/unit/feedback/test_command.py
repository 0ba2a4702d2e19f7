"""`energy-assets feedback …`: the words of each command, chains, lists, and errors without a stack trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from energy_assets.cli import main
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse
from tests.unit.feedback.world import FORECAST, NOW, START, make


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ENERGY_CLOCK", NOW.isoformat())
    return make(tmp_path / "warehouse")


def call(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["feedback", *arguments, "--warehouse", str(settings.folder)])


def verdicts(settings: Settings) -> list[tuple[str, str]]:
    sql = "SELECT target_type, verdict FROM raw.feedback ORDER BY ALL"
    return Warehouse.of(settings).frame(sql).rows()  # type: ignore[return-value]


def test_each_kind_of_target_has_its_words(settings: Settings) -> None:
    for arguments in (
        (
            "anomaly",
            "odd",
            "confirmed",
            "--corrected-kwh",
            "3",
            "--start",
            "2026-03-09T01:00Z",
            "--end",
            "2026-03-09 02:00",
        ),
        ("peak", "high", "incorrect", "--reason", "no peak was seen", "--not-for-training"),
        ("forecast", FORECAST, "unsure"),
        ("advice", "later", "accepted"),
    ):
        done = call(settings, *arguments)
        assert done.exit_code == 0, done.output
    assert verdicts(settings) == [
        ("advice", "correct"),
        ("anomaly", "correct"),
        ("forecast", "unsure"),
        ("peak", "incorrect"),
    ]
    frame = Warehouse.of(settings).frame("SELECT * FROM raw.feedback WHERE target_type = 'anomaly'")
    assert (frame["interval_start_utc"][0] - START).total_seconds() == 3600
    assert not Warehouse.of(settings).frame("SELECT use_for_training FROM raw.feedback WHERE verdict = 'incorrect'")[
        0, 0
    ]
    assert call(settings, "peak", "high", "confirmed").exit_code == 2
    assert "'accepted', 'declined', 'unsure'" in call(settings, "advice", "any", "correct").stderr


def test_what_was_said_is_listed_replaced_and_withdrawn(settings: Settings) -> None:
    assert call(settings, "list").output == "nothing was said yet\n"
    first = call(settings, "anomaly", "odd", "confirmed").output.strip()
    second = call(settings, "replace", first, "rejected", "--author", "Ben").output.strip()
    assert second in call(settings, "list").output
    assert first not in call(settings, "list", "--csv", "--about", "anomaly").output.replace(f",{first}", "")
    third = call(settings, "withdraw", second, "--reason", "wrong meter").output.strip()
    assert call(settings, "list").output == "nothing was said yet\n"
    everything = call(settings, "list", "--all", "--csv").output.splitlines()
    assert everything[0].startswith("feedback_id,target_type,target_id,meter_id,verdict")
    assert {line.split(",")[0] for line in everything[1:]} == {first, second, third}
    again = call(settings, "withdraw", second)
    assert again.exit_code == 1
    assert f"Error: supersedes_id: statement {second} was replaced by {third}; replace that one\n" == again.stderr


def test_mistakes_are_told_in_a_line(settings: Settings) -> None:
    for arguments, message in (
        (
            ("anomaly", "even", "confirmed"),
            "there is no anomaly even; expected is the anomaly_id of reporting.anomaly_log",
        ),
        (("anomaly", "odd", "rejected", "--corrected-kwh", "1"), "the verdict about this anomaly is correct where"),
        (
            ("anomaly", "odd", "confirmed", "--start", "2026-03-09T02:00Z", "--end", "2026-03-09T01:00Z"),
            "an end after the",
        ),
        (("replace", "nothing", "correct"), "there is no statement nothing"),
        (("effect",), "nobody has said anything about anomalies yet"),
    ):
        said = call(settings, *arguments)
        assert said.exit_code == 1, said.output
        assert said.stderr.startswith("Error: ")
        assert message in said.stderr
    assert verdicts(settings) == []


def test_without_a_warehouse_it_says_what_to_do(tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["feedback", "anomaly", "odd", "confirmed", "-w", str(tmp_path)])
    assert said.exit_code == 1
    assert "run `energy-assets run` first" in said.stderr
