"""Runs whose process is gone: marked failed, their pool slots freed, so that the next run need not wait for ever."""

import dagster as dg

from energy_assets.defs.resources import PROCESS_TAG, process_lives

UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def repair_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Marks unfinished runs failed whose process does not live any more; returns their ids.

    A run without a process mark was killed before its first step began: it holds no slot but is closed too, unless the
    web server launched it, which watches its own runs.
    """
    dead = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        run = record.dagster_run
        mark = run.tags.get(PROCESS_TAG)
        if mark is not None and process_lives(mark):
            continue
        if mark is None and any(tag.startswith(".dagster/grpc_info") for tag in run.tags):
            continue
        instance.report_run_failed(
            run, message="The run's process ended without a word; marked failed so that others can run."
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        dead.append(run.run_id)
    # A process killed between its end and the freeing of its slot leaves the slot behind.
    for key in instance.event_log_storage.get_concurrency_keys():
        for run_id in instance.event_log_storage.get_concurrency_info(key).active_run_ids:
            holder = instance.get_run_by_id(run_id)
            if holder is None or holder.is_finished:
                instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return dead
