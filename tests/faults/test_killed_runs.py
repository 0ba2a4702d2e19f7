"""Runs that are killed at random moments: running again gives the content of an undisturbed run, and nothing hangs.

`ENERGY_SOAK_KILLS` says how many runs are killed (3 by default, 20 in `make soak`), `ENERGY_SOAK_SEED` which moments. A
moment is a random part of a random step's time, so that it means the same on a slow machine and on a fast one.
"""

from __future__ import annotations

import os
import random
import re
import signal
import threading
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
FINISHED = re.compile(r"^  \+ (\S+) \(([0-9.]+) s\)$", re.MULTILINE)
START_UP_S = 4.0  # of a run before its first step, about


@dataclass(frozen=True)
class Scenario:
    """Runs killed one after another in one folder, and one that is let finish."""

    name: str
    from_nothing: bool
    kills: int
    seed: int


def scenarios() -> list[Scenario]:
    """As many kills as are asked for, one to three in a row, in turn from an empty folder and on a new day."""
    chance, left = random.Random(SEED), KILLS
    made: list[Scenario] = []
    while left:
        kills = 1 if not made else 2 if len(made) == 1 else chance.randint(1, 3)
        kills = min(kills, left)
        nothing = len(made) % 2 == 0
        name = f"{len(made)}-{'from_nothing' if nothing else 'on_a_new_day'}-{kills}_killed"
        made.append(Scenario(name, nothing, kills, chance.randrange(2**32)))
        left -= kills
    return made


def run_and_kill(folder: Folder, chance: random.Random, durations: dict[str, float], day: int) -> str:
    """Starts a run, kills its whole process group at a random moment, and says when that was."""
    step = chance.choice([None, *durations])  # None: before the first step
    wait = chance.random() * (durations[step] if step else START_UP_S)
    process = folder.spawn(now=NOW + day * DAY)
    alarm = threading.Timer(GUARD_S, os.killpg, (process.pid, signal.SIGKILL))
    alarm.start()
    try:
        assert process.stderr is not None
        if step is not None:
            for line in process.stderr:
                if line.rstrip() == f"  > {step}":
                    break
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        drain.join(wait)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        drain.join()
        process.stderr.close()
    finally:
        alarm.cancel()
    code = process.wait()
    assert code in (0, -signal.SIGKILL), f"the run to be killed in {step} failed by itself: {code}"
    return f"{step or 'start'} + {wait:.1f} s{'' if code else ' (it had finished)'}"


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda s: s.name)
def test_running_again_after_kills_gives_the_content_of_an_undisturbed_run(
    scenario: Scenario, built: Built, next_day: Built, tmp_path: Path
) -> None:
    undisturbed, day = (built, 0) if scenario.from_nothing else (next_day, 1)
    durations = {name: float(seconds) for name, seconds in FINISHED.findall(undisturbed.said)}
    assert len(durations) > 8
    chance = random.Random(scenario.seed)
    if scenario.from_nothing:
        folder = Folder.make(tmp_path / "warehouse")
    else:
        folder = built.folder.copy_to(tmp_path / "warehouse")
    moments = [run_and_kill(folder, chance, durations, day) for _ in range(scenario.kills)]
    folder.run_apart(now=NOW + day * DAY)
    assert differences(undisturbed.folder.content(), folder.content()) == {}, f"killed at {moments}"
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
    assert all(one.from_nothing != other.from_nothing for one, other in pairwise(made))
