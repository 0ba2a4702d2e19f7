"""Runs of killed processes are closed and their slots freed; runs that work are left alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import psutil
import pytest

from energy_assets.defs.automation.repair import repair_dead_runs
from energy_assets.defs.resources import POOL, PROCESS_TAG, process_lives, process_mark


@dg.op(pool=POOL)
def works() -> None:
    """A step that takes the pool's slot."""


@dg.job
def work() -> None:
    """One step."""
    works()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's storage with one slot in the pool."""
    pools = {"concurrency": {"pools": {"granularity": "op", "default_limit": 1}}}
    with dg.instance_for_test(overrides=pools) as made:
        made.event_log_storage.set_concurrency_slots(POOL, 1)
        yield made


@pytest.fixture
def dead_mark() -> str:
    """The mark of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = f"{process.pid}:{psutil.Process(process.pid).create_time():.2f}"
    assert process_lives(mark)
    process.communicate(b"\n")
    return mark


def started(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    """A run under way."""
    return instance.create_run_for_job(work, status=dg.DagsterRunStatus.STARTED, tags=tags)


def claim(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the run got the pool's slot."""
    return bool(instance.event_log_storage.claim_concurrency_slot(POOL, run.run_id, "works").is_claimed)


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_a_dead_run_is_closed_and_gives_its_slot_back(instance: dg.DagsterInstance, dead_mark: str) -> None:
    dead = started(instance, **{PROCESS_TAG: dead_mark})
    assert claim(instance, dead)
    waiting = started(instance, **{PROCESS_TAG: process_mark()})
    assert not claim(instance, waiting)
    assert repair_dead_runs(instance) == [dead.run_id]
    assert status(instance, dead) is dg.DagsterRunStatus.FAILURE
    assert claim(instance, waiting)


def test_a_living_run_is_left_alone(instance: dg.DagsterInstance) -> None:
    living = started(instance, **{PROCESS_TAG: process_mark()})
    assert claim(instance, living)
    assert repair_dead_runs(instance) == []
    assert status(instance, living) is dg.DagsterRunStatus.STARTED
    assert not claim(instance, started(instance))


def test_a_process_with_a_reused_number_is_another(dead_mark: str) -> None:
    number, _, _ = process_mark().partition(":")
    assert not process_lives(dead_mark)
    assert not process_lives(f"{number}:1.0")
    assert not process_lives("nonsense")


def test_a_run_killed_before_its_first_step_is_closed_unless_a_server_watches_it(instance: dg.DagsterInstance) -> None:
    killed = started(instance)
    watched = started(instance, **{".dagster/grpc_info": "{}"})
    assert repair_dead_runs(instance) == [killed.run_id]
    assert status(instance, watched) is dg.DagsterRunStatus.STARTED


def test_a_slot_left_behind_by_a_finished_run_is_freed(instance: dg.DagsterInstance) -> None:
    finished = instance.create_run_for_job(work, status=dg.DagsterRunStatus.SUCCESS)
    assert claim(instance, finished)
    assert repair_dead_runs(instance) == []
    assert claim(instance, started(instance, **{PROCESS_TAG: process_mark()}))
