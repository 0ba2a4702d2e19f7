"""Runs of the warehouse from the command line, in this process, over the jobs that the UI shows.

With `definitions.py` and `defs/` the only module that knows of Dagster, and only by way of `defs.launching`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb

from energy_assets.config import ConfigError, load_config
from energy_assets.dbt import DbtError, ensure_manifest
from energy_assets.settings import PROJECT_ROOT, Settings
from energy_assets.warehouse import Warehouse, WarehouseBusyError

WORKSPACE = PROJECT_ROOT / "workspace.yaml"
NO_ROOM = 2_000_000  # bytes: under this nothing can be written down, not even that a run has failed


class RunError(RuntimeError):
    """A run could not start or did not end well; the message says what to do."""


def run_warehouse(issue_date: date | None, until: date | None = None, *, retrain: bool = False) -> date:
    """Loads what is new, then builds everything for an issue date (default: the newest the data allows).

    Returns:
        The (last) issue date.

    Raises:
        RunError: `sources.yaml` is wrong, the date is out of range, or a step failed.
    """
    settings = Settings()
    prepare(settings)
    from energy_assets.defs.launching import LaunchError, launch

    with one_at_a_time(settings), _full_disk_told(settings):
        _expect_openable(settings)
        try:
            return launch(settings, issue_date, until, retrain=retrain, say=_say)
        except LaunchError as error:
            raise RunError(str(error)) from None


def backtest_warehouse(question: Mapping[str, object]) -> dict[str, str]:
    """Evaluates a window (fields of `defs.forecasting.evaluation.BacktestConfig`), writes it, reports it, publishes it.

    Returns:
        The id of the backtest per kind of meter.

    Raises:
        RunError: `sources.yaml` is wrong, the question has no answer, or a step failed.
    """
    settings = Settings()
    prepare(settings)
    from energy_assets.defs.launching import LaunchError, launch_backtest

    with one_at_a_time(settings), _full_disk_told(settings):
        _expect_openable(settings)
        try:
            return launch_backtest(settings, question, say=_say)
        except LaunchError as error:
            raise RunError(str(error)) from None


def open_ui(host: str, port: int) -> int:
    """Runs the web server and the daemon for the warehouse until they are stopped; returns the exit code."""
    settings = Settings()
    prepare(settings)
    from energy_assets.defs.launching import repair

    for run_id in repair():
        _say(f"run {run_id} had been killed; marked failed")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that neither outlives this process
    programs = Path(sys.executable).parent
    web: list[str | Path] = [programs / "dagster-webserver", "-w", WORKSPACE, "-h", host, "-p", str(port)]
    daemon: list[str | Path] = [programs / "dagster-daemon", "run", "-w", WORKSPACE]
    running = [subprocess.Popen(command, cwd=PROJECT_ROOT) for command in (web, daemon)]
    try:
        return running[0].wait()
    finally:
        for process in running:
            process.terminate()  # not killed: each ends the code server that it started
        for process in running:
            process.wait()


def prepare(settings: Settings) -> None:
    """Folders, Dagster's settings and the dbt manifest; cheap where all is there."""
    try:
        load_config(settings.sources_file)
    except ConfigError as error:
        raise RunError(str(error)) from None
    if not os.access(settings.folder, os.W_OK):
        raise RunError(
            f"{settings.folder} cannot be written; get write access, or copy the folder to where you have it"
        )
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ["ENERGY_WAREHOUSE"] = str(settings.folder)
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    os.environ["ENERGY_DATABASE"] = str(settings.database)
    settings.landing.mkdir(parents=True, exist_ok=True)
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    shipped = Path(__file__).with_name("dagster.yaml").read_text()
    target = settings.dagster_home / "dagster.yaml"
    if not target.exists() or target.read_text() != shipped:
        target.write_text(shipped)
    try:
        ensure_manifest(settings)
    except DbtError as error:
        raise RunError(str(error)) from None


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """One command-line run per warehouse; a second one waits. The lock falls with its process, however that ends."""
    with (settings.folder / ".run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            _say(f"waiting for the run of process {lock.read().strip() or '?'} on {settings.folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def _full_disk_told(settings: Settings) -> Iterator[None]:
    """One message for a full disk, whichever library meets it and whatever it calls it.

    Raises:
        RunError: the disk is full before the run, or is after it has failed.
    """

    def full() -> bool:
        return shutil.disk_usage(settings.folder).free < NO_ROOM

    said = f"the disk of {settings.folder} is full: free some and run again, which goes on from what stands"
    if full():
        raise RunError(said)
    try:
        yield
    except Exception as error:
        if full():
            raise RunError(f"{said} ({type(error).__name__}: {str(error).splitlines()[0]})") from error
        raise


def _expect_openable(settings: Settings) -> None:
    """Says that the working file is damaged before a run fails in its first step, three times, with DuckDB's words."""
    try:
        with replace(Warehouse.of(settings), patience_s=0).connect(read_only=True):
            pass
    except (FileNotFoundError, WarehouseBusyError):
        return  # nothing is loaded yet; or another program reads, and the run waits for it
    except duckdb.Error as error:
        raise RunError(
            f"{settings.database} is damaged ({str(error).splitlines()[0]}). `energy-assets doctor --repair` mends it; "
            "`energy-assets restore` brings a backup back"
        ) from None


def _say(message: str) -> None:
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
