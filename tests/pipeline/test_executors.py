"""Steps in processes of their own: the same content, the pool's slot taken and given back across processes."""

from __future__ import annotations

import os

import dagster as dg
import pytest

from energy_assets.defs.issues import PARTITION
from energy_assets.defs.launching import build_job, in_other_processes, load_job
from energy_assets.defs.resources import POOL, PROCESS_TAG, process_mark
from tests.conftest import Built
from tests.warehouses import DAY, ISSUE_DATE, NOW, Folder, differences

SOAK = int(os.environ.get("ENERGY_SOAK_KILLS", "3")) > 3
# Steps that take seconds: each costs a process that imports everything.
QUICK = ("monitoring/forecast_scores", "flexibility/incumbent_peaks",
         "flexibility/peak_probabilities", "flexibility/demand_peaks", "serving/energy")  # fmt: skip


def test_jobs_run_step_by_step_in_other_processes(built: Built, copied: Folder) -> None:
    with copied.environment(ENERGY_EXECUTOR="multiprocess"), dg.DagsterInstance.get() as instance:
        in_other_processes(load_job, instance, ISSUE_DATE, ISSUE_DATE, {})
        with dg.execute_job(
            dg.reconstructable(build_job), instance=instance, tags={PARTITION: ISSUE_DATE.isoformat()},
            asset_selection=[dg.AssetKey(key.split("/")) for key in QUICK], run_config={"loggers": {"console": {}}},
        ) as result:  # fmt: skip
            assert result.success
            starts = [e for e in result.all_events if e.event_type is dg.DagsterEventType.STEP_WORKER_STARTED]
            assert len(starts) == 3
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.tags[PROCESS_TAG] == process_mark()  # the run's process, not one of a step
        assert not instance.event_log_storage.get_concurrency_info(POOL).active_run_ids
    assert differences(built.folder.content(), copied.content()) == {}
    assert copied.publication == built.folder.publication


@pytest.mark.skipif(not SOAK, reason="takes minutes: part of `make soak`")
def test_a_whole_day_in_other_processes_makes_the_same_content(next_day: Built, copied: Folder) -> None:
    said = copied.run_apart(now=NOW + DAY, ENERGY_EXECUTOR="multiprocess")
    assert "  + serving__energy" in said
    assert differences(next_day.folder.content(), copied.content()) == {}
    assert copied.publication == next_day.folder.publication
