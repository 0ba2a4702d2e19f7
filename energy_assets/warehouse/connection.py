"""One connection at a time to the working file, always closed, retried while another process holds the lock.

A DuckDB file takes one writing process or several reading ones, and an open reader keeps a writer out. So nothing here
keeps a connection: it is opened for one piece of work and closed in `finally`, after an exception too.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from energy_assets.settings import Settings

# Most BI drivers still carry DuckDB 1.5; files in this version are read by all since 1.4.
STORAGE_VERSION = "v1.4.0"


class WarehouseBusyError(RuntimeError):
    """Another process holds the working file. The message names it, as DuckDB does."""


@dataclass(frozen=True)
class Warehouse:
    """The working file of one warehouse. Holds no connection."""

    database: Path
    threads: int = 2
    memory_limit: str = "1GB"
    patience_s: float = 60.0

    @classmethod
    def of(cls, settings: Settings) -> Warehouse:
        """The warehouse that the settings name."""
        return cls(settings.database, settings.threads, settings.memory_limit)

    @contextmanager
    def connect(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection in UTC, closed at the end whatever happens.

        Raises:
            WarehouseBusyError: the file stayed locked for `patience_s` seconds.
            FileNotFoundError: to be read, but not there.
        """
        if read_only and not self.database.exists():
            raise FileNotFoundError(f"{self.database} is not there yet; run `energy-assets run` first")
        self.database.parent.mkdir(parents=True, exist_ok=True)
        con = self._open(read_only)
        try:
            con.execute("SET TimeZone='UTC'")
            yield con
        finally:
            con.close()

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection whose work is there as a whole or not at all."""
        with self.connect() as con:
            con.begin()
            try:
                yield con
            except BaseException:
                con.rollback()
                raise
            con.commit()

    @contextmanager
    def beside(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection in UTC that reads the working file and may attach and write others beside it.

        A connection that is opened read-only could not write anywhere, so the file is attached to one in memory.
        """
        con = self._retried(self._attached)
        try:
            con.execute("SET TimeZone='UTC'")
            con.execute(f"SET temp_directory = '{quoted(self.database)}.tmp'")  # as that of the file itself
            con.execute(f'USE "{self.database.stem}"')
            yield con
        finally:
            con.close()

    @contextmanager
    def copying(self, target: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        """The same with a new file attached as `target` to copy into."""
        with self.beside() as con:
            attach(con, target, "target")
            yield con

    def frame(self, sql: str, parameters: Sequence[Any] | None = None) -> pl.DataFrame:
        """The result of a query, read with a connection of its own."""
        with self.connect(read_only=True) as con:
            return fetch(con, sql, parameters)

    def _open(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        config = self._limits()
        if not read_only:
            config["storage_compatibility_version"] = STORAGE_VERSION
        return self._retried(lambda: duckdb.connect(str(self.database), read_only=read_only, config=config))

    def _attached(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(config=self._limits())
        try:
            # By the name that DuckDB gives the file itself: views name their tables with it.
            con.execute(f"ATTACH '{quoted(self.database)}' AS \"{self.database.stem}\" (READ_ONLY)")
        except BaseException:
            con.close()
            raise
        return con

    def _limits(self) -> dict[str, Any]:
        return {"threads": self.threads, "memory_limit": self.memory_limit}

    def _retried(self, connect: Callable[[], duckdb.DuckDBPyConnection]) -> duckdb.DuckDBPyConnection:
        deadline, pause = time.monotonic() + self.patience_s, 0.05
        while True:
            try:
                return connect()
            except duckdb.IOException as error:
                if "set lock on" not in str(error):  # "block" is a word of errors that no waiting mends
                    raise
                if time.monotonic() > deadline:
                    raise WarehouseBusyError(
                        f"{self.database} is held by another process ({error}). Readers belong on the published copy; "
                        "`energy-assets doctor` says who holds the file."
                    ) from error
                time.sleep(pause * random.uniform(0.5, 1.5))  # jitter keeps two waiters from meeting again and again
                pause = min(pause * 1.6, 1.0)


def fetch(
    con: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None
) -> pl.DataFrame:
    """A query's result as a frame."""
    result: pl.DataFrame = con.sql(sql, params=parameters).pl()
    return result


def first_row(
    con: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None
) -> tuple[Any, ...] | None:
    """The first row of a result, which is read to its end: DuckDB 2 starts nothing else before that."""
    rows = con.execute(sql, parameters).fetchall()
    return rows[0] if rows else None


def attach(con: duckdb.DuckDBPyConnection, file: Path, name: str) -> None:
    """Attaches a file to be written, which is made in the storage version of all our files if it is not there.

    Raises:
        duckdb.IOException: another process has it open.
    """
    con.execute(f"ATTACH '{quoted(file)}' AS {name} (STORAGE_VERSION '{STORAGE_VERSION}')")


def quoted(path: Path) -> str:
    """A path inside an SQL literal."""
    return str(path).replace("'", "''")
