"""What must not be known to whoever reads logs, errors, metadata or the doctor's findings."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError

from energy_assets.defs.automation.jobs import post
from energy_assets.doctor import examine
from energy_assets.feedback import author_key
from energy_assets.forecasting.tracking import without_passwords
from energy_assets.settings import Settings

SECRET = "hush-7f3a"


class Refusing(BaseHTTPRequestHandler):
    """A webhook that answers with an error, and says back what it was asked."""

    def do_POST(self) -> None:
        """Refuses."""
        self.send_error(403, f"no {self.path}")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    """Address of a server that refuses."""
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{SECRET}"
        server.shutdown()


def test_the_webhook_stands_in_no_settings_that_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_WEBHOOK_URL", f"https://example.org/{SECRET}")
    settings = Settings()
    assert settings.webhook_url is not None
    assert settings.webhook_url.get_secret_value().endswith(SECRET)
    assert SECRET not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"


def test_settings_that_are_wrong_do_not_say_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_THREADS", SECRET)
    with pytest.raises(ValidationError, match="threads") as caught:
        Settings()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (f"http://127.0.0.1:9/{SECRET}", "could not be reached"),
        (f"http://[{SECRET}", "could not be reached"),
        (f"http://127.0.0.1:{SECRET}/", "could not be reached"),
        (f"http://127.0.0.1:9/ {SECRET}\n", "could not be reached"),
        (f"http://{SECRET}.invalid/", "could not be reached"),
        (f"file:///etc/{SECRET}", "https:// or http://"),
        (SECRET, "https:// or http://"),
    ],
)
def test_a_webhook_that_fails_is_not_named(address: str, expected: str) -> None:
    said = post(address, "{}")
    assert said is not None
    assert expected in said
    assert SECRET not in said


def test_a_webhook_that_refuses_is_not_named_either(refusing: str) -> None:
    assert post(refusing, "{}") == "answered with status 403"


def test_passwords_in_addresses_are_left_out() -> None:
    said = without_passwords(f"not logged at https://ana:{SECRET}@example.org/x: POST http://{SECRET}@h/ failed")
    assert said == "not logged at https://…@example.org/x: POST http://…@h/ failed"
    assert without_passwords("sqlite:////tmp/a@b.db and ana@example.org") == "sqlite:////tmp/a@b.db and ana@example.org"


def test_the_doctor_says_nothing_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENERGY_WEBHOOK_URL", "MLFLOW_TRACKING_URI", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, f"https://ana:{SECRET}@example.org/")
    (tmp_path / "sources.yaml").write_text("sources: [{name: a, type: simulation}]")
    author_key(Settings(warehouse=tmp_path))
    said = " ".join(f"{f.subject} {f.said} {f.remedy}" for f in examine(Settings(warehouse=tmp_path)))
    assert "sources.yaml" in said
    assert SECRET not in said
    assert (tmp_path / "feedback.key").read_bytes().hex() not in said


def test_the_key_of_pseudonyms_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    key = author_key(Settings(warehouse=tmp_path))
    mode = (tmp_path / "feedback.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert len(key) == 32
    assert author_key(Settings(warehouse=tmp_path)) == key
