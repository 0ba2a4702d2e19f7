"""`make audit`: what fails it, and that a machine without the data of vulnerabilities passes and says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from energy_assets.settings import PROJECT_ROOT

FINE = "exit 0"
FOUND = 'while [[ $1 != --output ]]; do shift; done; echo \'{"found": "PYSEC-1"}\' >"$2"; exit 1'
NONE = 'while [[ $1 != --output ]]; do shift; done; echo "{}" >"$2"'
OFFLINE = 'echo "ConnectionError: nobody there" >&2; exit 1'


def audit(folder: Path, licences: str, vulnerabilities: str) -> subprocess.CompletedProcess[str]:
    """The script with these in the place of the tools."""
    for name, body in (("pip-licenses", licences), ("pip-audit", vulnerabilities)):
        tool = folder / name
        tool.write_text(f"#!/usr/bin/env bash\n{body}\n")
        tool.chmod(0o755)
    environment = {**os.environ, "AUDIT_BIN": str(folder), "AUDIT_PYTHON": sys.executable}
    return subprocess.run(
        [PROJECT_ROOT / ".ci" / "audit"], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("licences", "vulnerabilities", "fails", "said"),
    [
        (FINE, NONE, False, "requirements.lock: none known"),
        (FINE, OFFLINE, False, "not looked at, their data could not be had (ConnectionError: nobody there)"),
        (FINE, FOUND, True, "PYSEC-1"),
        ("echo 'license GPL not allowed' >&2; exit 1", NONE, True, "add it to .ci/audit"),
    ],
    ids=["fine", "offline", "vulnerable", "licence"],
)
def test_what_fails_an_audit(licences: str, vulnerabilities: str, fails: bool, said: str, tmp_path: Path) -> None:
    done = audit(tmp_path, licences, vulnerabilities)
    assert (done.returncode != 0) == fails
    assert said in done.stdout
