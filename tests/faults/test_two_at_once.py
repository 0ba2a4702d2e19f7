"""Two at work on one warehouse: they wait for each other, or say who holds it; readers keep what they have open."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import duckdb
import pytest

from energy_assets.settings import DBT, DBT_PROJECT_DIR, PROJECT_ROOT
from energy_assets.warehouse import WarehouseBusyError, fingerprints, publish
from energy_assets.warehouse.publishing import SCHEMAS as PUBLISHED
from tests.conftest import Built
from tests.faults.damage import command
from tests.faults.reader import read_once
from tests.warehouses import DAY, GUARD_S, ISSUE_DATE, NOW, Folder, differences

SOAK = int(os.environ.get("ENERGY_SOAK_KILLS", "3")) > 3
HOLDER = "import sys, time, duckdb; con = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"


def test_a_reader_that_holds_the_published_file_keeps_it_over_any_number_of_publications(copied: Folder) -> None:
    before = copied.content(*PUBLISHED)
    reader = duckdb.connect(str(copied.serving / "energy.duckdb"), read_only=True)
    try:
        reader.execute("SET TimeZone='UTC'")  # opened, and nothing read yet: what it reads later must still be there
        identities = {copied.publication}
        for number in range(4):
            with copied.warehouse.connect() as con:
                con.execute("DELETE FROM monitoring.demand_anomalies WHERE anomaly_id = "
                            "(SELECT min(anomaly_id) FROM monitoring.demand_anomalies)")  # fmt: skip
            identities.add(publish(copied.warehouse, copied.serving, now=NOW + number * DAY).id)
        assert len(identities) == 5
        assert len(list((copied.path / ".published").iterdir())) == 2
        held = fingerprints(reader, PUBLISHED)
    finally:
        reader.close()
    assert differences(before, held) == {}
    assert read_once(copied.serving) == copied.publication


def test_a_program_that_holds_the_working_file_is_waited_for_and_then_named(copied: Folder) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(copied.path / "energy.duckdb")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "open\n"
        with (
            pytest.raises(WarehouseBusyError, match=f"PID {holder.pid}"),
            replace(copied.warehouse, patience_s=0.2).transaction(),
        ):
            pass
        said = command(copied, "doctor")
        assert f"process {holder.pid}" in said.output
        holder.stdin.write("\n")
        holder.stdin.flush()
        with copied.warehouse.transaction() as con:  # waits for its end
            assert con.execute("SELECT count(*) > 0 FROM raw.meters").fetchall() == [(True,)]


@pytest.mark.skipif(not SOAK, reason="takes minutes: part of `make soak`")
def test_a_run_and_a_backfill_at_once_do_both(next_day: Built, copied: Folder) -> None:
    first = ISSUE_DATE.isoformat()
    run = copied.spawn(now=NOW + DAY)
    backfill = copied.spawn("--issue-date", first, "--until", (ISSUE_DATE + DAY).isoformat(), now=NOW + DAY)
    said = [process.communicate(timeout=GUARD_S)[1] for process in (run, backfill)]
    assert [run.returncode, backfill.returncode] == [0, 0], "\n".join(text[-3000:] for text in said)
    assert sum("waiting for the run of process" in text for text in said) == 1
    assert differences(next_day.folder.content("marts", "forecasts"), copied.content("marts", "forecasts")) == {}


@pytest.mark.skipif(not SOAK, reason="takes minutes: part of `make soak`")
def test_dbt_by_hand_beside_a_run_waits_or_says_who_holds_the_file(next_day: Built, copied: Folder) -> None:
    run = copied.spawn(now=NOW + DAY)
    by_hand = [DBT, "build", "--select", "staging", "--project-dir", str(DBT_PROJECT_DIR), "--profiles-dir",
               str(DBT_PROJECT_DIR), "--target-path", str(copied.path / ".dbt_by_hand")]  # fmt: skip
    outcomes = []
    with copied.environment(NOW + DAY):
        while run.poll() is None:
            done = subprocess.run(by_hand, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
            outcomes.append(done.returncode == 0 or "Could not set lock on file" in done.stdout)
    assert run.stderr is not None
    assert run.returncode == 0, run.stderr.read()[-3000:]
    run.stderr.close()
    assert outcomes
    assert all(outcomes)
    assert differences(next_day.folder.content(), copied.content()) == {}
