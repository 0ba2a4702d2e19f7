"""The warehouse as a Dagster resource: settings, `sources.yaml` and short connections.

Belongs here: what assets need of the outside. It also notes which process works on a run, so that a run whose process
is gone can be told from one that works (`automation/repair.py`).
"""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Self

import dagster as dg
import psutil

from energy_assets.config import WarehouseConfig, load_config
from energy_assets.settings import Settings
from energy_assets.warehouse import Warehouse

POOL = "warehouse"
PROCESS_TAG = "energy/process"


class WarehouseResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One warehouse folder. Everything is read when asked for, nothing is held open."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:
        """Tags the run with the process that works on it."""
        if context.run is not None and context.instance is not None:
            context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: process_mark()})
        yield self

    @cached_property
    def settings(self) -> Settings:
        """Paths, limits and clock."""
        return Settings()

    @cached_property
    def config(self) -> WarehouseConfig:
        """The validated `sources.yaml`."""
        return load_config(self.settings.sources_file)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The working file."""
        return Warehouse.of(self.settings)

    def now(self) -> datetime:
        """The present, or the frozen clock."""
        return self.settings.now()


def process_mark() -> str:
    """`<pid>:<start time>` of the process that owns the run.

    Steps of the multiprocess executor come and go; their parent is what lives as long as the run.
    """
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent is not None and parent.pid is not None else os.getpid()
    return f"{pid}:{psutil.Process(pid).create_time():.2f}"


def process_lives(mark: str) -> bool:
    """Whether the process of a mark still works; a reused pid does not count."""
    pid, _, started = mark.partition(":")
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(started)) < 1
    except (psutil.NoSuchProcess, ValueError):
        return False
