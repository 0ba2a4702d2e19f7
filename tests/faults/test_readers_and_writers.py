"""Readers of the published copy during runs, and two runs at once, of which one finds nothing to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from energy_assets.settings import PROJECT_ROOT
from tests.conftest import Built
from tests.faults.reader import read_once
from tests.warehouses import DAY, GUARD_S, NOW, Folder, differences


def test_a_reader_sees_whole_publications_while_two_writers_run_and_the_second_changes_nothing(
    built: Built, next_day: Built, copied: Folder, tmp_path: Path
) -> None:
    stop = tmp_path / "stop"
    reader = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.reader", copied.serving, stop],
        cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        writers = [copied.spawn(now=NOW + DAY) for _ in range(2)]
        said = [writer.communicate(timeout=GUARD_S)[1] for writer in writers]
        assert [writer.returncode for writer in writers] == [0, 0], "\n".join(text[-3000:] for text in said)
    finally:
        stop.touch()
        seen = json.loads(reader.communicate(timeout=GUARD_S)[0])
    assert seen["errors"] == []
    assert seen["rounds"] >= 3
    assert seen["seen"] == [built.folder.publication, next_day.folder.publication]
    assert sum("waiting for the run of process" in text for text in said) == 1
    assert min(text.count("\n  + ") for text in said) > 8  # the steps of both did run
    assert differences(next_day.folder.content(), copied.content()) == {}
    assert copied.publication == next_day.folder.publication


def test_the_reader_would_notice_a_half_written_publication(copied: Folder) -> None:
    assert read_once(copied.serving) == copied.publication
    manifest = copied.serving / "manifest.json"
    content = json.loads(manifest.read_text())
    content["tables"]["reporting.next_day_demand"]["fingerprint"] = "0:0"
    manifest.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"reporting\.next_day_demand in DuckDB differs"):
        read_once(copied.serving)
