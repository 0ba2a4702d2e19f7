"""What runs by itself, and what happens when something fails."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from energy_assets.defs.automation.jobs import report_failure
from tests.warehouses import NOW, Folder

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """A warehouse folder that the environment names."""
    made = Folder.make(tmp_path / "warehouse")
    with made.environment():
        yield made


@pytest.fixture(scope="module")
def repository(definitions: dg.Definitions) -> dg.RepositoryDefinition:
    """The definitions, resolved."""
    return definitions.get_repository_def()


def test_jobs_select_what_they_say(repository: dg.RepositoryDefinition) -> None:
    keys = {
        name: {k.to_user_string() for k in repository.get_job(name).asset_layer.executable_asset_keys}
        for name in ("load", "build", "daily", "weekly_training", "backtest")
    }
    assert {key.split("/")[0] for key in keys["load"]} == {"raw"}
    assert keys["load"].isdisjoint(keys["build"])
    assert keys["load"] | keys["build"] == keys["daily"] == keys["weekly_training"]
    assert "serving/energy" in keys["build"]
    assert keys["backtest"] == {
        "forecasts/backtests", "forecasts/backtest_forecasts", "monitoring/backtest_scores", "reports/backtest",
        "serving/energy",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("schedule", "tick", "day"),
    [
        ("every_morning", datetime(2026, 3, 10, 9, 5, tzinfo=PARIS), "2026-03-10"),
        ("every_sunday_with_training", datetime(2026, 3, 29, 9, 5, tzinfo=PARIS), "2026-03-29"),  # a day of 23 hours
    ],
)
def test_a_schedule_runs_the_day_whose_issue_hour_has_come(
    repository: dg.RepositoryDefinition, schedule: str, tick: datetime, day: str
) -> None:
    definition = repository.get_schedule_def(schedule)
    assert definition.execution_timezone == "Europe/Paris"
    with dg.build_schedule_context(scheduled_execution_time=tick, repository_def=repository) as context:
        [request] = definition.evaluate_tick(context).run_requests or []
    assert request.run_key == day
    assert request.tags["dagster/partition"] == day


def tick(repository: dg.RepositoryDefinition, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    """One look of the landing sensor."""
    with dg.build_sensor_context(cursor=cursor, repository_def=repository) as context:
        said = repository.get_sensor_def("landing")(context)
    assert isinstance(said, dg.SensorResult | dg.SkipReason)
    return said


def land(folder: Folder, name: str, seconds_ago: float, content: str = "x") -> None:
    file = folder.path / "landing" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    os.utime(file, times=(NOW.timestamp() - seconds_ago,) * 2)


def test_the_landing_sensor_waits_for_files_and_runs_each_state_once(
    repository: dg.RepositoryDefinition, folder: Folder
) -> None:
    nothing = tick(repository)
    assert isinstance(nothing, dg.SkipReason)
    assert "no file" in str(nothing.skip_message)

    land(folder, "a.csv", seconds_ago=2)
    warm = tick(repository)
    assert isinstance(warm, dg.SkipReason)
    assert "warm" in str(warm.skip_message)

    land(folder, "a.csv", seconds_ago=60)
    ready = tick(repository)
    assert isinstance(ready, dg.SensorResult)
    [request] = ready.run_requests or []
    assert request.partition_key == "2026-03-10"

    same = tick(repository, ready.cursor)
    assert isinstance(same, dg.SkipReason)
    assert "nothing new" in str(same.skip_message)

    land(folder, "a.csv", seconds_ago=30, content="x and more")
    grown = tick(repository, ready.cursor)
    assert isinstance(grown, dg.SensorResult)
    assert grown.cursor != ready.cursor


@dg.op
def breaks() -> None:
    """Fails."""
    raise ValueError("no such meter")


@dg.job(hooks={report_failure})
def breaking() -> None:
    """Fails in its only step."""
    breaks()


class Inbox(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    posted: list[bytes]

    def do_POST(self) -> None:
        """One message."""
        self.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def test_a_failure_is_written_down_and_posted(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    Inbox.posted = []
    with HTTPServer(("127.0.0.1", 0), Inbox) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("ENERGY_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/hook")
        result = breaking.execute_in_process(raise_on_error=False)
        server.shutdown()
    [line] = (folder.path / "logs" / "failures.jsonl").read_text().splitlines()
    said = json.loads(line)
    assert [json.loads(post) for post in Inbox.posted] == [said]
    assert said["run_id"] == result.run_id
    assert (said["job"], said["step"], said["at"]) == ("breaking", "breaks", NOW.isoformat())
    assert "no such meter" in said["error"]


def test_a_dead_webhook_hides_no_failure(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_WEBHOOK_URL", "http://127.0.0.1:9/nobody")
    assert not breaking.execute_in_process(raise_on_error=False).success
    assert "no such meter" in (folder.path / "logs" / "failures.jsonl").read_text()
