"""Runs that are killed at random moments: running again gives the content of an undisturbed run, and nothing hangs.

`ENERGY_SOAK_KILLS` says how many runs are killed (3 by default, 20 in `make soak`), `ENERGY_SOAK_SEED` which moments. A
moment is a random part of the time that a step takes, so that it means the same on slow and on fast machines. All
steps have their turn before any comes again, and then each of dbt's models by name.
"""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest

from energy_assets.defs.automation.repair import UNFINISHED
from energy_assets.defs.resources import POOL
from tests.conftest import Built
from tests.warehouses import DAY, GUARD_S, NOW, Folder, differences

KILLS = int(os.environ.get("ENERGY_SOAK_KILLS", "3"))
SEED = int(os.environ.get("ENERGY_SOAK_SEED", "20260310"))
STEP = re.compile(r"^  \+ (\S+) \(([0-9.]+) s\)$", re.MULTILINE)
MODEL = re.compile(r"OK created sql \w+ model (\S+) \.*\s*\[OK in ([0-9.]+)s\]")  # in dbt's log
START, START_UP_S = "start", 4.0  # of a run before its first step, about


@dataclass(frozen=True)
class Scenario:
    """Runs killed one after another in one folder, and one that is let finish."""

    name: str
    from_nothing: bool
    first: int  # number of the first kill among all
    kills: int
    seed: int


def scenarios() -> list[Scenario]:
    """As many kills as are asked for, one to three in a row, in turn from an empty folder and on a new day."""
    chance, done = random.Random(SEED), 0
    made: list[Scenario] = []
    while done < KILLS:
        kills = 1 if not made else 2 if len(made) == 1 else chance.randint(1, 3)
        kills = min(kills, KILLS - done)
        nothing = len(made) % 2 == 0
        name = f"{len(made)}-{'from_nothing' if nothing else 'on_a_new_day'}-{kills}_killed"
        made.append(Scenario(name, nothing, done, kills, chance.randrange(2**32)))
        done += kills
    return made


def moments(undisturbed: Built) -> dict[str, float]:
    """What a run can be killed in, in the order in which it has its turn, and the seconds that it takes."""
    steps = {START: START_UP_S} | {name: float(seconds) for name, seconds in STEP.findall(undisturbed.said)}
    log = dbt_log(undisturbed.folder).read_text(errors="replace")
    models = {name: float(seconds) for name, seconds in MODEL.findall(log)}
    return {
        name: part[name] for part in (steps, models) for name in random.Random(SEED).sample(sorted(part), len(part))
    }


def dbt_log(folder: Folder) -> Path:
    """Where dbt tells which model it begins."""
    return folder.path / ".dbt" / "dbt.log"


def run_and_kill(folder: Folder, moment: str, wait_s: float, day: int) -> str:
    """Starts a run, kills its whole process group some time after a step or model has begun, and says when that was."""
    told = dbt_log(folder).stat().st_size if dbt_log(folder).exists() else 0
    process = folder.spawn(now=NOW + day * DAY)
    alarm = threading.Timer(GUARD_S, os.killpg, (process.pid, signal.SIGKILL))
    alarm.start()
    assert process.stderr is not None
    said: list[str] = []
    reader = threading.Thread(target=said.extend, args=(process.stderr,))
    reader.start()

    def has_begun() -> bool:
        if moment == START or f"  > {moment}\n" in said:
            return True
        if "." not in moment or not dbt_log(folder).exists():
            return False
        with dbt_log(folder).open("rb") as log:
            log.seek(told)
            return re.search(rf"START sql \w+ model {re.escape(moment)} ".encode(), log.read()) is not None

    try:
        while process.poll() is None and not has_begun():
            time.sleep(0.02)
        reader.join(wait_s)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        reader.join()
        process.stderr.close()
    finally:
        alarm.cancel()
    code = process.wait()
    assert code in (0, -signal.SIGKILL), f"the run to be killed in {moment} failed by itself: {code}\n{''.join(said)}"
    return f"{moment} + {wait_s:.1f} s{'' if code else ' (it had finished)'}"


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda s: s.name)
def test_running_again_after_kills_gives_the_content_of_an_undisturbed_run(
    scenario: Scenario, built: Built, next_day: Built, tmp_path: Path
) -> None:
    undisturbed, day = (built, 0) if scenario.from_nothing else (next_day, 1)
    durations = list(moments(built).items())
    chance = random.Random(scenario.seed)
    if scenario.from_nothing:
        folder = Folder.make(tmp_path / "warehouse")
    else:
        folder = built.folder.copy_to(tmp_path / "warehouse")
    killed = []
    for number in range(scenario.first, scenario.first + scenario.kills):
        moment, seconds = durations[number % len(durations)]
        killed.append(run_and_kill(folder, moment, chance.random() * seconds, day))
    folder.run_apart(now=NOW + day * DAY)
    assert differences(undisturbed.folder.content(), folder.content()) == {}, f"killed at {killed}"
    assert folder.publication == undisturbed.folder.publication
    assert published_folders(folder) >= {folder.publication}
    assert not [name for name in published_folders(folder) if name.startswith("tmp-")]
    with dg.DagsterInstance.from_config(str(folder.path / ".dagster")) as instance:
        assert instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)) == []
        assert instance.event_log_storage.get_concurrency_info(POOL).active_run_ids == set()


def published_folders(folder: Folder) -> set[str]:
    """Names in `.published`."""
    return {p.name for p in (folder.path / ".published").iterdir()}


def test_kills_are_as_many_as_asked_for_and_lie_in_every_kind_of_start() -> None:
    made = scenarios()
    assert sum(s.kills for s in made) == KILLS
    assert all(one.first + one.kills == other.first for one, other in pairwise(made))
    assert all(one.from_nothing != other.from_nothing for one, other in pairwise(made))


def test_every_asset_has_its_turn_to_be_killed_in(built: Built) -> None:
    turns = moments(built)
    with dg.DagsterInstance.from_config(str(built.folder.path / ".dagster")) as instance:
        made = [
            (event.step_key, event.asset_key.path)
            for run in instance.get_run_ids()
            for record in instance.get_records_for_run(run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
            if (event := record.event_log_entry.dagster_event) and event.step_key and event.asset_key
        ]
    assert len(made) > 80
    assert {step for step, _ in made} <= turns.keys()
    assert {".".join(path) for step, path in made if step.startswith("dbt_")} <= turns.keys()
